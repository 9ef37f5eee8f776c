"""Slack: cards, threads, views, and what people answer."""

"""TALK: people, pagers, terminals, web pages, settings and processes."""

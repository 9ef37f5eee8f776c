"""TALK: people, pagers, terminals, web pages, settings and processes."""

__version__ = "0.1.0"

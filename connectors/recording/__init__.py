"""Writes what an investigation read as a case: the directory that replays to the same ranking."""

from connectors.recording.case import Answered, save

__all__ = ["Answered", "save"]

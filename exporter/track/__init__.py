"""Waits for messages from the shell."""

from exporter.track.command import Wish, track

__all__ = ["Wish", "track"]

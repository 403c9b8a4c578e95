"""Why `track` cannot do what it was asked for, as values that know how it exits."""

from __future__ import annotations

from exporter.track.exits import Exit


class UsageError(Exception):
    """The command line is wrong; `lines` say all of how, and quote nothing of it."""

    def __init__(self, *lines: str) -> None:
        """Take a sentence for each thing to mend."""
        super().__init__("\n".join(lines))
        self.lines = lines


class CannotTrackError(Exception):
    """It cannot be known what becomes of the messages; the text says why and what to check."""

    def __init__(self, code: Exit, message: str) -> None:
        """Take how it exits, and a sentence."""
        super().__init__(message)
        self.code = code

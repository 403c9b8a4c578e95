"""The messages that are waited for: what is known of each, and how many still have not ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.track.report import Report


class Board:
    """Each message once, in the order in which they were given."""

    def __init__(self, ids: Iterable[str]) -> None:
        """Start with nothing known of any."""
        self.on_end: Callable[[Report], None] = lambda _: None
        """Told of each message that ends."""
        self.delivered = 0
        self.failed = 0
        self._reports = {message_id: Report(message_id=message_id) for message_id in ids}
        self._open = dict.fromkeys(self._reports)

    def __len__(self) -> int:
        """Count all messages."""
        return len(self._reports)

    @property
    def reports(self) -> list[Report]:
        """What is known of each."""
        return list(self._reports.values())

    @property
    def open(self) -> list[str]:
        """The ids of those that have not ended."""
        return list(self._open)

    @property
    def open_count(self) -> int:
        """Count those that have not ended."""
        return len(self._open)

    def put(self, report: Report) -> None:
        """Take what is known now of a message that has not ended; an end stays as it is."""
        if report.message_id not in self._open:
            return
        self._reports[report.message_id] = report
        if not report.final:
            return
        del self._open[report.message_id]
        if report.delivered:
            self.delivered += 1
        else:
            self.failed += 1
        self.on_end(report)

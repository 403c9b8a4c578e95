"""Waits for messages by asking SMSBat itself: an exporter in memory, without listeners, for so long."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final

from exporter.admission import Offer
from exporter.app import App
from exporter.clock import SystemClock
from exporter.config import Config, Intake, SecretError, format_duration
from exporter.message import PollResult
from exporter.store.choice import open_store
from exporter.track.exits import Exit
from exporter.track.problems import CannotTrackError, UsageError
from exporter.track.report import of_finished, of_message

if TYPE_CHECKING:
    from exporter.commit import Committer
    from exporter.core import Core
    from exporter.desk import Desk
    from exporter.store import FinishedRow
    from exporter.track.board import Board

_FIRST_SECONDS: Final = 1.0
"""Whoever waits in a shell has often sent a while ago, so the first poll comes as early as any configuration allows."""
_LAST_SECONDS: Final = 1.0
"""How long before the wait is over every message is asked about once more."""
_LOOK_SECONDS: Final = 1.0
_TROUBLES: Final = {
    PollResult.NOT_FOUND: "does not know some of the messages (404): not visible yet, mistyped, or another account's",
    PollResult.UNAUTHORIZED: "refuses the credentials (401 or 403); one careful call at a time",
    PollResult.RATE_LIMITED: "limits the rate (429); polling slows down",
    PollResult.CLIENT_ERROR: "answers with errors (4xx)",
    PollResult.SERVER_ERROR: "answers with errors (5xx)",
    PollResult.TIMEOUT: "does not answer within request_timeout",
    PollResult.CONNECTION_ERROR: "cannot be reached",
    PollResult.UNREADABLE: "answers what cannot be read",
}


def configured(config: Config, account: str | None, messages: int, timeout_seconds: float) -> Config:
    """Return the configuration of a wait: one account, nothing kept, no gap longer than `interval`.

    No message ends for its age before the wait is over. Raises UsageError when there is no such account.
    """
    chosen = next((each for each in config.accounts if account in {None, each.name}), None)
    if chosen is None:
        names = ", ".join(each.name for each in config.accounts)
        raise UsageError(f"--account: no such account is configured; there are: {names}")
    last_at = max(timeout_seconds - _LAST_SECONDS, timeout_seconds / 2)
    polling = tuple(
        entry.model_copy(
            update={
                "first": _FIRST_SECONDS,
                "backoff": 1.0,
                "max_interval": entry.interval,
                "timeout": max(entry.timeout, timeout_seconds),
                "mature": last_at,
            }
        )
        for entry in config.polling
    )
    return Config.model_construct(
        accounts=(chosen,),
        polling=polling,
        not_found_grace=config.not_found_grace,
        status_aliases=config.status_aliases,
        store=config.store.model_copy(update={"type": "memory"}),
        # Polls at the edges of a histogram that nobody sees would be wasted; the one at the end is not.
        buckets=(last_at,),
        intake=Intake(max_in_flight=messages),
    )


async def follow(config: Config, board: Board, channel: str | None, tell: Callable[[str], None]) -> None:
    """Follow every message on the board to its end; raises CannotTrackError when the account has no usable secret."""
    app = App(config, lambda: config, open_store)
    try:
        await app.start(SystemClock())
        if app.core is not None:
            if hint := _too_short(config, len(board)):
                tell(hint)
            rows = stored_ends(app.core.committer)
            await _offer(app.core, board, channel)
            await _watch(app, app.core, _note_ends(rows, board), tell)
    except SecretError as error:
        raise CannotTrackError(Exit.CONFIG, f"account {config.accounts[0].name}: the secret {error}") from None
    finally:
        if app.core is not None:
            _note_open(app.core, board)
        await app.stop()


async def _offer(core: Core, board: Board, channel: str | None) -> None:
    account = core.config.accounts[0].name
    await core.admission.offer([Offer(id=each, account=account, channel=channel) for each in board.open], "api")


def _too_short(config: Config, messages: int) -> str | None:
    """Say so when the wait is over before every message can have been asked about once."""
    (account,), wait_seconds = config.accounts, config.polling[0].mature
    needed_seconds = (messages - account.burst) / account.requests_per_second + _FIRST_SECONDS
    if needed_seconds <= wait_seconds:
        return None
    return (
        f"account {account.name}: {messages} messages at {account.requests_per_second:g} requests/s take"
        f" {format_duration(math.ceil(needed_seconds))} to be asked about once: raise requests_per_second or --timeout"
    )


async def _watch(app: App, core: Core, noting: Coroutine[None, None, None], tell: Callable[[str], None]) -> None:
    """Note the ends, and tell what goes wrong meanwhile; raises what a part of the exporter fails with."""
    tasks = [asyncio.create_task(work) for work in (noting, look_for_trouble(core, tell))]
    try:
        done, _ = await asyncio.wait({*tasks, app.failed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for each in done:
        each.result()


async def _note_ends(rows: asyncio.Queue[FinishedRow], board: Board) -> None:
    while board.open_count:
        board.put(of_finished(await rows.get()))


def stored_ends(committer: Committer) -> asyncio.Queue[FinishedRow]:
    """Return where the row of each message arrives that ends from now on, once it is stored."""
    rows: asyncio.Queue[FinishedRow] = asyncio.Queue()

    def follow_group() -> None:
        changes = committer.changes

        def stored() -> None:
            follow_group()
            for row in changes.finished:
                rows.put_nowait(row)

        changes.then.append(stored)

    follow_group()
    return rows


def _note_open(core: Core, board: Board) -> None:
    """Put on the board how those stand that have not ended."""
    for message_id in board.open:
        slot = core.in_flight.find(core.config.accounts[0].name, message_id)
        if slot is not None:
            board.put(of_message(core.in_flight.get(slot)))


async def look_for_trouble(core: Core, tell: Callable[[str], None]) -> None:
    """Tell each kind of trouble once, as it comes up."""
    told: set[PollResult] = set()
    (desk,) = core.desks.values()
    try:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            _tell_trouble(desk, told, tell)
    finally:
        _tell_trouble(desk, told, tell)


def _tell_trouble(desk: Desk, told: set[PollResult], tell: Callable[[str], None]) -> None:
    for result, words in _TROUBLES.items():
        if desk.meter.results[result] and result not in told:
            told.add(result)
            tell(f"account {desk.account}: SMSBat {words}")

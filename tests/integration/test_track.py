"""`track` as a shell runs it: what it prints where, and how it exits."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from exporter.simulator import Fault, FaultKind, Life, Simulator
from tests.api_listener import listening
from tests.integration.configs import KEY, account, config, message
from tests.integration.process import PATIENCE_SECONDS, environment, run, serving, write_config
from tests.integration.simulated import ENDLESS, caller, delivered_after, simulated

TOKEN: Final = "token-7d1e"
UNDELIVERABLE: Final = Life.scripted([(0.0, "undeliverable")], cost="0.00")
FLAG: Final = "--config.file=config.yaml"


@asynccontextmanager
async def api(folder: Path, **messages: Life) -> AsyncIterator[Simulator]:
    """Run a simulated API that knows these messages, with a configuration for it in the folder."""
    async with simulated(caller(), caller("second", "key-of-second")) as simulator:
        for name, life in messages.items():
            simulator.add(name, life=life)
        second = account(simulator.url, "second", auth={"method": "header", "api_key": "key-of-second"})
        write_config(folder, config([account(simulator.url, currency="EUR"), second]))
        yield simulator


@asynccontextmanager
async def typed(folder: Path, *arguments: str, stderr: int, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `track` while the block lasts, with standard error where the test can see it come."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "track", *arguments),
        cwd=folder,
        env=environment({"TERM": "xterm", **env}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def on_terminal(folder: Path, *arguments: str, **env: str) -> tuple[int | None, str, str]:
    """Run `track` with a terminal of 100 columns as standard error; return exit code, output and what it got."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    reading = asyncio.create_task(asyncio.to_thread(_read, ours))
    try:
        async with typed(folder, *arguments, stderr=theirs, **env) as process:
            os.close(theirs)
            output, _ = await process.communicate()
    finally:
        seen = await reading
        os.close(ours)
    return process.returncode, output.decode(), seen


def _read(terminal: int) -> str:
    """Read until the last who has the terminal open is gone, which Linux says by EIO."""
    seen = b""
    with contextlib.suppress(OSError):
        while some := os.read(terminal, 4096):
            seen += some
    return seen.decode()


async def test_all_delivered_exits_with_0(tmp_path: Path) -> None:
    async with api(tmp_path, a=delivered_after(0), b=delivered_after(1.7)) as simulator:
        code, output, errors = await run(tmp_path, "track", "a", "b", FLAG)
    lines = output.splitlines()
    assert code == 0
    assert lines[0].split() == ["id", "outcome", "time", "cost", "fallback"]
    assert lines[1].split() == ["a", "delivered", "-", "0.05", "EUR", "no"]
    assert lines[2].startswith("b   delivered  ")
    assert "messages       2: 2 delivered, 0 failed, 0 open" in lines
    assert "cost           0.10 EUR" in lines
    assert sorted(re.sub(r"( after .* s)? \(.*", "", line) for line in errors.splitlines()) == [
        "a: delivered",
        "b: delivered",
    ]
    assert errors.splitlines()[-1].endswith(" (2/2)")
    assert "\x1b" not in output + errors
    assert KEY not in output + errors
    assert len(simulator.ledger.account_arrivals["main"]) <= 4
    assert not (tmp_path / "state.db").exists()


async def test_one_undeliverable_exits_with_1(tmp_path: Path) -> None:
    async with api(tmp_path, a=delivered_after(0), b=UNDELIVERABLE):
        code, output, _ = await run(tmp_path, "track", "a", "b", FLAG)
    assert code == 1
    assert "messages       2: 1 delivered, 1 failed, 0 open" in output
    assert "delivery rate  50.0%" in output


async def test_one_that_is_open_at_the_timeout_exits_with_2(tmp_path: Path) -> None:
    async with api(tmp_path, a=delivered_after(0), b=UNDELIVERABLE, c=ENDLESS):
        code, output, errors = await run(tmp_path, "track", "a", "b", "c", FLAG, "--timeout=4s")
    assert code == 2
    assert "c   open (processing)  -" in output
    assert "messages       3: 1 delivered, 1 failed, 1 open" in output
    assert len(errors.splitlines()) == 2


async def test_json_is_one_document_on_standard_output(tmp_path: Path) -> None:
    by_fallback = Life.scripted(
        [
            (0.0, "processing", {"viber": "processing", "sms": "not_used"}),
            (1.7, "delivered", {"viber": "undeliverable", "sms": "delivered"}),
        ],
        cost="0.10",
    )
    async with api(tmp_path, a=by_fallback, b=ENDLESS):
        code, output, _ = await run(tmp_path, "track", "a", "b", FLAG, "--json", "--channel=viber_otp", "--timeout=4s")
    document = json.loads(output)
    a, b = document["messages"]
    assert code == 2
    known = ("messageId", "account", "channel", "outcome", "final", "cost", "currency", "fallbackUsed", "via")
    assert [a[name] for name in known] == ["a", "main", "viber_otp", "delivered", True, 0.1, "EUR", True, "sms"]
    assert [b[name] for name in ("outcome", "final", "status", "cost")] == [None, False, "processing", None]
    assert a.keys() == b.keys()
    if (bounds := a["timeToDelivery"]) is not None:
        assert 0 < bounds["lowerBound"] < bounds["upperBound"] < 4
    assert document["summary"] | {"timeToDelivery": None} == {
        "messages": 2,
        "delivered": 1,
        "failed": 0,
        "open": 1,
        "deliveryRate": 0.5,
        "timeToDelivery": None,
        "cost": {"EUR": 0.1},
    }


@pytest.mark.parametrize("stdin", [False, True])
async def test_ids_come_from_a_file_or_standard_input(tmp_path: Path, *, stdin: bool) -> None:
    content = "# of today\na\n\nb # the second\na\n"
    (tmp_path / "ids.txt").write_text(content)
    given = b"" if not stdin else content.encode()
    async with api(tmp_path, a=delivered_after(0), b=delivered_after(0)):
        code, output, _ = await run(tmp_path, "track", "--from-file", "-" if stdin else "ids.txt", FLAG, stdin=given)
    assert (code, [line.split()[0] for line in output.splitlines()[1:3]]) == (0, ["a", "b"])
    assert "messages       2: 2 delivered" in output


async def test_messages_are_of_the_account_that_is_named(tmp_path: Path) -> None:
    async with api(tmp_path) as simulator:
        simulator.add("a", account="second", life=delivered_after(0))
        code, output, _ = await run(tmp_path, "track", "a", FLAG, "--account=second", "--json")
    assert code == 0
    assert json.loads(output)["messages"][0]["account"] == "second"


async def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    async with simulated() as simulator:
        simulator.add("-a", life=delivered_after(0))
        env = {"SMSBAT_API_KEY": KEY, "SMSBAT_BASE_URL": simulator.url}
        code, output, errors = await run(tmp_path, "track", "--", "-a", env=env)
    assert (code, errors) == (0, "-a: delivered (1/1)\n")
    assert KEY not in output
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - not even a store


async def test_a_wrong_key_is_said_while_it_waits(tmp_path: Path) -> None:
    async with api(tmp_path, a=delivered_after(0)) as simulator:
        simulator.faults.set(Fault(kind=FaultKind.STATUS, status=401))
        code, output, errors = await run(tmp_path, "track", "a", FLAG, "--timeout=4s")
    assert code == 2
    assert errors == "account main: SMSBat refuses the credentials (401 or 403); one careful call at a time\n"
    assert "a   open (accepted)" in output


async def test_each_kind_of_trouble_is_said_once(tmp_path: Path) -> None:
    async with api(tmp_path, a=delivered_after(0), b=delivered_after(0)) as simulator:
        faults = [Fault(kind=FaultKind.STATUS, status=503, message_id=each) for each in ("a", "b")]
        simulator.faults.set(*faults)
        code, _, errors = await run(tmp_path, "track", "a", "b", "mistyped", FLAG, "--timeout=4s")
    assert code == 2
    unknown = "does not know some of the messages (404): not visible yet, mistyped, or another account's"
    assert sorted(errors.splitlines()) == [
        "account main: SMSBat answers with errors (5xx)",
        f"account main: SMSBat {unknown}",
    ]


async def test_a_wait_that_is_too_short_for_the_budget_is_said_to_be(tmp_path: Path) -> None:
    ids = [f"m{number}" for number in range(20)]
    async with simulated() as simulator:
        for each in ids:
            simulator.add(each, life=delivered_after(0))
        write_config(tmp_path, config([account(simulator.url, requests_per_second=2, burst=10)]))
        code, output, errors = await run(tmp_path, "track", *ids, FLAG, "--timeout=4s")
    assert code == 2
    assert errors.splitlines()[0] == (
        "account main: 20 messages at 2 requests/s take 6s to be asked about once:"
        " raise requests_per_second or --timeout"
    )
    assert "(accepted)" in output


async def test_trouble_that_passes_costs_no_message(tmp_path: Path) -> None:
    async with api(tmp_path, a=delivered_after(0)) as simulator:
        simulator.faults.set(Fault(kind=FaultKind.STATUS, status=503, max_calls=1))
        code, output, _ = await run(tmp_path, "track", "a", FLAG)
    assert code == 0
    assert "messages       1: 1 delivered" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no message ids"),
        (("--from-file=none.txt",), "none.txt: cannot be read: No such file or directory"),
        (("a", "+380501112233", "x/y"), "argument 3: not a message id"),
        (("a", "--timeout=5"), "--timeout: must be a duration"),
        (("a", "--timeout=500ms"), "--timeout: must be at least 1s"),
        (("a", "--account=third"), "--account: no such account is configured; there are: main, second"),
        (("a", "--via-token-file=token"), "--via-token-file: goes with --via only"),
        (("a", "--via=http://127.0.0.1:1"), "--config.file: does not go with --via"),
        (("a", "--no-such-flag"), "unrecognized arguments: --no-such-flag"),
        (("a", "--timeout"), "argument --timeout: expected one argument"),
    ],
)
async def test_bad_usage_exits_with_64_and_asks_nobody(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    async with api(tmp_path) as simulator:
        code, output, errors = await run(tmp_path, "track", FLAG, *arguments)
        assert not simulator.ledger.account_arrivals
    assert (code, output) == (64, "")
    assert said in errors
    assert "+380501112233" not in errors


async def test_a_wrong_url_exits_with_64(tmp_path: Path) -> None:
    code, output, errors = await run(tmp_path, "track", "a", "--via=10768")
    assert (code, output) == (64, "")
    assert errors.startswith("smsbat-exporter: --via: must be the URL")


async def test_without_an_account_it_exits_with_78(tmp_path: Path) -> None:
    code, output, errors = await run(tmp_path, "track", "a")
    assert (code, output) == (78, "")
    assert errors == "environment: set either SMSBAT_API_KEY, or both SMSBAT_USERNAME and SMSBAT_PASSWORD\n"


async def test_a_wrong_configuration_exits_with_78_and_says_where(tmp_path: Path) -> None:
    write_config(tmp_path, "accounts: [{name: main, auth: {method: header, api_key_file: none.txt}}]\nretries: 3\n")
    code, _, errors = await run(tmp_path, "track", "a", FLAG)
    assert code == 78
    assert "config.yaml:2:1: retries: " in errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_prints_what_is_known_so_far(tmp_path: Path, number: signal.Signals, code: int) -> None:
    async with (
        api(tmp_path, a=delivered_after(0), b=ENDLESS),
        typed(tmp_path, "a", "b", FLAG, stderr=asyncio.subprocess.PIPE) as process,
    ):
        assert process.stderr is not None
        assert await process.stderr.readline() == b"a: delivered (1/2)\n"
        process.send_signal(number)
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (code, b"")
    assert b"messages       2: 1 delivered, 0 failed, 1 open" in output


async def test_a_terminal_gets_a_bar_and_nothing_of_it_stays(tmp_path: Path) -> None:
    async with api(tmp_path, a=delivered_after(0), b=UNDELIVERABLE):
        code, output, seen = await on_terminal(tmp_path, "a", "b", FLAG)
    assert code == 1
    assert "\r\x1b[32m[------------------------]\x1b[0m 0/2  0 delivered, 0 failed, 2 open  0:00 of 2:00" in seen
    assert "\x1b[31m[########################]\x1b[0m 2/2  1 delivered, 1 failed, 0 open" in seen
    assert seen.rpartition("\r ")[2].strip() == ""
    assert "\n" not in seen
    assert "\x1b" not in output
    assert "messages       2: 1 delivered, 1 failed, 0 open" in output


async def test_a_bar_is_plain_where_no_colour_is_wanted(tmp_path: Path) -> None:
    async with api(tmp_path, a=delivered_after(0)):
        code, _, seen = await on_terminal(tmp_path, "a", FLAG, NO_COLOR="1")
    assert code == 0
    assert "\r[########################] 1/1  1 delivered" in seen
    assert "\x1b" not in seen


async def test_a_terminal_gets_troubles_above_the_bar(tmp_path: Path) -> None:
    async with api(tmp_path):
        _, _, seen = await on_terminal(tmp_path, "a", FLAG, "--timeout=4s", NO_COLOR="1")
    assert re.search(r"\raccount main: SMSBat does not know some of the messages \(404\)[^\r]*\r\n\r\[-", seen)


async def test_through_a_running_exporter_the_send_times_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    async with listening(TOKEN) as listener:
        bounds = {"lowerBound": 2.0, "upperBound": 3.5}
        await listener.end("a", timeToDelivery=bounds, cost=0.05, currency="USD", fallbackUsed=False, via="sms")
        await listener.end("b", "timeout")
        flags = (f"--via={listener.url}/", "--via-token-file=token")
        code, output, errors = await run(tmp_path, "track", "a", "b", *flags)
        env = {"SMSBAT_EXPORTER_TOKEN_FILE": "token"}
        again, document, _ = await run(tmp_path, "track", "a", f"--via={listener.url}", "--json", env=env)
    assert code == 1
    assert output == (
        "id  outcome    time        cost      fallback\n"
        "a   delivered  2.0..3.5 s  0.05 USD  no\n"
        "b   timeout    -           -         -\n"
        "\n"
        "messages       2: 1 delivered, 1 failed, 0 open\n"
        "delivery rate  50.0%\n"
        "time           median 2.0..3.5 s, 95th percentile 2.0..3.5 s\n"
        "cost           0.05 USD\n"
    )
    assert again == 0
    assert json.loads(document)["messages"] == [listener.known["a"]]
    assert TOKEN not in output + errors + document


async def test_serve_and_track_understand_each_other(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    async with simulated() as simulator:
        for name, life in {"a": delivered_after(0), "b": UNDELIVERABLE, "c": ENDLESS, "d": delivered_after(2)}.items():
            simulator.add(name, life=life)
        write_config(tmp_path, config([account(simulator.url)], [message("a")], api={"token_file": "token"}))
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum("smsbat_messages_finished_total", outcome="delivered") == 1)
            via = f"--via={await exporter.api_url()}"
            flags = (via, "--via-token-file=token")
            delivered = await run(tmp_path, "track", "a", "d", *flags, "--channel=sms", "--json")
            mixed = await run(tmp_path, "track", "a", "b", "c", *flags, "--timeout=4s")
            nobodys = await run(tmp_path, "track", "a", *flags, "--account=third")
            secretly = await run(tmp_path, "track", "a", via)
            assert await exporter.stop() == 0
    a, d = json.loads(delivered[1])["messages"]
    assert (delivered[0], a["outcome"], a["channel"], a["cost"]) == (0, "delivered", "sms", 0.05)
    assert (d["outcome"], d["channel"]) == ("delivered", "sms")
    assert 0 <= d["timeToDelivery"]["lowerBound"] < d["timeToDelivery"]["upperBound"]
    assert (mixed[0], mixed[2].splitlines()[0][:2]) == (2, "a:")
    assert "messages       3: 1 delivered, 1 failed, 1 open" in mixed[1]
    assert "c   open (processing)" in mixed[1]
    assert nobodys[:2] == (69, "")
    assert nobodys[2].endswith("no such account is configured\n")
    assert (secretly[:2], "answers 401: send the token" in secretly[2]) == ((69, ""), True)
    assert TOKEN not in exporter.log + secretly[2]


async def test_through_a_running_exporter_open_ones_exit_with_2(tmp_path: Path) -> None:
    async with listening() as listener:
        code, output, errors = await run(tmp_path, "track", "a", f"--via={listener.url}", "--timeout=1s")
    assert (code, errors) == (2, "")
    assert "a   open (processing)" in output


async def test_an_exporter_that_refuses_or_does_not_run_exits_with_69(tmp_path: Path) -> None:
    async with listening(TOKEN) as listener:
        refused = await run(tmp_path, "track", "a", f"--via={listener.url}")
    gone = await run(tmp_path, "track", "a", f"--via={listener.url}")
    assert (refused[:2], gone[:2]) == ((69, ""), (69, ""))
    assert refused[2].startswith(f"smsbat-exporter: the exporter at {listener.url} answers 401: ")
    assert gone[2].startswith(f"smsbat-exporter: the exporter at {listener.url} cannot be reached (Connection refused)")
    assert "Traceback" not in refused[2] + gone[2]


async def test_help_names_every_exit_code(tmp_path: Path) -> None:
    code, output, _ = await run(tmp_path, "track", "--help")
    assert code == 0
    assert re.findall(r"^  (\d+) ", output, re.MULTILINE) == ["0", "1", "2", "64", "69", "70", "74", "78", "130"]

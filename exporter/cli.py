"""Flags to a command: `serve`, `check`, `demo`, `simulate`, `track` and `config-schema`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter import __version__
from exporter.track import flags
from exporter.track.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from exporter.config import Config
    from exporter.serving import Addresses

_COMMANDS: Final = ("serve", "check", "demo", "simulate", "track", "config-schema")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the process's exit code."""
    given = _with_command(list(sys.argv[1:] if arguments is None else arguments))
    try:
        options = _parser().parse_args(given)
    except SystemExit as ended:
        if given[0] == "track" and ended.code == 2:
            return Exit.USAGE  # argparse's 2 says that messages are still open
        raise
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _with_command(given: list[str]) -> list[str]:
    """`serve` is the default command, flags or not."""
    if given and (given[0] in _COMMANDS or given[0] in {"-h", "--help", "--version"}):
        return given
    return ["serve", *given] if not given or given[0].startswith("-") else given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smsbat-exporter",
        description="A Prometheus exporter for messages sent through SMSBat.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"smsbat-exporter {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="{" + ",".join(_COMMANDS) + "}", required=True)
    serve = _command(commands, "serve", _serve, "run the exporter (the default)")
    _add_config(serve)
    _add_listener(serve)
    check = _command(commands, "check", _check, "validate a configuration")
    _add_config(check)
    check.add_argument("--probe", action="store_true", help="ask the API for a made-up id with each account")
    demo = _command(commands, "demo", _demo, "run the exporter against a simulated API, with traffic")
    _add_listener(demo)
    demo.set_defaults(log_level="error")  # it makes things go wrong on purpose, and says by itself how it goes
    simulate = _command(commands, "simulate", _simulate, "run only the simulated API")
    _add_simulator(simulate)
    track = _command(commands, "track", _track, "wait for messages, and print what became of each")
    flags.add(track)
    _add_config(track)
    _command(commands, "config-schema", _config_schema, "print the configuration's JSON Schema")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    help_: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_, description=help_, allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        help="path of the configuration; without it SMSBAT_API_KEY, or SMSBAT_USERNAME and SMSBAT_PASSWORD, are used",
    )


def _add_listener(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web.listen-address", dest="web_address", default=":10767", help="address of /metrics (default: %(default)s)"
    )
    parser.add_argument(
        "--web.enable-lifecycle", dest="lifecycle", action="store_true", help="allow reload by POST /-/reload"
    )
    parser.add_argument(
        "--api.listen-address",
        dest="api_address",
        default="127.0.0.1:10768",
        help="address of the API for the application beside it (default: %(default)s)",
    )
    parser.add_argument(
        "--webhook.listen-address",
        dest="webhook_address",
        default=":10769",
        help="address for SMSBat's webhooks, opened when an account has a webhook token (default: %(default)s)",
    )
    _add_log(parser)


def _add_simulator(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--simulator.listen-address",
        dest="simulator_address",
        default="127.0.0.1:10780",
        help="address of the simulated API (default: %(default)s)",
    )
    parser.add_argument(
        "--simulator.profile",
        dest="profile",
        choices=("realistic", "demo"),
        default="realistic",
        help="how messages fare: as in life, or with every oddity within two minutes (default: %(default)s)",
    )
    parser.add_argument(
        "--simulator.seed",
        dest="seed",
        type=_seed,
        default=1,
        help="the same seed gives the same messages the same ids and lives; random: another one each time"
        " (default: %(default)s)",
    )
    _add_log(parser)


def _seed(text: str) -> int:
    """Read a seed; another one each time lets a new simulated API give out ids that an old store does not know."""
    if text == "random":
        return int.from_bytes(os.urandom(4))
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor random") from None


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log.level", dest="log_level", choices=("debug", "info", "warn", "error"), default="info")
    parser.add_argument("--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt")


def _load(options: argparse.Namespace) -> Config:
    from exporter.config import from_environment, load

    return from_environment(os.environ) if options.config_file is None else load(options.config_file, os.environ)


def _complain(*lines: str) -> int:
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return 1


def _run(main_: Coroutine[None, None, int]) -> int:
    """Run on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main_)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _serve(options: argparse.Namespace) -> int:
    from exporter import logs
    from exporter.config import ConfigError

    logs.setup(options.log_level, options.log_format, sys.stderr)
    # Its extension brings the C++ library along, a megabyte; in Python it costs 0.1 us a request.
    os.environ.setdefault("FROZENLIST_NO_EXTENSIONS", "1")
    try:
        config = _load(options)
    except ConfigError as error:
        return _complain(*map(str, error.problems))
    return _run(_serving(options, config))


async def _serving(options: argparse.Namespace, config: Config) -> int:
    from exporter.app import App
    from exporter.clock import SystemClock
    from exporter.config import SecretError
    from exporter.serving import serve
    from exporter.store import StoreError
    from exporter.store.choice import open_store
    from exporter.web.addresses import AddressError
    from exporter.web.server import ListenError

    app = App(config, lambda: _load(options), open_store)
    try:
        await serve(app, SystemClock(), _addresses(options), lifecycle_enabled=options.lifecycle)
    except (AddressError, ListenError, SecretError, StoreError) as error:
        return _complain(f"smsbat-exporter: {error}")
    return 0


def _addresses(options: argparse.Namespace) -> Addresses:
    """Return where each listener listens; raises AddressError."""
    from exporter.serving import Addresses
    from exporter.web.addresses import parse

    return Addresses(
        web=parse(options.web_address), api=parse(options.api_address), webhook=parse(options.webhook_address)
    )


def _check(options: argparse.Namespace) -> int:
    from exporter.config import ConfigError

    try:
        config = _load(options)
    except ConfigError as error:
        print(*error.problems, sep="\n")
        return 1
    print(f"{options.config_file or 'environment'}: the configuration is valid")
    if not options.probe:
        return 0
    from exporter.probing import probe

    return _run(probe(config, print))


def _demo(options: argparse.Namespace) -> int:
    from exporter import logs

    logs.setup(options.log_level, options.log_format, sys.stderr)
    return _run(_listening(_demo_at(options)))


async def _demo_at(options: argparse.Namespace) -> None:
    from exporter.demo import demo

    await demo(_addresses(options), lifecycle_enabled=options.lifecycle, say=_say)


def _simulate(options: argparse.Namespace) -> int:
    from exporter import logs
    from exporter.demo import simulate

    logs.setup(options.log_level, options.log_format, sys.stderr)
    return _run(_listening(simulate(options.simulator_address, options.seed, options.profile, say=_say)))


def _track(options: argparse.Namespace) -> int:
    from exporter import logs
    from exporter.track.command import track

    logs.setup("error", "logfmt", sys.stderr)
    return track(flags.wish(options), lambda: _load(options), os.environ, _run)


async def _listening(command: Coroutine[None, None, None]) -> int:
    """Run a command that can only fail for want of its address."""
    from exporter.web.addresses import AddressError
    from exporter.web.server import ListenError

    try:
        await command
    except (AddressError, ListenError) as error:
        return _complain(f"smsbat-exporter: {error}")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _config_schema(_: argparse.Namespace) -> int:
    import json

    from exporter.config import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0

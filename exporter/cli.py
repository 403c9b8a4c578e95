"""Flags to a command: `serve`, `check`, `demo`, `simulate`, `track`, `health` and `config-schema`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from exporter import __version__, flags
from exporter.track import flags as track_flags
from exporter.track.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from exporter.config import Config
    from exporter.serving import Addresses, WebFlags

_COMMANDS: Final = ("serve", "check", "demo", "simulate", "track", "health", "config-schema")


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
    try:
        code = run(options)
        if sys.stdout is not None:  # it is None where standard output is closed
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; what Python still holds for it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return code


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
    flags.config(serve)
    flags.listener(serve)
    check = _command(commands, "check", _check, "validate a configuration")
    flags.config(check)
    flags.web_config(check)
    check.add_argument("--probe", action="store_true", help="ask the API for a made-up id with each account")
    demo = _command(commands, "demo", _demo, "run the exporter against a simulated API, with traffic")
    flags.listener(demo)
    demo.set_defaults(log_level="error")  # it makes things go wrong on purpose, and says by itself how it goes
    simulate = _command(commands, "simulate", _simulate, "run only the simulated API")
    flags.simulator(simulate)
    track = _command(commands, "track", _track, "wait for messages, and print what became of each")
    track_flags.add(track)
    flags.config(track)
    flags.web_address(_command(commands, "health", _health, "ask the exporter on this machine how it is"))
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
    from exporter.config import ConfigError, SecretError
    from exporter.serving import serve
    from exporter.store import StoreError
    from exporter.store.choice import open_store
    from exporter.web.addresses import AddressError
    from exporter.web.server import ListenError

    app = App(config, lambda: _load(options), open_store)
    try:
        await serve(app, SystemClock(), _addresses(options), _web_flags(options))
    except ConfigError as error:
        return _complain(*map(str, error.problems))
    except (AddressError, ListenError, SecretError, StoreError) as error:
        return _complain(f"smsbat-exporter: {error}")
    return 0


def _addresses(options: argparse.Namespace) -> Addresses:
    """Return where each listener listens; raises AddressError."""
    from exporter.serving import Addresses
    from exporter.web.addresses import parse, parse_local

    return Addresses(
        web=parse(options.web_address), api=parse_local(options.api_address), webhook=parse(options.webhook_address)
    )


def _web_flags(options: argparse.Namespace) -> WebFlags:
    from exporter.serving import WebFlags

    return WebFlags(lifecycle_enabled=options.lifecycle, config_file=options.web_config_file)


def _check(options: argparse.Namespace) -> int:
    from exporter.config import ConfigError, Problem, named_in

    problems: list[Problem] = []
    valid: list[str] = []
    config = None
    if options.web_config_file is not None:
        from exporter.config.web_config import load_web_config

        try:
            load_web_config(options.web_config_file)
            valid.append(f"{options.web_config_file}: the web configuration is valid")
        except ConfigError as error:
            problems += error.problems
    # Alone, the web configuration is checked alone: on the way into a Secret, say.
    if options.web_config_file is None or options.config_file is not None or named_in(os.environ) or options.probe:
        try:
            config = _load(options)
            valid.append(f"{options.config_file or 'environment'}: the configuration is valid")
        except ConfigError as error:
            problems += error.problems
    print(*(problems or valid), sep="\n")
    if problems or config is None or not options.probe:
        return int(bool(problems))
    from exporter.probing import probe

    return _run(probe(config, print))


def _demo(options: argparse.Namespace) -> int:
    from exporter import logs

    logs.setup(options.log_level, options.log_format, sys.stderr)
    return _run(_listening(_demo_at(options)))


async def _demo_at(options: argparse.Namespace) -> None:
    from exporter.demo import demo

    await demo(_addresses(options), _web_flags(options), say=_say)


def _simulate(options: argparse.Namespace) -> int:
    from exporter import logs
    from exporter.demo import simulate

    logs.setup(options.log_level, options.log_format, sys.stderr)
    return _run(_listening(simulate(options.simulator_address, options.seed, options.profile, say=_say)))


def _track(options: argparse.Namespace) -> int:
    from exporter import logs
    from exporter.track.command import track

    logs.setup("error", "logfmt", sys.stderr)
    return track(track_flags.wish(options), lambda: _load(options), os.environ, _run)


def _health(options: argparse.Namespace) -> int:
    from exporter.health import health
    from exporter.web.addresses import AddressError, parse

    try:
        return health(parse(options.web_address), _say)
    except AddressError as error:
        return _complain(f"smsbat-exporter: {error}")


async def _listening(command: Coroutine[None, None, None]) -> int:
    """Run a command that can only fail for want of its address, or for what the web configuration says."""
    from exporter.config import ConfigError
    from exporter.web.addresses import AddressError
    from exporter.web.server import ListenError

    try:
        await command
    except ConfigError as error:
        return _complain(*map(str, error.problems))
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

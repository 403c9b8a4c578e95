"""The flags of `track`, and what they ask for."""

from __future__ import annotations

import argparse
from typing import Final

import msgspec

_EXITS: Final = """\
exit code:
  0    every message was delivered
  1    all have ended, and some were not delivered
  2    some were still open at --timeout (others may have failed)
  64   a flag, an id or the file is wrong
  69   the exporter of --via cannot be reached, or refuses
  70   this program failed
  74   the result cannot be written
  78   the configuration is wrong, or there is none
  130  interrupted by Ctrl-C, 143 by SIGTERM; what was known by then is printed all the same
"""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for, as it stands there."""

    ids: tuple[str, ...]
    from_file: str | None
    timeout: str
    as_json: bool
    account: str | None
    channel: str | None
    via: str | None
    token_file: str | None
    config_given: bool


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags to a parser, and the exit codes to its help."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXITS
    parser.add_argument("ids", metavar="ID", nargs="*", help="the messages; -- goes before an id that begins with -")
    parser.add_argument(
        "--from-file", metavar="FILE", help="a file with an id a line and # comments; - is standard input"
    )
    parser.add_argument("--timeout", metavar="TIME", default="2m", help="how long to wait (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON document in place of the table")
    parser.add_argument("--account", metavar="NAME", help="whose messages they are (default: the first account)")
    parser.add_argument("--channel", help="their message type, which chooses the polling entry")
    parser.add_argument(
        "--via",
        metavar="URL",
        help="ask a running exporter's API listener in place of SMSBat (also unix:/path/of/its.sock)",
    )
    parser.add_argument(
        "--via-token-file",
        metavar="FILE",
        help="that exporter's token (default: the file that SMSBAT_EXPORTER_TOKEN_FILE names)",
    )


def wish(options: argparse.Namespace) -> Wish:
    """Return what parsed flags ask for."""
    return Wish(
        ids=tuple(options.ids),
        from_file=options.from_file,
        timeout=options.timeout,
        as_json=options.json,
        account=options.account,
        channel=options.channel,
        via=options.via,
        token_file=options.via_token_file,
        config_given=options.config_file is not None,
    )

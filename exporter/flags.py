"""The flags that commands share; `track` has its own."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def config(parser: argparse.ArgumentParser) -> None:
    """Add where the configuration is."""
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        help="path of the configuration; without it SMSBAT_API_KEY, or SMSBAT_USERNAME and SMSBAT_PASSWORD, are used",
    )


def web_config(parser: argparse.ArgumentParser) -> None:
    """Add where the web listener's own configuration is."""
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=Path,
        help="path of a file, in the format of Prometheus' exporter-toolkit, with TLS and users of the web listener",
    )


def web_address(parser: argparse.ArgumentParser) -> None:
    """Add where the web listener is."""
    parser.add_argument(
        "--web.listen-address", dest="web_address", default=":10767", help="address of /metrics (default: %(default)s)"
    )


def listener(parser: argparse.ArgumentParser) -> None:
    """Add what `serve` and `demo` say of their listeners."""
    web_address(parser)
    web_config(parser)
    parser.add_argument(
        "--web.enable-lifecycle", dest="lifecycle", action="store_true", help="allow reload by POST /-/reload"
    )
    parser.add_argument(
        "--api.listen-address",
        dest="api_address",
        default="127.0.0.1:10768",
        help="address of the API for the application beside it, or unix:/path/of/a.sock (default: %(default)s)",
    )
    parser.add_argument(
        "--webhook.listen-address",
        dest="webhook_address",
        default=":10769",
        help="address for SMSBat's webhooks, opened when an account has a webhook token (default: %(default)s)",
    )
    log(parser)


def simulator(parser: argparse.ArgumentParser) -> None:
    """Add what says how the simulated API behaves."""
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
    log(parser)


def _seed(text: str) -> int:
    """Read a seed; another one each time lets a new simulated API give out ids that an old store does not know."""
    if text == "random":
        return int.from_bytes(os.urandom(4))
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor random") from None


def log(parser: argparse.ArgumentParser) -> None:
    """Add how much is logged, and how."""
    parser.add_argument("--log.level", dest="log_level", choices=("debug", "info", "warn", "error"), default="info")
    parser.add_argument("--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt")

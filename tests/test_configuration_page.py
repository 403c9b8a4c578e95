"""docs/configuration.md: its tables are those of the model, and explained by config.example.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from pydantic import BaseModel

from docs.source import __main__ as command
from docs.source.explanations import explanations
from docs.source.page import PageError, page, tables
from docs.source.settings import settings
from exporter.config import Config, json_schema
from exporter.config.refusals import section_in
from exporter.config.web_config import WebConfig, load_web_config
from tests.certificates import established, written

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "configuration.md").read_text("utf-8")
EXAMPLE = (ROOT / "config.example.yaml").read_text("utf-8")


def keys_of(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The paths of a model's keys, read from the model itself and not from its schema."""
    for name, field in model.model_fields.items():
        inner = f"{path}{name}"
        yield inner
        section = section_in(field.annotation)
        if section is not None:
            kind = str(field.annotation)
            yield from keys_of(section, inner + ("[]." if "tuple[" in kind else ".<name>." if "dict[" in kind else "."))


def keys_on_the_page() -> list[str]:
    made = PAGE.partition("<!-- Made by")[2].partition("<!-- End of what is made. -->")[0]
    found = []
    for first, twin in re.findall(r"(?m)^\| `([a-z][\w.<>\[\]]*)`(?: or `(\w+_file)`)? \|", made):
        found += [first, f"{first.rpartition('.')[0]}.{twin}"] if twin else [first]
    return found


def row(path: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{path}`"))


def test_the_page_has_every_key_of_the_model_once_and_no_other() -> None:
    assert sorted(keys_on_the_page()) == sorted(keys_of(Config))


def test_the_committed_page_is_the_one_that_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--check"]) == 0
    assert page(PAGE, json_schema(), EXAMPLE) == PAGE
    assert capsys.readouterr().out == ""


def test_a_setting_that_the_example_does_not_explain_is_refused() -> None:
    with pytest.raises(PageError, match=r"does not explain \['retention'\]"):
        tables(json_schema(), re.sub(r"(?m)^(retention: 24h) .*$", r"\1", EXAMPLE))


def test_a_setting_of_the_example_that_is_none_is_refused() -> None:
    with pytest.raises(PageError, match=r"no setting: \['retentions'\]"):
        tables(json_schema(), EXAMPLE + "retentions: 1h   # for how long\n")


def test_a_page_without_the_place_for_its_tables_is_refused() -> None:
    with pytest.raises(PageError, match="End of what is made"):
        page(PAGE.replace("<!-- End of what is made. -->\n", ""), json_schema(), EXAMPLE)


def test_what_stands_around_the_tables_is_left_alone() -> None:
    old = PAGE.replace("# Configuration\n", "# Settings\n", 1) + "\nLast words.\n"
    assert page(old, json_schema(), EXAMPLE) == old


@pytest.mark.parametrize(
    ("path", "kind", "default"),
    [
        ("accounts", "list of sections", "required"),
        ("accounts[].requests_per_second", "number above 0", "`10`"),
        ("accounts[].currency", "text that matches `^[A-Za-z]{3}$`", "`USD`"),
        ("accounts[].webhook_token", "text", "-"),
        ("polling[].max_interval", "duration", "`6h`"),
        ("polling[].backoff", "number at least 1", "`1.5`"),
        ("messages[].sent_at", "time, RFC 3339", "-"),
        ("labels.<name>.max_values", "whole number at least 1", "`50`"),
        ("objectives[].target", "number above 0 and below 1", "required"),
        ("store.type", r"`sqlite` \| `memory`", "`sqlite`"),
        ("relay.use_account_credentials", "true or false", "`false`"),
        ("buckets", "list of numbers above 0", "`[2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, "),
    ],
)
def test_types_limits_and_defaults_are_those_of_the_model(path: str, kind: str, default: str) -> None:
    assert f" | {kind} | {default}" in row(path)


def test_settings_come_in_the_order_of_the_model() -> None:
    assert [each.path for each in settings(json_schema())] == [*keys_of(Config)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("window: 1h  # beside it\n", {"window": "beside it"}),
        ("# above it\nwindow: 1h\n", {"window": "above it"}),
        ("window: 1h  # and on\n            # below\nretention: 1h\n", {"window": "and on below"}),
        ("# of the file\n\nwindow: 1h\n", {}),
        ("#relay:   # off\n  #use_account_credentials: false\n", {"relay": "off"}),
        ("api: {token: x}   # of the section\n", {"api": "of the section"}),
        ("messages: []   # some\n  #- id: a   # its id\n", {"messages": "some", "messages[].id": "its id"}),
        ("polling:\n  - first: 1s\n  - first: 2s   # one says it\n", {"polling[].first": "one says it"}),
    ],
)
def test_an_explanation_stands_beside_its_key_or_above_it(text: str, expected: dict[str, str]) -> None:
    assert explanations(text) == expected


def web_keys_on_the_page() -> list[str]:
    """The first cells of the web listener's table; `.x` is a key of the section above it."""
    table = PAGE.split("## The web listener's own file")[1].partition("| setting |")[2].partition("\n\n")[0]
    keys = [key for cell in re.findall(r"(?m)^\| (`.*?`) \|", table) for key in re.findall(r"`([\w.]+)`", cell)]
    return [f"tls_server_config{key}" if key.startswith(".") else key for key in keys]


def test_the_web_listeners_table_has_every_key_of_its_model() -> None:
    sections = {key.rpartition(".")[0] for key in keys_of(WebConfig)}
    found = set(web_keys_on_the_page())
    assert found | {"http_server_config"} == set(keys_of(WebConfig))
    assert found & sections == {"tls_server_config"}


def test_the_web_listeners_example_is_valid_and_its_hash_is_of_what_it_says(tmp_path: Path) -> None:
    authority = established(tmp_path)
    for name, made in {"tls.crt": "server.pem", "tls.key": "server-key.pem", "clients-ca.crt": "ca.pem"}.items():
        (tmp_path / made).rename(authority.folder / name)
    (example,) = (each for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "tls_server_config" in each)
    config = load_web_config(written(tmp_path, example)).config
    (hashed,) = config.basic_auth_users.values()
    assert bcrypt.checkpw(re.findall(r"# of: (\S+)", example)[0].encode(), hashed.get_secret_value().encode())

"""Every Markdown page: its links lead somewhere, and the commands, settings and metrics that it names exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from exporter.catalogue import METRICS
from exporter.cli import _parser, _with_command
from exporter.config import load
from tests.markdown import anchors, blocks, commands, heredocs, inline_code, links

ROOT: Final = Path(__file__).parents[1]
SHELL: Final = {"sh", "bash", "shell", "console"}
NO_METRICS: Final = {"smsbat_exporter"}
"""Words that look like metrics: the database in an example, the package's folder."""
TARGETS: Final = set(re.findall(r"(?m)^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text("utf-8")))
NAMES: Final = {metric.name for metric in METRICS}


def committed_pages() -> Iterator[Path]:
    """Every page but those in folders that are made or hidden; `.github` is neither."""
    for path in sorted(ROOT.rglob("*.md")):
        parts = path.relative_to(ROOT).parts[:-1]
        if not any(part in {"build", "dist"} or (part.startswith(".") and part != ".github") for part in parts):
            yield path


PAGES: Final = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in committed_pages()}
each_page = pytest.mark.parametrize("page", PAGES)


def invocations(script: str) -> Iterator[list[str]]:
    """Yield the arguments of each smsbat-exporter in a script, run by itself or in a container."""
    for program, *words in commands(script):
        if program.rpartition("/")[2] == "smsbat-exporter":
            yield words
        elif program in {"docker", "podman"} and words[:1] == ["run"]:
            # The last one: a container's own name may be the same.
            *_, image = (at for at, word in enumerate(words) if re.fullmatch(r"(\S+/)?smsbat-exporter(:\S+)?", word))
            yield words[image + 1 :]
        elif [program, *words[:2]] in (["python", "-m", "exporter"], ["python3", "-m", "exporter"]):
            yield words[2:]


def configurations(text: str) -> list[str]:
    """Whole configurations of the exporter, in blocks of their own and written by a script."""
    # What has {{ is a template of a chart, and no YAML yet.
    found = [block.text for block in blocks(text) if block.language == "yaml" and "{{" not in block.text]
    scripts = [block.text for block in blocks(text) if block.language in SHELL]
    found += [body for script in scripts for body in heredocs(script) if re.search(r"(?m)^accounts:", body)]
    return [each for each in found if "accounts" in (next(yaml.safe_load_all(each)) or {})]


def metrics_named(text: str) -> set[str]:
    """The names as they stand, and `smsbat_x_*` for all that begin so."""
    words = set(re.findall(r"(?<![\w:./-])smsbat_\w+\*?(?![\w:]*:|/|\.py)", text))
    return {word for word in words if word.rstrip("*") not in NO_METRICS}


def is_metric(word: str) -> bool:
    if word.endswith(("*", "_")):
        return any(name.startswith(word.rstrip("*")) for name in NAMES)
    return word in NAMES or re.sub(r"_(?:bucket|sum|count)$", "", word) in NAMES


def leads_somewhere(page: str, link: str) -> bool:
    """Whether a link to this project, if it is one, leads to a file of it and to a heading there."""
    parts = urlsplit(link)
    if parts.scheme:
        return True
    target = ((ROOT / page).parent / unquote(parts.path) if parts.path else ROOT / page).resolve()
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not parts.fragment or (target.suffix == ".md" and parts.fragment in anchors(target.read_text("utf-8")))


@each_page
def test_every_relative_link_leads_to_a_file_and_to_a_heading_in_it(page: str) -> None:
    assert [link for link in links(PAGES[page]) if not leads_somewhere(page, link)] == []


@each_page
def test_every_configuration_is_valid(page: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("made-up\n")
    for text in configurations(PAGES[page]):
        file = tmp_path / "config.yaml"
        file.write_text(re.sub(r"(_file: *)[^\s,}]+", rf"\g<1>{secret}", text))
        load(file, dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "made-up"))


@each_page
def test_every_flag_of_the_command_exists(page: str) -> None:
    for block in blocks(PAGES[page]):
        if block.language in SHELL:
            for arguments in invocations(block.text):
                try:
                    _parser().parse_args(_with_command(arguments))
                except SystemExit as ended:
                    assert ended.code == 0, arguments  # noqa: PT017 - argparse leaves by it


@each_page
def test_every_make_target_exists(page: str) -> None:
    shell = [block.text for block in blocks(PAGES[page]) if block.language in SHELL]
    named = {
        word
        for script in (*shell, *(code for code in inline_code(PAGES[page]) if code.startswith("make ")))
        for program, *words in commands(script)
        if program == "make"
        for word in words
        if "=" not in word and not word.startswith("-")
    }
    assert named <= TARGETS


@each_page
def test_every_metric_that_is_named_exists(page: str) -> None:
    assert {word for word in metrics_named(PAGES[page]) if not is_metric(word)} == set()


def test_the_index_of_the_docs_leads_to_every_page_there() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= {urlsplit(link).path for link in links(PAGES["docs/README.md"])}


def test_the_targets_are_those_that_make_knows() -> None:
    assert {"demo", "test", "check", "docs"} <= TARGETS


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("# Two words", "two-words"),
        ("## `accounts`", "accounts"),
        ("### What is `a_b`, exactly?", "what-is-a_b-exactly"),
        ("## TLS & users (1.2)", "tls--users-12"),
        ("## A [link](x.md) in it", "a-link-in-it"),
        ("## Є український", "є-український"),
    ],
)
def test_a_headings_anchor_is_githubs(heading: str, anchor: str) -> None:
    assert anchors(f"{heading}\n") == {anchor}


def test_headings_that_repeat_are_numbered_and_those_in_blocks_are_none() -> None:
    assert anchors("# A\n## A\n```sh\n# B\n```\n## A\n") == {"a", "a-1", "a-2"}


def test_links_are_found_in_prose_and_pictures_and_not_in_code() -> None:
    text = "[a](b.md) ![c](d.png) `[e](f.md)` [![g](h.svg)](i.md#j)\n```md\n[k](l.md)\n```\n"
    assert set(links(text)) == {"b.md", "d.png", "i.md#j"}


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("smsbat-exporter --version", [["--version"]]),
        ("A=1 sudo bin/smsbat-exporter check | less >file", [["check"]]),
        (
            "docker run --rm -v a:/b smsbat-exporter:1 --config.file=c \\\n  --log.level=warn",
            [["--config.file=c", "--log.level=warn"]],
        ),
        ("podman run --name smsbat-exporter registry.example/smsbat-exporter:1", [[]]),
        ("docker build -t smsbat-exporter .", []),
        ("helm install smsbat-exporter deploy/helm", []),
        ("cat >f <<'EOF'\nsmsbat-exporter --no\nEOF\nsmsbat-exporter check", [["check"]]),
        ("smsbat-exporter track m1   # a comment", [["track", "m1"]]),
        ("curl -d 'a\nb' x\nsmsbat-exporter check", [["check"]]),
    ],
)
def test_the_command_is_found_in_scripts(script: str, arguments: list[list[str]]) -> None:
    assert list(invocations(script)) == arguments


def test_configurations_are_found_in_blocks_and_in_scripts() -> None:
    blocks_of_yaml = "```yaml\naccounts: [a]\n```\n```yaml\nscrape_configs: []\n```\n"
    scripts = "```sh\ncat >f <<'END'\naccounts: [b]\nEND\ncat <<END\n<p>: no: YAML\nEND\n```\n"
    assert configurations(blocks_of_yaml + scripts) == ["accounts: [a]\n", "accounts: [b]\n"]


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(_with_command(["--config.fil=x"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("`smsbat_messages_in_flight`", {"smsbat_messages_in_flight"}),
        ("smsbat_exporter_*", {"smsbat_exporter_*"}),
        ("account:smsbat_messages_finished:rate5m", set()),
        ('`smsbat_made_up_total{a="b"}`', {"smsbat_made_up_total"}),
    ],
)
def test_names_of_metrics_are_found(text: str, words: set[str]) -> None:
    assert metrics_named(text) == words


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("LICENSE", True),
        ("docs", True),
        ("docs/runbooks.md#smsbatapidown", True),
        ("#metrics", True),
        ("https://example.com/nothing", True),
        ("docs/no-such-page.md", False),
        ("docs/runbooks.md#no-such-alert", False),
        ("#no-such-heading", False),
        ("LICENSE#no-page", False),
        ("../outside.md", False),
        ("/etc/passwd", False),
    ],
)
def test_a_link_leads_to_what_is_there(link: str, leads: bool) -> None:  # noqa: FBT001 - a column of the table
    assert leads_somewhere("README.md", link) == leads


def test_a_metric_is_one_of_the_catalogue_or_a_part_of_a_histogram() -> None:
    assert is_metric("smsbat_time_to_delivery_seconds_bucket")
    assert is_metric("smsbat_exporter_webhooks_*")
    assert not is_metric("smsbat_made_up_total")
    assert not is_metric("smsbat_made_up_*")

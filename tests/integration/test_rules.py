"""promtool's judgement of the rules, and their unit tests, which feed only series that the exporter has."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from prometheus.source import rules
from prometheus.source.cases.catalogue import CASES
from prometheus.source.cases.promtool import tests as unit_tests
from prometheus.source.catalogue import ALERTS, GROUPS, RECORDS
from prometheus.source.files import files
from prometheus.source.grafana import inlined
from tests.integration.process import PATIENCE_SECONDS, ROOT
from tests.integration.scrape import text_format
from tests.integration.test_prometheus import promtool
from tests.test_demo import running

AT_A_TIME: Final = 4
MADE_BY_PROMETHEUS: Final = {"up": frozenset[str]()}


async def failures(folder: Path, documents: Mapping[str, str]) -> dict[str, str]:
    """Run files of unit tests, some at a time; return what promtool said about those that failed."""
    turn = asyncio.Semaphore(AT_A_TIME)
    failed = {}

    async def test(name: str) -> None:
        async with turn:
            code, said = await promtool(folder, "test", "rules", name)
        if code != 0:
            failed[name] = said

    for name, text in documents.items():
        (folder / name).write_text(text, "utf-8")
    await asyncio.gather(*(test(name) for name in documents))
    return failed


@pytest.mark.parametrize("name", ["rules.yaml", "alerts.yaml"])
async def test_promtool_finds_nothing_to_say_about_the_rules(name: str) -> None:
    code, said = await promtool(ROOT / "prometheus", "check", "rules", "--lint=all", "--lint-fatal", name)
    assert code == 0, said


async def test_every_alert_does_what_its_unit_tests_say(tmp_path: Path) -> None:
    made = dict(files())
    (tmp_path / "tests").mkdir()
    for name in ("rules.yaml", "alerts.yaml"):
        (tmp_path / name).write_text(made[f"prometheus/{name}"], "utf-8")
    documents = {
        path.removeprefix("prometheus/tests/"): text
        for path, text in made.items()
        if path.startswith("prometheus/tests/")
    }
    assert await failures(tmp_path / "tests", documents) == {}
    assert len(documents) == len(ALERTS)


async def test_grafanas_expressions_do_the_same_without_recording_rules(tmp_path: Path) -> None:
    document = rules.alerting_rules(GROUPS)
    expressions = {name: inlined(alert.expr, RECORDS) for name, alert in ALERTS.items()}
    text = json.dumps(document)
    for name, alert in ALERTS.items():
        text = text.replace(json.dumps(alert.expr), json.dumps(expressions[name]))
    assert not re.search(r"job_\w+:\w+:", text)
    (tmp_path / "alerts.json").write_text(text, "utf-8")
    documents = {
        f"{name}.json": json.dumps(unit_tests(cases, ALERTS, ("alerts.json",))) for name, cases in CASES.items()
    }
    assert await failures(tmp_path, documents) == {}


async def test_every_series_that_a_unit_test_feeds_is_one_of_the_demo() -> None:
    flags = ("web", "api", "webhook")
    async with running("demo", *(f"--{name}.listen-address=127.0.0.1:0" for name in flags)) as demo:
        url = (await demo.says(r"metrics +(http://127\.0\.0\.1:\d+)/metrics"))[1]
        shown = dict(MADE_BY_PROMETHEUS)
        async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
            while missing := fed().keys() - shown.keys():
                async with session.get(f"{url}/metrics") as answer:
                    samples = text_format(await answer.text()).samples
                shown |= {name: frozenset(label for label, _ in labels) for name, labels in samples}
    assert not missing
    assert {name: shown[name] for name in fed()} == fed()


def fed() -> dict[str, frozenset[str]]:
    """Return the name of each series that a unit test feeds, and its labels but for those of Prometheus."""
    found: dict[str, frozenset[str]] = {}
    for case in (case for cases in CASES.values() for case in cases):
        for series in case.fed():
            name, _, labels = series.partition("{")
            own = frozenset(re.findall(r'(\w+)="', labels)) - {"job", "instance"}
            assert found.setdefault(name, own) == own
    return found

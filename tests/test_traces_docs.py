"""docs/traces.md and the files beside it say what holds."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from opentelemetry.sdk import environment_variables
from opentelemetry.sdk.resources import Resource

from exporter.catalogue import DELIVERY_TIME, POLL_DURATION
from exporter.config import Tracing
from exporter.labels import Words
from exporter.message import Ending, Fallback, Message, Outcome, PollResult, Status, StatusReport
from exporter.trace_ids import ids_of
from exporter.traced import MessageTrace, PollTrace
from exporter.tracing.spans import message_span, poll_span, server_of

DOCS: Final = Path(__file__).parents[1] / "docs"
TEXT: Final = (DOCS / "traces.md").read_text("utf-8")
FILES: Final = sorted((DOCS / "traces").iterdir())
MESSAGE: Final = Message(id="m1", account="main", channel="sms", sent_at=1.0, accepted_at=1.0)


def read(name: str) -> Any:  # noqa: ANN401
    return yaml.safe_load((DOCS / "traces" / name).read_text("utf-8"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_every_file_is_mentioned_and_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert sorted(DOCS / link for link in links) == FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_is_yaml_and_says_how_it_is_used(file: Path) -> None:
    assert isinstance(yaml.safe_load(file.read_text("utf-8")), dict)
    assert file.read_text("utf-8").startswith("# ")


def test_the_collectors_pipeline_uses_what_is_there_and_all_of_it() -> None:
    config = read("collector.yaml")
    (pipeline,) = config["service"]["pipelines"].values()
    assert set(config) == {"service", *pipeline}
    for kind, names in pipeline.items():
        assert set(names) == set(config[kind])


def test_spans_find_their_way_from_the_exporter_to_the_store() -> None:
    collector, tempo, grafana = read("collector.yaml"), read("tempo.yaml"), read("grafana-datasources.yaml")
    taken_at = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{taken_at} " in TEXT
    stored_at = tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert collector["exporters"]["otlphttp"]["endpoint"] == f"http://{stored_at}"
    (store,) = [source for source in grafana["datasources"] if source["type"] == "tempo"]
    server = tempo["server"]
    assert store["url"] == f"http://{server['http_listen_address']}:{server['http_listen_port']}"


def test_grafana_makes_a_link_of_the_exemplars_label() -> None:
    sources = {source["type"]: source for source in read("grafana-datasources.yaml")["datasources"]}
    (link,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert link == {"name": "trace_id", "datasourceUid": sources["tempo"]["uid"]}
    assert all(f"`{metric.name}`" in TEXT for metric in (DELIVERY_TIME, POLL_DURATION))


def test_every_attribute_is_described() -> None:
    report = StatusReport(status=Status.DELIVERED, parts=1, cost=Decimal(1))
    ending = Ending(
        outcome=Outcome.DELIVERED,
        at=2.0,
        fallback=Fallback.NONE,
        lower_seconds=0.0,
        upper_seconds=1.0,
        report=report,
    )
    life = MessageTrace(message=MESSAGE, ending=ending, ended_at=2.0, steps=())
    call = PollTrace(
        message=MESSAGE,
        ids=ids_of(MESSAGE),
        started_at=1.0,
        arrived_at=2.0,
        code=503,
        result=PollResult.SERVER_ERROR,
        status=Status.PROCESSING,
    )
    resource = Resource({})
    spans = message_span(life, Words(frozenset()), resource), poll_span(call, server_of("https://x.example"), resource)
    rows = dict(re.findall(r"^\| `(smsbat message|GET [^`]+)`[^|]* \| (.*) \|$", TEXT, re.MULTILINE))
    assert rows.keys() == {span.name for span in spans}
    for span in spans:
        described = set(re.findall(r"`([a-z_.]+)`", rows[span.name])) - {"abandoned", "smsbat_exporter_polls_total"}
        assert described == set(span.attributes or {})


def test_every_variable_is_one_of_opentelemetrys() -> None:
    known = {name for name in vars(environment_variables) if name.startswith("OTEL_")}
    # The SDK itself leaves this one to its users.
    assert set(re.findall(r"OTEL_\w+", TEXT)) <= known | {"OTEL_TRACES_EXPORTER"}


def test_the_settings_are_valid_and_the_kubernetes_snippet_fills_in_what_it_names() -> None:
    settings, kubernetes = map(yaml.safe_load, blocks("yaml"))
    assert Tracing.model_validate(settings["tracing"]).enabled
    known: list[str] = []
    for variable in kubernetes["env"]:
        assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= set(known)
        known.append(variable["name"])

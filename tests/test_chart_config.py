"""The exporter's configuration in the chart: the exporter takes it, and what the user wrote stays as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.source.helm import CHART, template
from exporter import cli
from exporter.api.guards import is_loopback
from exporter.config import Config, load
from exporter.web.addresses import parse
from tests.charts import CASES, CENTRAL, NAMESPACE, SIDECAR, configuration, exporter, flags, rendered, the

SECRETS = "/run/secrets/smsbat/"
SERVED = {"api-key", "api-token", "password", "webhook-token"}


def mounted(folder: Path, values: dict[str, Any]) -> Path:
    """Lay the configuration and made-up secrets out in a folder."""
    for name in SERVED:
        (folder / name).write_text(f"made-up-{name}\n", "utf-8")
    file = folder / "config.yaml"
    file.write_text(configuration(rendered(values)).replace(SECRETS, f"{folder}/"), "utf-8")
    return file


def loaded(folder: Path, values: dict[str, Any], **env: str) -> Config:
    return load(mounted(folder, values), env)


def flag(values: dict[str, Any], name: str) -> str:
    (found,) = (it.partition("=")[2] for it in exporter(rendered(values))["args"] if it.startswith(f"{name}="))
    return str(found)


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_the_exporter_finds_nothing_wrong_with_it(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = mounted(tmp_path, values)
    assert cli.main(["check", f"--config.file={file}"]) == 0
    assert capsys.readouterr().out == f"{file}: the configuration is valid\n"


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_every_flag_is_one_of_the_exporters(values: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    known = capsys.readouterr().out
    for argument in exporter(rendered(values))["args"]:
        assert f"{argument.partition('=')[0]} " in known or f"{argument.partition('=')[0]}\n" in known, argument


@pytest.mark.parametrize("values", CENTRAL.values(), ids=CENTRAL)
def test_the_api_of_the_central_exporter_is_open_to_the_cluster_and_needs_a_token(
    values: dict[str, Any], tmp_path: Path
) -> None:
    assert not is_loopback(parse(flag(values, "--api.listen-address")).host)
    token = loaded(tmp_path, values).api.token
    assert token is not None
    assert token.path == tmp_path / "api-token"


@pytest.mark.parametrize("values", SIDECAR.values(), ids=SIDECAR)
def test_the_api_of_a_sidecar_is_the_applications_alone_and_needs_none(values: dict[str, Any], tmp_path: Path) -> None:
    assert is_loopback(parse(flag(values, "--api.listen-address")).host)
    assert loaded(tmp_path, values).api.token is None


def test_the_api_answers_to_every_name_of_its_service(tmp_path: Path) -> None:
    service = the(rendered({}), "Service", "x-smsbat-exporter-api")["metadata"]["name"]
    inside = f"{service}.{NAMESPACE}"
    expected = (service, inside, f"{inside}.svc", f"{inside}.svc.cluster.local")
    assert loaded(tmp_path, {}).api.allowed_hosts == expected
    assert f"{inside}.svc.cluster.example" in loaded(tmp_path, {"clusterDomain": "cluster.example"}).api.allowed_hosts


def test_what_the_user_sets_stays(tmp_path: Path) -> None:
    config = {
        "api": {"token_file": f"{SECRETS}webhook-token", "allowed_hosts": ["exporter.example"]},
        "store": {"path": "/data/own.db"},
        "relay": {"use_account_credentials": True},
    }
    found = loaded(tmp_path, {"config": config})
    assert found.api.token is not None
    assert found.api.token.path == tmp_path / "webhook-token"
    assert found.api.allowed_hosts[0] == "exporter.example"
    assert "x-smsbat-exporter-api" in found.api.allowed_hosts
    assert found.store.path == Path("/data/own.db")
    assert found.relay is not None
    assert found.relay.use_account_credentials


def test_a_token_in_the_environment_is_not_joined_by_a_file(tmp_path: Path) -> None:
    found = loaded(tmp_path, {"config": {"api": {"token": "${API_TOKEN}"}}}, API_TOKEN="made-up")
    assert found.api.token is not None
    assert found.api.token.path is None


def test_a_store_in_memory_stays_one(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"config": {"store": {"type": "memory"}}}).store.type == "memory"


@pytest.mark.parametrize(("relay", "expected"), [({}, True), (None, False)])
def test_the_relay_is_on_unless_the_values_turn_it_off(
    relay: dict[str, Any] | None, *, expected: bool, tmp_path: Path
) -> None:
    assert (loaded(tmp_path, {"config": {"relay": relay}}).relay is not None) is expected


def test_the_exporter_takes_the_readmes_example(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(config:.*?)```", (CHART / "README.md").read_text("utf-8"), re.DOTALL)
    found = loaded(tmp_path, yaml.safe_load(text))
    assert found.accounts[0].webhook_token is not None
    assert found.intake.max_in_flight == 500_000


def test_names_of_variables_and_templates_are_left_alone() -> None:
    values = {"config": {"accounts": [{"name": "main", "currency": "{{ no }}", "auth": {"api_key": "${KEY}$$1"}}]}}
    document = yaml.safe_load(configuration(rendered(values)))
    assert document["accounts"] == values["config"]["accounts"]


def test_numbers_keep_their_digits_and_text_stays_text(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(
        "config:\n"
        "  intake: {max_in_flight: 1000000}\n"
        "  buckets: [2.5, 10, 2592000]\n"
        "  messages: [{id: '0012345', channel: sms, sent_at: 2026-01-23T10:30:00Z}]\n",
        "utf-8",
    )
    text = template("x", "--values", str(file), "--show-only", "templates/configmap.yaml")
    for name in SERVED:
        (tmp_path / name).write_text("made-up\n", "utf-8")
    made = tmp_path / "config.yaml"
    made.write_text(yaml.safe_load(text)["data"]["config.yaml"].replace(SECRETS, f"{tmp_path}/"), "utf-8")
    config = load(made, {})
    assert config.intake.max_in_flight == 1_000_000
    assert [*config.buckets] == [2.5, 10, 2_592_000]
    assert (config.messages[0].id, config.messages[0].sent_at) == ("0012345", 1769164200.0)


def test_a_million_in_flight_can_be_set_on_the_command_line_too() -> None:
    text = template("x", "--set", "config.intake.max_in_flight=1000000", *flags({}))
    assert "max_in_flight: 1000000\n" in text

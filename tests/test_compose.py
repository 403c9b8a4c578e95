"""deploy/compose: what its files name is there, as far as that shows without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from exporter import cli
from exporter.config.secrets import Secret
from tests.composing import (
    COMPOSE,
    FOLDER,
    ROOT,
    SERVICES,
    exporters_config,
    exporters_config_text,
    flags,
    mounted,
    mounts,
)

OWN: Final = ("smsbat", "exporter", "traffic")
OTHERS: Final = sorted(set(SERVICES) - set(OWN))
PROVISIONING: Final = ROOT / "grafana" / "provisioning"


def read(file: Path) -> Any:  # noqa: ANN401
    return yaml.safe_load(file.read_text("utf-8"))


def ports(service: str) -> Iterator[tuple[str, int, int]]:
    for entry in SERVICES[service].get("ports", []):
        address, outside, inside = entry.split(":")
        yield address, int(outside), int(inside)


def listening() -> set[str]:
    """Return host:port of everything that a container can reach."""
    tempo = read(FOLDER / "tempo.yaml")
    otlp = tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    inner = {
        **{name: {inside for _, _, inside in ports(name)} for name in SERVICES},
        "tempo": {tempo["server"]["http_listen_port"], int(otlp.rpartition(":")[2])},
    }
    for service, settings in SERVICES.items():
        for network in settings.get("networks", {}).values():
            inner |= dict.fromkeys(network["aliases"], inner[service])
    return {f"{name}:{port}" for name, numbers in inner.items() for port in numbers}


def test_the_file_is_what_composes_schema_says() -> None:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    ended = subprocess.run(  # noqa: S603
        [*command, str(FOLDER / "compose.yaml")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_exists_and_cannot_be_written_to(service: str) -> None:
    for entry in SERVICES[service].get("volumes", []):
        source = entry.split(":")[0]
        if source.startswith("."):
            assert (FOLDER / source).exists(), entry
            assert entry.endswith(":ro"), entry
        else:
            assert source in COMPOSE["volumes"]
    assert all((FOLDER / COMPOSE["secrets"][name]["file"]).is_file() for name in SERVICES[service].get("secrets", []))


def test_every_volume_secret_and_file_is_used() -> None:
    used = {source for service in SERVICES for source in mounts(service).values()}
    assert set(COMPOSE["volumes"]) == {it for it in used if isinstance(it, str)}
    given = {FOLDER / secret["file"] for secret in COMPOSE["secrets"].values()}
    assert given <= used
    files = {path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    folders = [it for it in used if isinstance(it, Path)]
    unused = {file for file in files if not any(it in {file, *file.parents} for it in folders)}
    assert unused == {FOLDER / "compose.yaml", FOLDER / "README.md"}


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_open_to_this_machine_only(service: str) -> None:
    assert {address for address, _, _ in ports(service)} <= {"127.0.0.1"}


@pytest.mark.parametrize("service", OWN)
def test_our_own_containers_have_no_rights(service: str) -> None:
    settings = SERVICES[service]
    assert (FOLDER / settings["build"] / "Dockerfile").is_file()
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    state = "/var/lib/smsbat-exporter"
    assert state in mounts(service) or state in settings["tmpfs"]


@pytest.mark.parametrize("service", OTHERS)
def test_the_images_of_others_are_of_one_version(service: str) -> None:
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", SERVICES[service]["image"])


@pytest.mark.parametrize("service", ["smsbat", "exporter"])
def test_our_commands_take_their_flags(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exits = {"_serve": 40, "_simulate": 41}
    for command, code in exits.items():
        monkeypatch.setattr(cli, command, lambda _, code=code: code)
    assert cli.main(SERVICES[service]["command"]) == exits["_simulate" if service == "smsbat" else "_serve"]


def test_the_health_check_is_a_command_of_the_exporter(capsys: pytest.CaptureFixture[str]) -> None:
    kind, program, *arguments = SERVICES["exporter"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "smsbat-exporter")
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--help"])
    assert (ended.value.code, capsys.readouterr().err) == (0, "")


def test_the_exporters_configuration_is_valid_and_its_secrets_are_mounted(tmp_path: Path) -> None:
    config = exporters_config(tmp_path)
    assert mounted("exporter", flags("exporter")["config.file"]) == FOLDER / "exporter" / "config.yaml"
    assert config.accounts[0].auth.api_key == Secret(path=FOLDER / "secrets" / "smsbat-api-key")
    assert config.api.token == Secret(path=FOLDER / "secrets" / "exporter-token")
    assert "/run/secrets" not in exporters_config_text()


def test_the_exporter_asks_the_simulated_api_in_a_network_that_they_share(tmp_path: Path) -> None:
    url = urlsplit(exporters_config(tmp_path).accounts[0].base_url)
    assert SERVICES["exporter"]["network_mode"] == "service:smsbat"
    assert (url.hostname, url.port) == ("127.0.0.1", 10780)
    assert "simulator.listen-address" not in flags("smsbat")  # so its default counts, which is that address
    assert set(mounts("exporter")) & {"/var/lib/smsbat-exporter"}


def test_callers_in_other_containers_are_let_in_by_name_and_token(tmp_path: Path) -> None:
    config, url = exporters_config(tmp_path), urlsplit(SERVICES["traffic"]["environment"]["SMSBAT_URL"])
    assert url.hostname in config.api.allowed_hosts
    assert flags("exporter")["api.listen-address"] == f":{url.port}"
    assert url.netloc in listening()
    assert config.api.token == Secret(
        path=mounted("traffic", SERVICES["traffic"]["environment"]["EXPORTER_TOKEN_FILE"])
    )


def test_every_address_in_a_configuration_is_a_service_of_this_file() -> None:
    prometheus = read(FOLDER / "prometheus.yaml")
    jobs = [*prometheus["scrape_configs"], *prometheus["alerting"]["alertmanagers"]]
    named = {target for job in jobs for group in job["static_configs"] for target in group["targets"]}
    sources = read(PROVISIONING / "datasources" / "smsbat.yaml")["datasources"]
    named |= {urlsplit(source["url"]).netloc for source in sources}
    named |= {
        urlsplit(value).netloc
        for service in OWN
        for value in SERVICES[service].get("environment", {}).values()
        if value.startswith("http")
    }
    assert named == {
        *("exporter:10767", "exporter:10768", "alertmanager:9093", "prometheus:9090"),
        *("tempo:3200", "tempo:4318"),
    }
    assert named <= listening()


@pytest.mark.parametrize("service", ["prometheus", "alertmanager", "tempo"])
def test_the_others_find_their_configuration(service: str) -> None:
    assert mounted(service, flags(service)["config.file"]) == FOLDER / f"{service}.yaml"


def test_prometheus_finds_the_rules_and_keeps_exemplars() -> None:
    folder = Path(flags("prometheus")["config.file"]).parent
    rules = [mounted("prometheus", str(folder / name)) for name in read(FOLDER / "prometheus.yaml")["rule_files"]]
    assert rules == [ROOT / "prometheus" / "rules.yaml", ROOT / "prometheus" / "alerts.yaml"]
    assert flags("prometheus")["enable-feature"] == "exemplar-storage"


def test_grafana_finds_its_data_sources_and_dashboards() -> None:
    for kind in ("datasources", "dashboards"):
        assert mounted("grafana", f"/etc/grafana/provisioning/{kind}/smsbat.yaml").is_file()
    (provider,) = read(PROVISIONING / "dashboards" / "smsbat.yaml")["providers"]
    assert mounted("grafana", provider["options"]["path"]) == ROOT / "grafana" / "dashboards"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted("grafana", home).is_file()


def test_what_keeps_state_keeps_it_in_a_volume() -> None:
    assert mounts("prometheus")[flags("prometheus")["storage.tsdb.path"]] == "prometheus"
    assert mounts("alertmanager")[flags("alertmanager")["storage.path"]] == "alertmanager"
    trace = read(FOLDER / "tempo.yaml")["storage"]["trace"]
    assert mounts("tempo")[str(Path(trace["wal"]["path"]).parent)] == "tempo"
    assert Path(trace["local"]["path"]).parent == Path(trace["wal"]["path"]).parent
    assert mounts("grafana")["/var/lib/grafana"] == "grafana"


def test_the_readme_names_ports_scripts_and_services_that_are_there() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    published = {outside for service in SERVICES for _, outside, _ in ports(service)}
    assert {int(port) for port in re.findall(r"localhost:(\d+)", text)} == published
    commands = re.findall(r"docker compose (?:exec|restart|kill -s \w+|logs|up --build --scale) ([a-z]+)", text)
    assert commands
    assert set(commands) <= set(SERVICES)
    for service, script in re.findall(r"exec (\w+) /opt/smsbat-exporter/bin/python (/\S+)", text):
        assert mounted(service, script).is_file()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (FOLDER / link).exists(), link

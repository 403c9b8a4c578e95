from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from exporter import cli
from exporter.catalogue import METRICS, Metric
from exporter.config import load

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text()
ROW = re.compile(r"^\| `(smsbat_\w+)` \| (\w+) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def yaml_blocks(title: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", section(title), re.DOTALL)


def labels_as_written(metric: Metric) -> str:
    words = {"+": "*labels*", "?": "(*labels*)"}
    return ", ".join(words.get(name, f"`{name}`") for name in (*metric.spread.value, *metric.labels)) or "-"


def test_the_first_config_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "smsbat.yaml"
    file.write_text(yaml_blocks("A real account")[0])
    config = load(file, {"SMSBAT_API_KEY": "made-up"})
    assert [account.name for account in config.accounts] == ["main"]
    assert len(config.messages) == 1


def test_the_scrape_config_names_the_default_port() -> None:
    config = yaml.safe_load(yaml_blocks("A real account")[1])
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": ["localhost:10767"]}]


def test_the_table_has_every_metric_once() -> None:
    assert sorted(name for name, _, _ in ROW.findall(TEXT)) == sorted(metric.name for metric in METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_table_has_the_metrics_type_and_labels(metric: Metric) -> None:
    rows = {name: (kind, labels) for name, kind, labels in ROW.findall(TEXT)}
    assert rows[metric.name] == (metric.kind.value, labels_as_written(metric))


@pytest.mark.parametrize("command", re.findall(r"^\| `smsbat-exporter ([a-z-]+)", TEXT, re.MULTILINE))
def test_every_command_of_the_table_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out

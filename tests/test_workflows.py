"""The workflows in .github and what they call: what neither zizmor nor the schemas see."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / ".github" / "workflows"
FILES: Final = sorted(FOLDER.glob("*.yml"))
TEXTS: Final = {file.name: file.read_text("utf-8") for file in FILES}
WORKFLOWS: Final[dict[str, dict[str, Any]]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS: Final = [(file, job) for file, workflow in WORKFLOWS.items() for job in workflow["jobs"]]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MAKEFILE: Final = (ROOT / "Makefile").read_text("utf-8")
RELEASE_NOTES: Final = ROOT / ".ci" / "release_notes.py"


def commands() -> list[str]:
    steps = [step for file, job in JOBS for step in WORKFLOWS[file]["jobs"][job].get("steps", [])]
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("file", TEXTS)
def test_every_action_is_a_commit_with_its_version_beside_it(file: str) -> None:
    for used in re.findall(r"uses: (.+)", TEXTS[file]):
        if used.startswith("$/"):
            assert (ROOT / used.removeprefix("$/")).is_file()
        else:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


def test_an_action_is_of_the_same_commit_wherever_it_is_used() -> None:
    pairs = set(re.findall(r"uses: ([\w./-]+)@(.+)", "\n".join(TEXTS.values())))
    assert len(pairs) == len({action for action, _ in pairs})


@pytest.mark.parametrize(("file", "job"), JOBS)
def test_every_job_says_what_it_may_do_and_for_how_long(file: str, job: str) -> None:
    settings = WORKFLOWS[file]["jobs"][job]
    assert WORKFLOWS[file]["permissions"] == {}
    assert "permissions" in settings
    assert "uses" in settings or settings["timeout-minutes"] <= 60
    assert WORKFLOWS[file]["concurrency"]


def test_tests_run_on_the_pythons_that_the_package_names() -> None:
    named = [it.rpartition(" ")[2] for it in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", it)]
    assert WORKFLOWS["ci.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_commands_call_make_targets_and_scripts_that_are_there() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    text = "\n".join(commands())
    assert set(re.findall(r"^make (\w+)$", text, re.MULTILINE)) == {"test"} <= set(phony.split())
    assert "bash .ci/run" in text  # which calls `make check` too
    scripts = re.findall(r"\.ci/[\w.-]+", text)
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_nothing_is_published_before_tests_and_both_architectures_have_passed() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert jobs["image"]["needs"] == jobs["packages"]["needs"] == "approval"
    assert (jobs["approval"]["needs"], jobs["approval"]["environment"]) == ("ci", "release")
    assert set(jobs["pypi"]["needs"]) == {"image", "packages"}
    assert (jobs["ci"]["needs"], jobs["chart"]["needs"]) == ("notes", "pypi")
    image = WORKFLOWS["image.yml"]["jobs"]
    platforms = image["smoke"]["strategy"]["matrix"]["platform"]
    (push,) = [step["with"] for step in image["push"]["steps"] if "push" in step.get("with", {})]
    assert image["push"]["needs"] == "smoke"
    assert push["platforms"] == ",".join(platforms) == "linux/amd64,linux/arm64"
    assert (push["sbom"], push["provenance"]) == (True, "mode=max")


def test_a_reusable_workflow_gets_no_less_than_its_jobs_ask_for() -> None:
    for caller in WORKFLOWS["release.yml"]["jobs"].values():
        if "uses" in caller:
            called = WORKFLOWS[Path(caller["uses"]).name]["jobs"].values()
            asked = {item for job in called for item in job["permissions"].items()}
            assert asked <= caller["permissions"].items()


def test_the_build_arguments_are_those_of_the_dockerfile() -> None:
    (given,) = re.findall(r"build-args: \|\n((?: {12}\w+=.*\n)+)", TEXTS["image.yml"])
    arguments = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(\w+)=", given)) <= arguments


def test_a_change_of_what_the_image_is_made_of_builds_it() -> None:
    triggers: dict[str, Any] = WORKFLOWS["image.yml"][True]  # type: ignore[index]  # YAML takes `on` for a boolean
    watched = {path.removesuffix("/**") for path in triggers["pull_request"]["paths"]}
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    for source in set(" ".join(copied).split()) - {"README.md", "LICENSE"}:  # which are no code
        assert watched & {source, *map(str, Path(source).parents)}, source


def test_dependabot_looks_where_things_are() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]
    places = {update["package-ecosystem"]: ROOT / update["directory"].lstrip("/") for update in updates}
    assert (places["pip"] / "run.txt").is_file()
    assert (places["docker-compose"] / "compose.yaml").is_file()
    assert places["github-actions"] == ROOT
    assert all(update["cooldown"] for update in updates)


CHANGELOG: Final = """\
# Changelog

## [1.3.0] - Unreleased

- More

## [1.2.0] - 2026-11-02

### Added

- A thing

## [1.1.0] - 2026-10-01

"""


@pytest.mark.parametrize(
    ("tag", "version", "expected"),
    [
        ("v1.2.0", "1.2.0", (0, "### Added\n\n- A thing\n", "")),
        ("v1.2.1", "1.2.0", (1, "", "the tag is v1.2.1, but exporter/__init__.py says 1.2.0\n")),
        ("1.2.0", "1.2.0", (1, "", "the tag is 1.2.0, but exporter/__init__.py says 1.2.0\n")),
        ("v1.3.0", "1.3.0", (1, "", "CHANGELOG.md has 'Unreleased' in place of the date of 1.3.0\n")),
        ("v1.1.0", "1.1.0", (1, "", "CHANGELOG.md says nothing about 1.1.0\n")),
        ("v1.2", "1.2", (1, "", "CHANGELOG.md has no section [1.2]\n")),
    ],
)
def test_only_what_the_changelog_tells_of_can_be_released(
    tmp_path: Path, tag: str, version: str, expected: tuple[int, str, str]
) -> None:
    for name, text in {
        ".ci/release_notes.py": RELEASE_NOTES.read_text("utf-8"),
        "exporter/__init__.py": f'__version__ = "{version}"\n',
        "CHANGELOG.md": CHANGELOG,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    ended = subprocess.run(  # noqa: S603
        [sys.executable, str(tmp_path / ".ci" / "release_notes.py"), tag], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == expected


def test_the_real_changelog_has_a_section_for_this_version() -> None:
    source = (ROOT / "exporter" / "__init__.py").read_text("utf-8")
    (version,) = re.findall(r'__version__ = "(.+)"', source)
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")

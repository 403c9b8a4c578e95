from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from exporter.config import Config, ConfigError, Secret, from_environment, load
from exporter.config.model import RESERVED_LABELS

BROKEN = sorted((Path(__file__).parent / "broken_configs").glob("*.yaml"))
ACCOUNT = "accounts: [{name: main, auth: {method: header, api_key: s3cret}}]\n"


def loaded(folder: Path, text: str, env: dict[str, str] | None = None) -> Config:
    path = folder / "config.yaml"
    path.write_text(text)
    return load(path, env or {})


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_each_broken_config_is_refused_with_exactly_the_problems_it_lists(path: Path) -> None:
    expected = re.findall(rb"^#= (.*)$", path.read_bytes(), re.MULTILINE)
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    assert [str(problem) for problem in refused.value.problems] == [f"{path}:{line.decode()}" for line in expected]
    assert "s3cret" not in str(refused.value).replace(str(path), "")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml", {})


def test_every_setting_arrives(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from file\n")
    config = loaded(
        tmp_path,
        """\
accounts:
  - name: main
    base_url: http://127.0.0.1:8080/path/
    auth: {method: basic, username: "${USER_NAME}", password: "pa$$word"}
    requests_per_second: 0.2
    currency: eur
    webhook_token_file: key
    proxy_url: http://user:secret@proxy:3128
  - {name: other, auth: {method: key_as_password, api_key_file: key}}
polling:
  - {channels: [Viber_OTP], interval: 10s, max_interval: 10s}
  - {}
status_aliases: {Bounced: undeliverable}
labels: {campaign: {max_values: 5}, team: {}}
histogram_labels: yes
messages: [{id: 0123, account: other, channel: sms, sent_at: 2026-01-23T10:30:00Z, ttl: 5m, labels: {campaign: 2026}}]
intake: {files: ["in/*.jsonl", /var/in.jsonl]}
api: {token_file: key, allowed_hosts: [App:8080]}
relay: {use_account_credentials: on}
zero_hold: 0s
objectives: [{name: otp, channels: [viber_otp], within: 10s, target: 0.95}]
""",
        {"USER_NAME": "me"},
    )
    main, other = config.accounts
    from_file = Secret(path=tmp_path / "key")
    assert main.base_url == "http://127.0.0.1:8080/path"
    assert (main.auth.username, main.auth.password) == ("me", Secret(text=SecretStr("pa$word")))
    assert (main.requests_per_second, main.currency, main.webhook_token) == (0.2, "EUR", from_file)
    assert main.proxy_url == "http://user:secret@proxy:3128"
    assert other.auth.api_key == from_file
    assert config.polling[0].channels == ("viber_otp",)
    assert (config.polling[0].interval, config.polling[1].max_interval) == (10.0, 21_600.0)
    assert config.status_aliases == {"bounced": "undeliverable"}
    assert {name: rule.max_values for name, rule in config.labels.items()} == {"campaign": 5, "team": 50}
    assert config.histogram_labels
    (message,) = config.messages
    assert (message.id, message.account, message.channel) == ("0123", "other", "sms")
    assert (message.sent_at, message.ttl, message.labels) == (1_769_164_200.0, 300.0, {"campaign": "2026"})
    assert config.intake.files == (str(tmp_path / "in/*.jsonl"), "/var/in.jsonl")
    assert (config.api.token, config.api.allowed_hosts) == (from_file, ("app:8080",))
    assert config.relay is not None
    assert config.relay.use_account_credentials
    assert config.zero_hold == 0
    assert (config.objectives[0].within, config.objectives[0].target) == (10.0, 0.95)
    assert config.store.path == tmp_path / "smsbat-exporter.db"


def test_no_secret_shows_in_the_repr_of_a_config(tmp_path: Path) -> None:
    text = (
        ACCOUNT.replace("}}]", "}, webhook_token: s3cret, proxy_url: 'http://u:s3cret@p'}]") + "api: {token: s3cret}\n"
    )
    assert "s3cret" not in repr(loaded(tmp_path, text))


def test_the_same_settings_compare_equal_and_others_do_not(tmp_path: Path) -> None:
    once = loaded(tmp_path, ACCOUNT)
    assert once == loaded(tmp_path, "# the same\n" + ACCOUNT)
    assert once != loaded(tmp_path, ACCOUNT + "window: 2h\n")
    assert once.accounts != loaded(tmp_path, ACCOUNT.replace("s3cret", "other")).accounts


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "http://127.9.9.9", "http://[::1]:8080/x", "https://eu.example/api"]
)
def test_an_encrypted_or_loopback_url_is_taken(tmp_path: Path, url: str) -> None:
    text = ACCOUNT.replace("}}]", "}, base_url: '" + url + "'}]")
    assert loaded(tmp_path, text).accounts[0].base_url == url


def test_a_glob_character_in_the_folder_is_taken_literally(tmp_path: Path) -> None:
    folder = tmp_path / "a[b]"
    folder.mkdir()
    assert loaded(folder, ACCOUNT + "intake: {files: ['*.jsonl']}\n").intake.files == (f"{tmp_path}/a[[]b]/*.jsonl",)


def test_the_label_names_of_the_contract_are_reserved() -> None:
    assert {"account", "channel", "outcome", "objective", "via", "le", "job", "instance", "trace_id"} <= RESERVED_LABELS


LINES = st.lists(
    st.sampled_from(
        [
            *(
                "accounts:",
                "  - name: main",
                "    auth: {method: header, api_key: s3cret}",
                "    auth:",
                "    burst: -1",
            ),
            *(
                "polling:",
                "polling: [{}]",
                "  - {channels: [sms]}",
                "messages: [{id: a}, 5, {id: [a]}]",
                "labels: {a: 1}",
            ),
            *("window: 1h", "buckets: [.inf, nan, 1e400]", "api: {token: ''}", "relay: {}", 'store: {path: "\\0"}'),
            *("status_aliases: {sent: [sent]}", "messages:", "  - labels: {x: y}", "objectives: [{name: {}}]", "? x"),
            *(
                "intake: {files: [1, ~]}",
                "tracing: ${HOME}",
                "retention: 99999999999999999999h",
                "max_label_sets: 1e999",
            ),
        ]
    ),
    max_size=8,
).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES | st.text(max_size=60))
@example("${UNSET}")
@example("accounts: [{a: 1}]\naccounts: ${UNSET}")
@example(ACCOUNT + "max_label_sets: " + "9" * 5_000)
@example(ACCOUNT + "messages: [{id: a, sent_at: 0001-01-01T00:00:00+23:59}]")
@example(ACCOUNT.replace("api_key", "api_key_file").replace("s3cret", '"a\\0b"'))
@example(ACCOUNT.replace("}}]", "}, base_url: 'https://[::1'}]"))
def test_any_text_is_a_config_or_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    try:
        assert load(path, {}).accounts
    except ConfigError as error:
        assert error.problems  # noqa: PT017  # both ways are right


@pytest.mark.parametrize(
    ("env", "method"),
    [
        ({"SMSBAT_API_KEY": "s3$cret"}, "header"),
        ({"SMSBAT_USERNAME": "me", "SMSBAT_PASSWORD": "s3$cret", "SMSBAT_API_KEY": ""}, "basic"),
    ],
)
def test_the_environment_alone_makes_one_account_named_default(env: dict[str, str], method: str) -> None:
    (account,) = from_environment(env | {"SMSBAT_BASE_URL": "https://eu.example/"}).accounts
    secret = Secret(text=SecretStr("s3$cret"))
    assert (account.name, account.base_url, account.auth.method) == ("default", "https://eu.example", method)
    assert secret in (account.auth.api_key, account.auth.password)


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({}, "environment: set either SMSBAT_API_KEY, or both SMSBAT_USERNAME and SMSBAT_PASSWORD"),
        (
            {"SMSBAT_USERNAME": "me"},
            "environment: set either SMSBAT_API_KEY, or both SMSBAT_USERNAME and SMSBAT_PASSWORD",
        ),
        (
            {"SMSBAT_API_KEY": "s3cret", "SMSBAT_USERNAME": "me", "SMSBAT_PASSWORD": "s3cret"},
            "environment: set either SMSBAT_API_KEY, or both SMSBAT_USERNAME and SMSBAT_PASSWORD",
        ),
        ({"SMSBAT_API_KEY": "s3\ncret"}, "environment: SMSBAT_API_KEY: must be a single line of printable characters"),
        (
            {"SMSBAT_API_KEY": "s3cret", "SMSBAT_BASE_URL": "http://eu.example"},
            "environment: SMSBAT_BASE_URL: must begin with https:// (http:// is for loopback only)",
        ),
    ],
)
def test_a_wrong_environment_is_refused_by_the_names_of_its_variables(env: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        from_environment(env)
    assert list(map(str, refused.value.problems)) == [problem]


def test_the_environment_places_a_store_that_the_file_does_not_place(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    env = {"SMSBAT_STORE_PATH": "/var/lib/smsbat-exporter/state.db"}
    text = "accounts: [{name: main, auth: {method: header, api_key: k}}]\n"

    file.write_text(text)
    assert load(file, env).store.path == Path("/var/lib/smsbat-exporter/state.db")
    assert load(file, {}).store.path == tmp_path / "smsbat-exporter.db"
    file.write_text(text + "store: {path: own.db}\n")
    assert load(file, env).store.path == tmp_path / "own.db"


def test_the_environment_places_the_store_of_a_configuration_without_a_file() -> None:
    config = from_environment({"SMSBAT_API_KEY": "k", "SMSBAT_STORE_PATH": "/state/db"})

    assert config.store.path == Path("/state/db")

"""The rules that hold between parts of a configuration, checked on the document, so also when other parts are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from exporter.config.document import Value
from exporter.config.problems import Fault


def broken_rules(document: dict[str, Value]) -> Iterator[Fault]:
    """Yield each rule between parts that the document breaks."""
    return chain(
        _repeated(document, "accounts", "name"),
        _repeated(document, "objectives", "name"),
        _polling(document),
        _aliases(document),
        _messages(document),
    )


def _sections(document: dict[str, Value], key: str) -> list[tuple[int, dict[str, Value]]]:
    """Return the mappings of a list with their positions; what else stands there is the model's to refuse."""
    items = document.get(key)
    return [(i, item) for i, item in enumerate(items) if isinstance(item, dict)] if isinstance(items, list) else []


def _repeated(document: dict[str, Value], key: str, name: str) -> Iterator[Fault]:
    seen = set[str]()
    for index, section in _sections(document, key):
        value = section.get(name)
        if not isinstance(value, str):
            continue
        if value in seen:
            yield Fault((key, index, name), "is taken by an earlier one: each needs its own")
        seen.add(value)


def _polling(document: dict[str, Value]) -> Iterator[Fault]:
    entries = document.get("polling")
    if not isinstance(entries, list):
        return
    last = len(entries) - 1
    for index, entry in _sections(document, "polling"):
        limited = "channels" in entry and entry["channels"] != []
        if index == last and limited:
            yield Fault(
                ("polling", index, "channels"), "the last entry is for all other messages: add one without channels"
            )
        elif index != last and not limited:
            yield Fault(("polling", index), "only the last entry may be without channels: later ones would never match")


def _aliases(document: dict[str, Value]) -> Iterator[Fault]:
    aliases = document.get("status_aliases")
    seen = set[str]()
    for word in aliases if isinstance(aliases, dict) else ():
        if word.strip().lower() in seen:
            yield Fault(("status_aliases", word), "is given twice, case aside: remove one of them", at_key=True)
        seen.add(word.strip().lower())


def _messages(document: dict[str, Value]) -> Iterator[Fault]:
    accounts = [name for _, account in _sections(document, "accounts") if isinstance(name := account.get("name"), str)]
    labels = document.get("labels", {})
    seen = set[tuple[str, str]]()
    for index, message in _sections(document, "messages"):
        account = message.get("account", accounts[0] if accounts else None)
        if isinstance(account, str) and account not in accounts:
            yield Fault(("messages", index, "account"), "is none of the accounts: add it there or correct the name")
        message_id = message.get("id")
        if isinstance(message_id, str) and isinstance(account, str):
            if (account, message_id) in seen:
                yield Fault(("messages", index, "id"), "is listed twice for its account: remove one")
            seen.add((account, message_id))
        yield from _unknown_labels(index, message.get("labels"), labels)


def _unknown_labels(index: int, given: Value, configured: Value) -> Iterator[Fault]:
    if isinstance(given, dict) and isinstance(configured, dict):
        for name in given.keys() - configured.keys():
            path = ("messages", index, "labels", name)
            yield Fault(path, "is not a configured label: add it to `labels` or remove it here", at_key=True)

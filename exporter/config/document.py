"""The YAML text: its values as plain dicts, lists and text, what is wrong with it, and where each value stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

import msgspec
import yaml

from exporter.config.problems import Fault, KeyPath
from exporter.config.scalars import Plain, expand

Value = str | list["Value"] | dict[str, "Value"] | None
"""Every scalar is text here: what it means is for the field it belongs to, so `no` may be a word and `007` a key."""

_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_DEEPEST: Final = 20


class Mark(Protocol):
    """A place in the text as PyYAML counts, from 0."""

    @property
    def line(self) -> int:
        """The line."""
        ...

    @property
    def column(self) -> int:
        """The character of the line."""
        ...


class _Place(msgspec.Struct, frozen=True):
    line: int
    column: int


class UnreadableError(Exception):
    """The text is no YAML that a configuration can be, from `mark` on."""

    def __init__(self, message: str, mark: Mark | None) -> None:
        """Take what is wrong, and where if that is known."""
        super().__init__(message)
        self.mark = mark


class _Marks(NamedTuple):
    key: Mark | None
    value: Mark | None


class _Open(msgspec.Struct):
    """A list or mapping whose end has not come yet."""

    value: list[Value] | dict[str, Value]
    step: str | int
    """Its own key or position in what it stands in."""
    marks: dict[str | int, _Marks] = msgspec.field(default_factory=dict)
    key: str | None = None
    key_mark: Mark | None = None


class Document:
    """A read document, which knows where its values stand."""

    def __init__(self, value: Value, marks: dict[int, dict[str | int, _Marks]], faults: list[Fault]) -> None:
        """Take the value, the marks of each list's and mapping's entries by its `id`, and what is wrong so far."""
        self.value = value
        self.faults = faults
        self._marks = marks

    def locate(self, path: KeyPath, *, at_key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the value at the path, or of the nearest one around it."""
        place, value = (1, 1), self.value
        for step in path:
            marks = self._marks.get(id(value), {}).get(step)
            if marks is None:
                break
            value = value[step]  # type: ignore[index]  # it has marks, so it is an entry
            mark = marks.key if at_key or isinstance(value, (dict, list)) else marks.value
            place = (mark.line + 1, mark.column + 1) if mark else place
        return place


class _Builder:
    """Puts a document together from the parser's events.

    Events, not PyYAML's nodes: its recursive composer is slower and overflows the C stack on deep nesting.
    """

    def __init__(self, env: Mapping[str, str] | None) -> None:
        self.value: Value = None
        self.marks: dict[int, dict[str | int, _Marks]] = {}
        self.faults: list[Fault] = []
        self._env = env
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the parser's next event."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._start({}, event)
            case yaml.SequenceStartEvent():
                self._start([], event)
            case yaml.CollectionEndEvent():
                self._open.pop()
            case yaml.AliasEvent():
                raise UnreadableError("aliases (*name) are not supported: write the value out", event.start_mark)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise UnreadableError("must be a single document: remove what follows ---", event.start_mark)
            case _:
                pass  # the ends and beginnings of stream and document say nothing more

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.tag is not None:
            raise UnreadableError("tags (!name) are not supported: quote text that begins with !", event.start_mark)
        inside = self._open[-1] if self._open else None
        if inside is not None and isinstance(inside.value, dict) and inside.key is None:
            self._key(inside, event)
        else:
            self._add(self._text(event), event.start_mark)

    def _key(self, inside: _Open, event: yaml.ScalarEvent) -> None:
        if event.value == "<<":
            raise UnreadableError("merge keys (<<) are not supported: write the keys out", event.start_mark)
        inside.key, inside.key_mark = event.value, event.start_mark
        if event.value in inside.marks:
            self._fault("is given twice: remove one of them", at_key=True)

    def _text(self, event: yaml.ScalarEvent) -> str | None:
        plain = event.implicit[0]
        if plain and event.value in _NULLS:
            if self._open:
                self._fault("is empty: give it a value (an empty list is [], an empty section {}) or remove the key")
            return None
        text = Plain(event.value) if plain else event.value
        if self._env is None or "$" not in text or not self._open:
            return text
        try:
            return expand(text, self._env)
        except ValueError as error:
            self._fault(str(error))
            return text

    def _start(self, value: list[Value] | dict[str, Value], event: yaml.Event) -> None:
        if len(self._open) == _DEEPEST:
            raise UnreadableError("is nested too deeply", event.start_mark)
        step = _next_step(self._open[-1]) if self._open else ""
        self._add(value, event.start_mark)
        self._open.append(_Open(value, step))
        self.marks[id(value)] = self._open[-1].marks

    def _add(self, value: Value, mark: Mark | None) -> None:
        """Put a value where it belongs: into the innermost list, under the pending key, or at the top."""
        if not self._open:
            self.value = value
            return
        inside = self._open[-1]
        if isinstance(inside.value, list):
            inside.marks[len(inside.value)] = _Marks(mark, mark)
            inside.value.append(value)
        elif inside.key is None:
            raise UnreadableError("a key must be text", mark)
        else:
            inside.marks[inside.key] = _Marks(inside.key_mark, mark)
            inside.value[inside.key] = value
            inside.key = None

    def _fault(self, message: str, *, at_key: bool = False) -> None:
        """Note what is wrong with the entry that comes next."""
        path = (*(inside.step for inside in self._open[1:]), _next_step(self._open[-1]))
        self.faults.append(Fault(path, message, at_key))


def _next_step(inside: _Open) -> str | int:
    """Return the key or position of the entry being read, or of the one it will be in."""
    if isinstance(inside.value, list):
        return len(inside.value)
    return inside.key or ""


def read_document(content: bytes, env: Mapping[str, str] | None) -> Document:
    """Read YAML, with `${NAME}` filled in if there is an `env`; UnreadableError where it is none that we take."""
    builder = _Builder(env)
    try:
        for event in yaml.parse(_decoded(content), Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        # PyYAML quotes the handle of a tag, which can be the beginning of an unquoted secret.
        message = (error.problem or "unreadable").partition(" handle")[0]
        raise UnreadableError(f"is not YAML: {message}", error.problem_mark or error.context_mark) from None
    return Document(builder.value, builder.marks, builder.faults)


def _decoded(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("is not UTF-8", _mark_after(content[: error.start].decode())) from None
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        raise UnreadableError("control characters are not allowed", _mark_after(text[: control.start()]))
    return text


def _mark_after(text: str) -> _Place:
    return _Place(text.count("\n"), len(text) - text.rfind("\n") - 1)

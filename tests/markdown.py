"""Reads Markdown as a code host shows it: links, headings and their anchors, fenced blocks, shell commands."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

_FENCE: Final = re.compile(r"(?ms)^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\1\2 *$")
_COMMENT: Final = re.compile(r"(?s)<!--.*?-->")
_CODE: Final = re.compile(r"(`+)(.+?)\1")
_LINK: Final = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\(([^()\s]+)(?: \"[^\"]*\")?\)")
_HEADING: Final = re.compile(r"(?m)^#{1,6} (.+?) *#*$")
_LABEL: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_NO_ANCHOR: Final = re.compile(r"[^\w\- ]")
_HEREDOC: Final = re.compile(r"<<-?'?(\w+)'?.*\n((?s:.*?)\n)\1$", re.MULTILINE)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=")
_ENDS_A_COMMAND: Final = re.compile(r"[;&|()]+")
_REDIRECTION: Final = re.compile(r"[<>]+&?")


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks, without the indentation of the list that they stand in."""
    return [
        Block(language, re.sub(rf"(?m)^{indentation}", "", body))
        for indentation, _, language, body in _FENCE.findall(_COMMENT.sub("", text))
    ]


def prose(text: str) -> str:
    """Return all that is no fenced block and no comment."""
    return _FENCE.sub("", _COMMENT.sub("", text))


def links(text: str) -> list[str]:
    """Return where the links and pictures lead; what is written as code is none."""
    return _LINK.findall(_CODE.sub(lambda code: "x" * len(code[0]), prose(text)))


def inline_code(text: str) -> list[str]:
    """Return what is written as code within the prose."""
    return [code.strip() for _, code in _CODE.findall(prose(text))]


def anchors(text: str) -> set[str]:
    """Return the fragments that lead somewhere on the page, by the rules of GitHub."""
    found: Counter[str] = Counter()
    every = set[str]()
    for heading in _HEADING.findall(prose(text)):
        slug = _NO_ANCHOR.sub("", _LABEL.sub(r"\1", heading).replace("`", "").strip().lower()).replace(" ", "-")
        every.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return every


def heredocs(script: str) -> list[str]:
    """Return the files that a script writes by `cat >file <<END`."""
    return [body for _, body in _HEREDOC.findall(script)]


def commands(script: str) -> Iterator[list[str]]:
    """Yield the commands of a shell script as words, without variables set before them and without redirections."""
    for words in _lines(_HEREDOC.sub("", script).replace("\\\n", " ").splitlines()):
        command: list[str] = []
        redirected = False
        for word in words:
            if _ENDS_A_COMMAND.fullmatch(word):
                yield from _command(command)
                command = []
            elif not redirected and not _REDIRECTION.fullmatch(word):
                command.append(word)
            redirected = bool(_REDIRECTION.fullmatch(word))
        yield from _command(command)


def _lines(lines: list[str]) -> Iterator[list[str]]:
    """Yield the words of each line; one inside a quotation goes on with the next."""
    begun = ""
    for line in lines:
        lexer = shlex.shlex(begun + line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            begun += f"{line}\n"
            continue
        begun = ""
        yield words
    if begun:
        raise ValueError(f"a quotation is never closed: {begun}")


def _command(words: list[str]) -> Iterator[list[str]]:
    first = next((place for place, word in enumerate(words) if not _is_before_a_command(word)), None)
    if first is not None:
        yield words[first:]


def _is_before_a_command(word: str) -> bool:
    return bool(_ASSIGNMENT.match(word)) or word in {"sudo", "export", "exec", "then", "do", "$"}

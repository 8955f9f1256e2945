"""A table of a TOML file, read key by key: every mistake is one sentence with the file, the table and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import attrs

from workbench.faults import WorkbenchError

__all__ = ["TomlTable", "parse_toml"]

T = TypeVar("T")


@attrs.frozen
class TomlTable:
    """The values of one table. Its sentences name keys, never values: a PIN may stand there by mistake."""

    file: str
    name: str
    values: Mapping[str, object]

    def fault(self, key: str, why: str) -> WorkbenchError:
        """What is wrong with a key, for the caller to raise."""
        return WorkbenchError(f"{self._place}{key}: {why}")

    def check_keys(self, *known: str) -> None:
        """Refuse a key that nobody reads: it is misspelt, and what it should have said would be lost."""
        for key in self.values:
            if key not in known:
                raise self.fault(_shown(key), f"there is no such key here; known keys: {', '.join(known)}")

    def text(self, key: str) -> str | None:
        """The text of a key, not empty; None when the key is missing."""
        value = self._of(key, str, "text in quotation marks")
        if value == "":
            raise self.fault(key, "it is empty; leave the key out instead")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of a list; empty when the key is missing."""
        values = self._of(key, list, "a list of texts") or []
        if not all(isinstance(value, str) and value for value in values):
            raise self.fault(key, "it must be a list of texts")
        return tuple(values)

    def chosen(self, key: str, *choices: str) -> str | None:
        """One of these words; None when the key is missing."""
        value = self.text(key)
        if value is not None and value not in choices:
            raise self.fault(key, f"it must be one of {', '.join(choices)}")
        return value

    def integer(self, key: str, minimum: int = 0, maximum: int = 2**63 - 1) -> int | None:
        """A whole number; None when the key is missing."""
        value = self._of(key, int, "a whole number")
        if value is not None and not minimum <= value <= maximum:
            raise self.fault(key, f"it must be a whole number from {minimum} to {maximum}")
        return value

    def number(self, key: str) -> float | None:
        """A number greater than zero; None when the key is missing."""
        value = self._of(key, (int, float), "a number")
        if value is not None and not 0 < value < float("inf"):
            raise self.fault(key, "it must be a number greater than zero")
        return value

    def parsed(self, key: str, parse: Callable[[str], T]) -> T | None:
        """What ``parse`` makes of the text; its ``WorkbenchError`` is told with the place. None when missing."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return parse(value)
        except WorkbenchError as error:
            raise self.fault(key, str(error)) from None

    def path(self, key: str) -> Path | None:
        """An absolute path, or one below the home directory (``~/``); None when the key is missing."""
        value = self.text(key)
        if value is None:
            return None
        if not value.startswith(("/", "~/")) or "\0" in value:
            raise self.fault(key, "it must be an absolute path, or begin with ~/")
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise self.fault(key, "it begins with ~/, and this user has no home directory") from None

    def table(self, key: str) -> TomlTable | None:
        """The table below this one; None when it is missing."""
        values = self._of(key, dict, "a table")
        return None if values is None else TomlTable(self.file, self._below(key), values)

    def tables(self, key: str) -> tuple[TomlTable, ...]:
        """The list of tables (``[[…]]``) below this one; empty when it is missing."""
        values = self._of(key, list, f"a list of tables, each under [[{self._below(key)}]]") or []
        if not all(isinstance(value, dict) for value in values):
            raise self.fault(key, f"it must be a list of tables, each under [[{self._below(key)}]]")
        return tuple(
            TomlTable(self.file, f"{self._below(key)} {number}", value)
            for number, value in enumerate(values, 1)
        )

    def _of(self, key: str, kind: type[T] | tuple[type[T], ...], said: str) -> T | None:
        value = self.values.get(key)
        if value is None:
            return None
        # A bool is an int to Python, not to anybody who writes a file.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.fault(key, f"it must be {said}")
        return value

    def _below(self, key: str) -> str:
        return f"{self.name}.{_shown(key)}" if self.name else _shown(key)

    @property
    def _place(self) -> str:
        return f"{self.file}: [{self.name}] " if self.name else f"{self.file}: "


def parse_toml(text: str, file: str) -> TomlTable:
    """The whole of a TOML document; ``file`` is what the sentences call it.

    Errors: ``WorkbenchError`` that says where the document is broken, without quoting it.
    """
    try:
        return TomlTable(file, "", tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # ValueError too: a number of more digits than Python takes
        place = re.search(r"\(at ([a-z0-9, ]+)\)$", str(error))
        raise WorkbenchError(f"{file}: this is not TOML{f' ({place[1]})' if place else ''}") from None


def _shown(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key) else repr(key[:40])

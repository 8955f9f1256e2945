"""What an ELF file says of itself: for which machine, what it needs to be loaded, what it offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import attrs
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

__all__ = ["Elf", "NotElf", "Platform", "exports", "platform_of", "read_elf"]

Platform = tuple[int, str]


class NotElf(Exception):
    """The file is no ELF file that could be read; the message says why, as the end of a sentence."""


@attrs.frozen
class Elf:
    """One shared library. ``wants``: for each library that is named in it, the symbol versions it must define.

    ``needed``: the names it was linked to (DT_NEEDED). ``rpath`` and ``runpath``: where it wants them looked for,
    as written. ``machine``: the word of the header (``EM_X86_64``), ``bits``: 32 or 64.
    """

    path: Path
    bits: int
    machine: str
    kind: str
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    wants: Mapping[str, tuple[str, ...]]
    defines: frozenset[str]

    @property
    def platform(self) -> Platform:
        """What two files must agree in to be in one process."""
        return self.bits, self.machine


def read_elf(path: Path) -> Elf:
    """Read the file's headers, dynamic section and version tables.

    Errors: ``NotElf``; ``OSError`` where the file cannot be read.
    """
    with _parsed(path) as file:
        return _read(path, file)


def platform_of(path: Path) -> Platform:
    """The bits and the machine that a file is made for. Errors: as of ``read_elf``."""
    with _parsed(path) as file:
        return file.elfclass, str(file["e_machine"])


def exports(path: Path, symbol: str) -> bool | None:
    """Whether a library offers a symbol to others; None where its symbols cannot be read."""
    with _parsed(path) as file:
        segment = next((s for s in file.iter_segments() if isinstance(s, DynamicSegment)), None)
        try:
            found = segment.get_symbol_by_name(symbol) if segment is not None else None
        except Exception:  # noqa: BLE001 - symbol tables come in shapes that the parser does not know
            return None
        return any(one["st_shndx"] != "SHN_UNDEF" for one in found or ())


@contextmanager
def _parsed(path: Path) -> Iterator[ELFFile]:
    with path.open("rb") as stream:
        start = stream.read(64)
        if start[:4] != b"\x7fELF":
            raise NotElf(_kind_of_file(start[:4]))
        size = path.stat().st_size
        try:
            end = _section_headers(start)
            if end > size:
                raise NotElf(f"is cut off: it has {size} bytes of at least {end}")
            yield ELFFile(stream)
        except (NotElf, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a parser has no end of ways to trip over a broken file
            raise NotElf(f"is a damaged ELF file ({type(error).__name__})") from None


def _section_headers(start: bytes) -> int:
    """Where the section headers begin (e_shoff): near the end of the file, so a cut file lacks them."""
    order: Literal["little", "big"] = "big" if start[5] == 2 else "little"
    place = slice(40, 48) if start[4] == 2 else slice(32, 36)
    return int.from_bytes(start[place], order)


def _kind_of_file(start: bytes) -> str:
    if not start:
        return "is empty"
    if start[:2] == b"MZ":
        return "is a library for Windows"
    if start in {b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"}:
        return "is a library for macOS"
    if start[:2] == b"#!" or start.isascii():
        return "is a text file, perhaps a linker script or a pointer to large content"
    return "is not a library"


def _read(path: Path, file: ELFFile) -> Elf:
    segment = next((s for s in file.iter_segments() if isinstance(s, DynamicSegment)), None)
    tags: dict[str, list[str]] = {}
    for tag in segment.iter_tags() if segment is not None else ():
        for name, value in (("DT_NEEDED", "needed"), ("DT_RPATH", "rpath"), ("DT_RUNPATH", "runpath")):
            if tag.entry.d_tag == name:
                tags.setdefault(name, []).append(str(getattr(tag, value)))
    return Elf(
        path=path,
        bits=file.elfclass,
        machine=str(file["e_machine"]),
        kind=str(file["e_type"]),
        needed=tuple(tags.get("DT_NEEDED", ())),
        rpath=_split(tags.get("DT_RPATH", [])),
        runpath=_split(tags.get("DT_RUNPATH", [])),
        wants=_wanted_versions(file),
        defines=_defined_versions(file),
    )


def _split(paths: list[str]) -> tuple[str, ...]:
    return tuple(part for path in paths for part in path.split(":") if part)


def _wanted_versions(file: ELFFile) -> dict[str, tuple[str, ...]]:
    section: Any = next(file.iter_sections("SHT_GNU_verneed"), None)
    if section is None:
        return {}
    weak = 2  # VER_FLG_WEAK: the loader warns and goes on
    return {
        need.name: tuple(one.name for one in ones if not one["vna_flags"] & weak)
        for need, ones in section.iter_versions()
    }


def _defined_versions(file: ELFFile) -> frozenset[str]:
    section: Any = next(file.iter_sections("SHT_GNU_verdef"), None)
    if section is None:
        return frozenset()
    # the first name of each entry is the version, the rest are its parents
    return frozenset(next(iter(names)).name for _, names in section.iter_versions())

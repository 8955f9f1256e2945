"""Which libraries the loader would bring with a module, from where, and which it would not find (ld.so(8))."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import attrs

from workbench.inspection.diagnosis.elf import Elf, NotElf, platform_of, read_elf

__all__ = ["Lacking", "Library", "libraries", "this_process"]


@attrs.frozen
class Lacking:
    """Symbol versions that ``wanted_by`` was linked against and ``library`` does not define here."""

    library: str
    wanted_by: Path
    versions: tuple[str, ...]
    newest: str | None


@attrs.frozen
class Library:
    """A library that a module brings: ``path`` is None where the loader would not find it."""

    name: str
    wanted_by: Path
    path: Path | None
    lacking: tuple[Lacking, ...] = ()


@cache
def this_process() -> Elf | None:
    """The program that runs us, which decides what can be loaded; None where it is not an ELF file."""
    try:
        return read_elf(Path(sys.executable).resolve())
    except (NotElf, OSError):
        return None


def libraries(module: Elf, environment: Mapping[str, str]) -> tuple[Library, ...]:
    """Everything that loading the module brings with it, in the loader's order (breadth first)."""
    found: dict[str, Library] = {}
    read: dict[Path, Elf] = {}
    waiting: list[tuple[Elf, tuple[Elf, ...]]] = [(module, ())]
    mapped = _mapped()
    while waiting:
        one, loaders = waiting.pop(0)
        for name in one.needed:
            if name in found:
                continue
            path = mapped.get(name) or _search(name, one, loaders, environment)
            found[name] = Library(name, one.path, path)
            if path is not None:
                read[path] = read_elf(path)
                waiting.append((read[path], (*loaders, one)))
    needs = [module, *read.values()]
    return tuple(attrs.evolve(library, lacking=_lacking(library, needs, read)) for library in found.values())


def _lacking(library: Library, needs: list[Elf], read: Mapping[Path, Elf]) -> tuple[Lacking, ...]:
    if library.path is None:
        return ()
    defines = read[library.path].defines
    missed = []
    for one in needs:
        versions = tuple(v for v in one.wants.get(library.name, ()) if v not in defines)
        if versions:
            family = versions[-1].rpartition("_")[0] + "_"
            same = [v for v in defines if v.startswith(family) and v.removeprefix(family)[:1].isdigit()]
            missed.append(Lacking(library.name, one.path, versions, max(same, key=_numbers, default=None)))
    return tuple(missed)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.rpartition("_")[2].split(".") if part.isdigit())


def _search(name: str, one: Elf, loaders: tuple[Elf, ...], environment: Mapping[str, str]) -> Path | None:
    if "/" in name:
        path = Path(_expanded(name, one))
        return path if path.is_file() else None
    for place in _places(one, loaders, environment):
        candidate = place / name
        if _fits(candidate, one):
            return candidate
    for candidate in _cache().get(name, ()):
        if _fits(candidate, one):
            return candidate
    return next((place / name for place in _defaults() if _fits(place / name, one)), None)


def _places(one: Elf, loaders: tuple[Elf, ...], environment: Mapping[str, str]) -> Iterator[Path]:
    """RPATH of the library and of those that brought it, unless it has a RUNPATH; LD_LIBRARY_PATH; RUNPATH."""
    if not one.runpath:
        program = this_process()
        chain = (one, *reversed(loaders), *([program] if program is not None else []))
        for elf in chain:
            if not elf.runpath:
                yield from (Path(_expanded(text, elf)) for text in elf.rpath)
    for text in environment.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":"):
        if text:
            yield Path(_expanded(text, one))
    yield from (Path(_expanded(text, one)) for text in one.runpath)


def _expanded(text: str, elf: Elf) -> str:
    values = {
        "ORIGIN": str(elf.path.resolve().parent),
        "LIB": "lib64" if elf.bits == 64 else "lib",
        "PLATFORM": os.uname().machine,
    }
    for token, value in values.items():
        text = text.replace(f"${{{token}}}", value).replace(f"${token}", value)
    return text


def _fits(candidate: Path, one: Elf) -> bool:
    """The loader passes a library of another machine by."""
    try:
        return candidate.is_file() and platform_of(candidate) == one.platform
    except (NotElf, OSError):
        return False


def _mapped() -> dict[str, Path]:
    """The libraries that are in this process already: one of the same name is not looked for again."""
    try:
        lines = Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {}
    paths = (Path(line.split(maxsplit=5)[5]) for line in lines if line.count("/") and ".so" in line)
    return {path.name: path for path in paths if path.is_file()}


@cache
def _cache() -> dict[str, tuple[Path, ...]]:
    """The loader's cache, as ``ldconfig -p`` prints it; empty where there is none."""
    program = shutil.which("ldconfig", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if program is None:
        return {}
    done = subprocess.run([program, "-p"], capture_output=True, text=True, check=False)
    found: dict[str, tuple[Path, ...]] = {}
    for line in done.stdout.splitlines():
        name, arrow, path = line.partition(" => ")
        if arrow:
            key = name.split()[0]
            found[key] = (*found.get(key, ()), Path(path))
    return found


@cache
def _defaults() -> tuple[Path, ...]:
    multiarch = sysconfig.get_config_var("MULTIARCH")
    names = [*([f"/lib/{multiarch}", f"/usr/lib/{multiarch}"] if multiarch else [])]
    return tuple(Path(name) for name in (*names, "/lib64", "/usr/lib64", "/lib", "/usr/lib"))

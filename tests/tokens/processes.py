"""What a sandbox leaves behind: the processes that have to do with a directory, and files in the usual places."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

# What a module, a daemon or a library of theirs might call a file of its own.
THEIRS = re.compile(r"tpm|tss|p11|pkcs11|hsm|nss|dbus|ock|opencryptoki|pkcsslotd", re.IGNORECASE)
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/var/lock")


def processes_of(directory: Path) -> dict[int, str]:
    """The pids of the processes that name the directory in their command or environment, or have it open."""
    name = os.fsencode(directory)
    others = (
        entry
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and int(entry.name) != os.getpid()
    )
    return {int(entry.name): _command(entry) for entry in others if any(name in t for t in _traces(entry))}


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "gone meanwhile"


def _traces(process: Path) -> Iterator[bytes]:
    for file in ("cmdline", "environ"):
        try:
            yield (process / file).read_bytes()
        except OSError:
            continue
    try:
        links = [process / "cwd", *(process / "fd").iterdir()]
    except OSError:
        return  # gone, or another user's
    for link in links:
        try:
            yield os.fsencode(link.readlink())
        except OSError:
            continue


def files_elsewhere(own_home: Path) -> set[str]:
    """Everything in the home directory that the processes got, and what might be theirs in places that all share.

    Only names that could be theirs count there: the machine has other things to do meanwhile.
    """
    ours = {str(path) for path in own_home.rglob("*")}
    shared = {str(path) for place in (*SHARED, tempfile.gettempdir()) for path in _entries(Path(place))}
    return ours | {path for path in shared if THEIRS.search(Path(path).name)}


def _entries(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:
        return []

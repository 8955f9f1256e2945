"""``python private_root.py PLAN``: a root directory for one daemon and its clients, seen by them alone.

For software with fixed paths. Started in mount and IPC namespaces of its own (``unshare --mount --ipc``), as root.
The new root holds the software's own files first, the host's for all the rest, at the paths that they have on the
host: so our Python, its packages and every notebook are where they always are. It is made of links and bind mounts
on a file system in memory; the host is not changed, and all of it is gone with the last process inside.

Run by its path, with nothing of the package: it uses the standard library alone. PLAN is JSON: see ``main``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOFTWARE, HOST = ".software", ".host"


def main() -> None:
    """Build the root, then become the daemon in it.

    The plan: ``root`` (an empty directory to mount on), ``software`` (a directory with ``usr``), ``files``
    (absolute path in the new root: text), ``binds`` (absolute path in the new root: directory on the host),
    ``user`` and ``group`` (numbers that the daemon runs as), ``command`` (of the daemon).
    """
    plan = json.loads(sys.argv[1])
    root = Path(plan["root"])
    os.umask(0o022)  # the daemon, another user, must find its way; only what is inside sees this root at all
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root)
    _bind("/", root / HOST, recursive=True)
    _bind(plan["software"], root / SOFTWARE)
    _top(root)
    _mount(
        "-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "dev" / "shm"
    )  # shared memory has fixed names too
    for path, directory in plan["binds"].items():
        _bind(directory, root / path.lstrip("/"))
    for path, text in plan["files"].items():
        (root / path.lstrip("/")).write_text(text, encoding="utf-8")
    os.chroot(root)
    os.chdir("/")
    merge(Path("/usr"), [Path("/", SOFTWARE, "usr"), Path("/", HOST, "usr")])
    for part in ("etc", "var", "run"):
        merge(Path("/", part), [Path("/", HOST, part)])
    os.setgroups([plan["group"]])
    os.setgid(plan["group"])
    os.setuid(plan["user"])
    os.execv(plan["command"][0], plan["command"])


def _top(root: Path) -> None:
    """The first level: what is ours to compose is made, everything else is the host's own."""
    for part in ("usr", "etc", "var", "run"):
        (root / part).mkdir()
    for part in ("bin", "sbin", "lib", "lib64"):
        (root / part).symlink_to(f"usr/{part}")
    for entry in Path("/").iterdir():
        ours = root / entry.name
        if os.path.lexists(ours):
            continue
        if entry.is_dir() and not entry.is_symlink():
            _bind(root / HOST / entry.name, ours, recursive=True)
        else:
            ours.symlink_to(entry.readlink() if entry.is_symlink() else f"/{HOST}/{entry.name}")


def merge(target: Path, layers: Sequence[Path]) -> None:
    """Link into ``target`` what the layers hold. Of one name the first layer's counts, or what ``target`` has.

    A directory that is in several of them is merged in its turn.
    """
    target.mkdir(exist_ok=True)
    found: dict[str, list[Path]] = {}
    for layer in layers:
        for entry in layer.iterdir() if layer.is_dir() else ():
            found.setdefault(entry.name, []).append(entry)
    for name, entries in found.items():
        ours = target / name
        directories = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
        there = os.path.lexists(ours)
        if there and (ours.is_symlink() or not ours.is_dir() or ours.is_mount()):
            continue
        if there or (len(directories) > 1 and entries[0] in directories):
            merge(ours, directories)
        else:
            ours.symlink_to(entries[0])


def _bind(source: str | Path, target: Path, *, recursive: bool = False) -> None:
    target.mkdir(parents=True, exist_ok=True)
    _mount("--rbind" if recursive else "--bind", source, target)


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    main()

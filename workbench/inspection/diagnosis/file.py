"""The module's file, before anything loads it: is it there, for this machine, and with everything it needs?"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from workbench.inspection.check import Check
from workbench.inspection.diagnosis.elf import Elf, NotElf, exports, read_elf
from workbench.inspection.diagnosis.loading import Library, libraries, this_process
from workbench.inspection.diagnosis.packages import package_of

__all__ = ["look_at_file"]

MACHINES = {
    "EM_X86_64": "x86-64",
    "EM_386": "x86",
    "EM_AARCH64": "ARM, 64 bits",
    "EM_ARM": "ARM",
    "EM_S390": "IBM Z",
    "EM_PPC64": "POWER",
    "EM_RISCV": "RISC-V",
}


def look_at_file(path: Path, environment: Mapping[str, str], elsewhere: bool = False) -> Iterator[Check]:
    """The checks of one file; they end at the first that makes the next ones senseless.

    ``elsewhere``: another program's loader will load it, so what it needs is not judged by this one's.
    """
    try:
        found = path.resolve(strict=True)
        os.close(os.open(found, os.O_RDONLY))
    except OSError as error:
        yield _unreadable(path, error)
        return
    if not found.is_file():
        yield Check("file", "failed", f"{path} is not a file", "give the path of the library itself")
        return
    link = f" → {found}" if found != path.absolute() else ""
    yield Check("file", "ok", f"{path}{link}, {found.stat().st_size} bytes")
    if not sys.platform.startswith("linux"):
        yield Check(
            "format", "note", "only ELF files are looked into; on this system loading alone shows more"
        )
        return
    try:
        elf = read_elf(found)
    except NotElf as error:
        remedy = "give the path of the library for this system, whole and unpacked"
        yield Check("format", "failed", f"{path.name} {error}", remedy)
        return
    yield from _look_at_elf(elf, environment, elsewhere)


def _unreadable(path: Path, error: OSError) -> Check:
    if error.errno == errno.ENOENT and path.is_symlink():
        return Check(
            "file", "missing", f"{path} points to {path.readlink()}, which is not there", "install it anew"
        )
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        ancestors = [parent for parent in path.absolute().parents if parent.is_dir()]
        nearest = f"; {ancestors[0]} is as far as the path exists" if ancestors else ""
        return Check(
            "file", "missing", f"there is no {path}{nearest}", "install the module, or correct its path"
        )
    if error.errno == errno.EACCES:
        closed = next((p for p in reversed(path.absolute().parents) if not os.access(p, os.X_OK)), path)
        return Check(
            "file",
            "failed",
            f"this user may not read {path}: {closed} is closed to them",
            "ask for access to it, often by joining the vendor's group",
        )
    return Check("file", "failed", f"{path} cannot be read ({error.strerror})", "look at the file system")


def _look_at_elf(elf: Elf, environment: Mapping[str, str], elsewhere: bool) -> Iterator[Check]:
    program = this_process()
    told = f"{elf.bits}-bit, {MACHINES.get(elf.machine, elf.machine)}"
    if elf.kind != "ET_DYN":
        yield Check(
            "format", "failed", f"{elf.path.name} is no shared library", "give the path of the library"
        )
        return
    if program is not None and not elsewhere and elf.platform != program.platform:
        here = f"{program.bits}-bit, {MACHINES.get(program.machine, program.machine)}"
        yield Check(
            "format",
            "failed",
            f"{elf.path.name} is made for {told}; this Python is {here}",
            "take the vendor's library for this machine, or a Python of the library's kind",
        )
        return
    yield Check("format", "ok", f"ELF, {told}")
    yield _entry_point(elf)
    if elsewhere:
        yield Check(
            "libraries", "note", "the token's own interpreter loads it: not judged by this one's loader"
        )
        return
    found = libraries(elf, environment)
    yield from _missing(found)
    yield from _versions(found)


def _entry_point(elf: Elf) -> Check:
    exported = exports(elf.path, "C_GetFunctionList")
    if exported:
        return Check("entry point", "ok", "C_GetFunctionList is exported (§5.4.4)")
    if exported is None:
        return Check("entry point", "note", "its symbols cannot be read without loading it")
    return Check(
        "entry point",
        "failed",
        f"{elf.path.name} is a library but no PKCS#11 module: it does not export C_GetFunctionList (§5.4.4)",
        "give the vendor's PKCS#11 library; beside it there are often others with similar names",
    )


def _missing(found: tuple[Library, ...]) -> Iterator[Check]:
    missing = [library for library in found if library.path is None]
    for library in missing:
        package = package_of(library.name)
        remedy = "install what brings it, or name its directory in LD_LIBRARY_PATH before Python starts"
        if package is not None:
            remedy = f"Debian: apt-get install {package}"
        elif library.name.startswith(("libcrypto.so.1", "libssl.so.1")):
            remedy = "it needs an older OpenSSL: take the vendor's build for OpenSSL 3"
        elif library.name.startswith(("libc.so", "ld-linux")):
            remedy = "it is made for glibc, which this system does not use: take a build for musl, or another system"
        elif library.name.startswith("libc.musl"):
            remedy = "it is made for musl (Alpine): take the vendor's build for glibc"
        yield Check("libraries", "missing", f"{library.name}, which {library.wanted_by.name} needs", remedy)
    if not missing:
        yield Check("libraries", "ok", f"{len(found)} found: {', '.join(library.name for library in found)}")


def _versions(found: tuple[Library, ...]) -> Iterator[Check]:
    lacking = [lack for library in found for lack in library.lacking]
    for lack in lacking:
        wanted = lack.versions[-1].replace("_", " ", 1)
        here = lack.newest.replace("_", " ", 1) if lack.newest else "none of that name"
        remedy = "take the vendor's build for this system, or a newer library"
        if lack.versions[-1].startswith("GLIBC_"):
            # glibc cannot be replaced below a running program: the whole process must run on the newer one
            wanted, here = wanted.replace("GLIBC", "glibc"), here.replace("GLIBC", "glibc")
            remedy = "take the vendor's build for this system, or run Python on a system with the newer glibc (interpreter in workbench.toml)"
        yield Check(
            "versions",
            "failed",
            f"{lack.wanted_by.name} needs {wanted} ({lack.library}), here is {here}",
            remedy,
        )
    if not lacking:
        yield Check("versions", "ok", "the libraries have every symbol version that is wanted of them")

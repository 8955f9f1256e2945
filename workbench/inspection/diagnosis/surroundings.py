"""What stands around a module: its variables and configuration files, the device's address, the PIN's source.

Nothing here shows a value: of a variable only whether it is set and leads somewhere, of a PIN only its form.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from workbench.faults import WorkbenchError
from workbench.inspection.check import Check
from workbench.inspection.diagnosis.subject import Subject
from workbench.tokens.profile import Configuration, Profile, Variable, expanded

__all__ = ["look_around"]

REACH_SECONDS = 5.0
# Read by looking, without asking a person or running a program.
QUIET_SOURCES = ("env", "file")


def look_around(subject: Subject) -> Iterator[Check]:
    """The variables and files of the profile, then reachability, then the PIN's source."""
    environment = subject.surroundings
    if subject.profile is not None:
        yield from _variables(subject.profile, environment)
        for file in subject.profile.configuration:
            yield from _configuration(file, environment, subject.profile)
    for address in subject.reach:
        yield _reached(address, f"reach {address}")
    if subject.pin is not None:
        yield _pin(subject)


def _variables(profile: Profile, environment: Mapping[str, str]) -> Iterator[Check]:
    files = {file.named_by for file in profile.configuration}  # those are looked at as files
    for variable in profile.environment:
        name = f"variable {variable.name}"
        value = environment.get(variable.name)
        if value is None:
            if variable.required:
                remedy = f"export {variable.name}=… ({variable.meaning})"
                yield Check(name, "missing", f"{profile.name} needs it", remedy)
        elif not value:
            yield Check(name, "note", "set, and empty", f"unset {variable.name}, or give it a value")
        elif variable.name not in files:
            yield _value(variable, value)


def _value(variable: Variable, value: str) -> Check:
    name = f"variable {variable.name}"
    if variable.kind == "file":
        problem = _unusable(Path(value).expanduser())
    elif variable.kind == "directory":
        directory = Path(value).expanduser()
        problem = (
            None
            if os.access(directory, os.R_OK | os.X_OK) and directory.is_dir()
            else (
                "names a directory that this user may not use" if directory.exists() else "names no directory"
            )
        )
    elif variable.kind == "address":
        return _reached(value, name)
    else:
        return Check(name, "ok", f"set ({variable.meaning})")
    if problem is None:
        return Check(name, "ok", f"set, and leads to a {variable.kind} ({variable.meaning})")
    return Check(name, "failed", f"it {problem}", f"correct {variable.name}: {variable.meaning}")


def _unusable(path: Path) -> str | None:
    """What is wrong with a file that ought to be read; None when nothing is."""
    if not path.exists():
        return f"names {path}, which is not there"
    if not path.is_file():
        return f"names {path}, which is no file"
    if not os.access(path, os.R_OK):
        return f"names {path}, which this user may not read"
    return None


def _configuration(file: Configuration, environment: Mapping[str, str], profile: Profile) -> Iterator[Check]:
    value = environment.get(file.named_by or "")
    if value:
        path = Path(value).expanduser()
        problem = _unusable(path)
        if problem is not None:
            yield Check(
                f"variable {file.named_by}",
                "missing" if not path.exists() else "failed",
                f"it {problem}",
                f"make the file ({file.meaning}), or correct {file.named_by}",
            )
            return
        yield _permissions(path, file)
        return
    places = [Path(expanded(place)) for place in file.paths]
    found = next((place for place in places if place.is_file()), None)
    if found is not None:
        if not os.access(found, os.R_OK):
            yield Check(
                "configuration", "failed", f"this user may not read {found}", "ask for access to the file"
            )
        else:
            yield _permissions(found, file)
    elif file.required:
        named = [f"${file.named_by} (not set)"] if file.named_by else []
        where = ", ".join([*named, *map(str, places)])
        yield Check(
            "configuration", "missing", f"{profile.name} looks in: {where}", f"write it: {file.meaning}"
        )


def _permissions(path: Path, file: Configuration) -> Check:
    mode = stat.S_IMODE(path.stat().st_mode)
    if file.private and mode & 0o037:
        # Only what the vendor itself demands is an error; what we were told or remember is a hint.
        state = "failed" if file.evidence.status in {"documented", "measured"} else "note"
        detail = (
            f"{path} has mode {mode:04o}: open to others, which the module refuses ({file.evidence.status})"
        )
        return Check("configuration", state, detail, f"chmod go-rwx {path}")
    return Check("configuration", "ok", f"{path} is readable ({file.meaning})")


def _reached(address: str, name: str) -> Check:
    """Whether something listens there. A connection is opened and closed; nothing is sent."""
    unix = re.fullmatch(r"unix:(?:path=)?(?P<path>[^,;]+)(?:,.*)?", address)
    inet = re.fullmatch(r"(?:tcp://)?\[?(?P<host>[^\[\]/]+?)\]?:(?P<port>\d{1,5})", address)
    try:
        if unix is not None:
            with socket.socket(socket.AF_UNIX) as made:
                made.settimeout(REACH_SECONDS)
                made.connect(unix["path"])
        elif inet is not None:
            socket.create_connection((inet["host"], int(inet["port"])), REACH_SECONDS).close()
        else:
            return Check(name, "note", "its form is neither host:port nor unix:path=SOCKET: not tried")
    except TimeoutError:
        return Check(
            name, "failed", f"no answer in {REACH_SECONDS:g} s", "look at the firewall between here and there"
        )
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Check(
            name, "failed", f"nothing answers ({reason})", "start the service, or correct its address"
        )
    return Check(name, "ok", "something answers there")


def _pin(subject: Subject) -> Check:
    """Whether the source gives what can be a PIN. A source that would trouble a person is left alone."""
    source = subject.pin
    assert source is not None
    if source.kind == "protected":
        return Check("PIN", "ok", "it is entered at the device (protected authentication path)")
    if source.kind not in QUIET_SOURCES:
        return Check("PIN", "note", f"comes from {source}; only a login asks for it (--login)")
    try:
        source.read(subject.name, subject.profile.pin.form if subject.profile is not None else None)
    except WorkbenchError as error:
        return Check("PIN", "failed", str(error), f"correct the source {source}")
    return Check("PIN", "ok", f"{source} gives what can be one")

"""What p11-kit's module files say, by p11-kit's rules. Nothing is loaded, so any file may stand for a module."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.faults import WorkbenchError
from workbench.tokens.providers.found import Found, Places, found_module, found_modules


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(tmp_path / "package", tmp_path / "system", tmp_path / "user", (tmp_path / "modules",))
    for path in (made.package, made.system / "modules", tmp_path / "user" / "modules", made.modules[0]):
        path.mkdir(parents=True)
    for module in ("one.so", "two.so"):
        (made.modules[0] / module).write_text("")
    return made


def register(directory: Path, name: str, *lines: str) -> None:
    (directory / f"{name}.module").write_text("\n".join(["# a comment: not a value", "", *lines, ""]))


def names(places: Places) -> list[str]:
    return [found.name for found in found_modules(places)]


def one(places: Places, name: str) -> Found:
    return next(found for found in found_modules(places) if found.name == name)


def test_a_relative_path_is_looked_for_in_the_module_directory(places: Places) -> None:
    register(places.package, "first", "module: one.so")
    register(places.package, "lost", "module: three.so")
    assert one(places, "first").path == places.modules[0] / "one.so"
    assert one(places, "lost").why_not == "three.so is in none of p11-kit's module directories"


def test_an_absolute_path_must_be_there(places: Places) -> None:
    register(places.package, "first", "module: /no/such.so")
    assert one(places, "first").why_not == "there is no file /no/such.so"


def test_the_users_values_go_before_the_systems_and_those_before_the_packages(places: Places) -> None:
    assert places.user is not None
    register(places.package, "first", "module: one.so", "priority: 1", "x-init-reserved: package")
    register(places.system / "modules", "first", "priority: 2", "x-init-reserved: system")
    register(places.user / "modules", "first", "priority: 3")
    found = one(places, "first")
    assert (found.path, found.priority, found.init_string) == (places.modules[0] / "one.so", 3, "system")
    assert len(found.registered_in) == 3


@pytest.mark.parametrize(
    "system, user, expected",
    [
        ("", "", ["mine", "theirs"]),
        ("user-config: none", "", ["theirs"]),
        ("user-config: none", "user-config: only", ["theirs"]),  # the system said that nobody asks the user
        ("user-config: only", "", ["mine"]),
        ("", "user-config: only", ["mine"]),
        ("user-config: merge", "user-config: none", ["theirs"]),
    ],
)
def test_user_config_says_whose_files_count(
    places: Places, system: str, user: str, expected: list[str]
) -> None:
    assert places.user is not None
    register(places.user / "modules", "mine", "module: one.so")
    register(places.package, "theirs", "module: two.so")
    (places.system / "pkcs11.conf").write_text(system)
    (places.user / "pkcs11.conf").write_text(user)
    assert names(places) == expected


def test_root_has_no_user_configuration(places: Places) -> None:
    assert places.user is not None
    register(places.user / "modules", "mine", "module: one.so")
    root = Places(places.package, places.system, None, places.modules)
    assert names(root) == []


def test_an_unknown_user_config_names_the_file(places: Places) -> None:
    (places.system / "pkcs11.conf").write_text("user-config: always")
    with pytest.raises(
        WorkbenchError, match=r"pkcs11\.conf: user-config is none, merge or only, not 'always'"
    ):
        found_modules(places)


@pytest.mark.parametrize(
    "line, usable",
    [
        ("enable-in: firefox, workbench", True),
        ("enable-in: firefox", False),
        ("disable-in: firefox workbench", False),
        ("disable-in: firefox", True),
    ],
)
def test_a_module_may_be_for_some_programs_only(places: Places, line: str, usable: bool) -> None:
    register(places.package, "first", "module: one.so", line)
    why_not = one(places, "first").why_not
    assert (why_not is None) is usable
    assert why_not is None or line.partition(":")[0] in why_not


def test_a_remote_module_is_shown_and_never_run(places: Places, tmp_path: Path) -> None:
    register(places.package, "far", f"remote: |touch {tmp_path}/ran")
    assert "which only p11-kit's own proxy goes to" in str(one(places, "far").why_not)
    assert not (tmp_path / "ran").exists()


def test_a_higher_priority_comes_first(places: Places) -> None:
    register(places.package, "a", "module: one.so", "priority: -1")
    register(places.package, "b", "module: one.so")
    register(places.package, "c", "module: one.so", "priority: 10")
    assert names(places) == ["c", "b", "a"]


def test_an_unknown_name_lists_the_known_ones(places: Places) -> None:
    register(places.package, "first", "module: one.so")
    with pytest.raises(WorkbenchError, match="no module 'second' on this machine; registered: first"):
        found_module("second", places)


def test_a_module_switched_off_says_so(places: Places) -> None:
    assert places.user is not None
    register(places.package, "first", "module: one.so")
    register(places.user / "modules", "first", "module:")
    with pytest.raises(WorkbenchError, match="'first' of p11-kit cannot be opened: its file names no module"):
        found_module("first", places)

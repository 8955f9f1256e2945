"""A PIN that a token refused is not tried again until it has changed."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import attrs
import pytest

from workbench.cryptoki import Secret
from workbench.faults import WorkbenchError
from workbench.tokens import Token, tombstones

TOKEN, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test; where its tombstones will be."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "tombstones"


def test_asking_leaves_nothing_behind(directory: Path) -> None:
    assert not tombstones.refused(TOKEN, Secret("1234"))
    assert not directory.exists()


def test_each_refused_pin_is_remembered_and_another_may_be_tried() -> None:
    tombstones.bury(TOKEN, Secret("1234"))
    tombstones.bury(TOKEN, Secret("12345"))
    tombstones.bury(TOKEN, Secret("1234"))
    assert tombstones.refused(TOKEN, Secret("1234"))
    assert tombstones.refused(TOKEN, Secret("12345"))
    assert not tombstones.refused(TOKEN, Secret("123456"))
    assert not tombstones.refused(OTHER, Secret("1234"))


def test_the_pin_typed_on_the_device_is_one_of_its_own() -> None:
    tombstones.bury(TOKEN, None)
    assert tombstones.refused(TOKEN, None)
    assert not tombstones.refused(TOKEN, Secret(""))
    assert not tombstones.refused(TOKEN, Secret(b"\0"))


def test_forgetting_one_token_leaves_the_others() -> None:
    for pin in ("1", "2"):
        tombstones.bury(TOKEN, Secret(pin))
    tombstones.bury(OTHER, Secret("1"))
    assert tombstones.forget(TOKEN) == 2
    assert tombstones.forget(TOKEN) == 0
    assert not tombstones.refused(TOKEN, Secret("1"))
    assert tombstones.refused(OTHER, Secret("1"))


def test_neither_the_pin_nor_a_shared_one_can_be_told_from_the_files(directory: Path) -> None:
    tombstones.bury(TOKEN, Secret("Zq7Wk2Xv"))
    tombstones.bury(OTHER, Secret("Zq7Wk2Xv"))
    files = sorted(directory.iterdir())
    assert [file.name[:64] for file in files] == [TOKEN, OTHER, "key"]
    assert files[0].name[65:] != files[1].name[65:]
    for file in files:
        assert b"Zq7Wk2Xv" not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_token_is_known_by_its_own_marks_and_its_user(softhsm: Token) -> None:
    info = softhsm.info
    assert tombstones.identity(info) == tombstones.identity(info)
    others = [
        attrs.evolve(info, serialNumber="other"),
        attrs.evolve(info, label="other"),
        attrs.evolve(info, label=info.label[1:], manufacturerID=info.manufacturerID + info.label[:1]),
    ]
    known = {tombstones.identity(info), tombstones.identity(info, user="operator")}
    assert len(known.union(map(tombstones.identity, others))) == 5


def test_a_damaged_key_stops_every_pin(directory: Path) -> None:
    tombstones.bury(TOKEN, Secret("1"))
    (directory / "key").write_bytes(b"short")
    for ask in (tombstones.refused, tombstones.bury):
        with pytest.raises(WorkbenchError, match="key is damaged"):
            ask(TOKEN, Secret("1"))


def test_where_nothing_can_be_remembered_no_pin_is_tried(directory: Path) -> None:
    directory.parent.mkdir()
    directory.write_text("a file in the way")
    with pytest.raises(WorkbenchError, match="set WORKBENCH_HOME"):
        tombstones.bury(TOKEN, Secret("1"))


def bury_one(number: int) -> None:
    tombstones.bury(TOKEN, Secret(str(number)))


def test_processes_that_start_together_agree_on_one_key(directory: Path) -> None:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=bury_one, args=(number,)) for number in range(8)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * 8
    assert all(tombstones.refused(TOKEN, Secret(str(number))) for number in range(8))
    assert len(list(directory.iterdir())) == 9  # the key, and no half-made one

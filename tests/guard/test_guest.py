"""A guest's token: what must not happen is refused by every way in, and never reaches the module."""

from __future__ import annotations

from pathlib import Path

import pytest
import somebodys
from attacks import ATTACKS, attempt_all
from somebodys import Somebodys

from workbench.tokens import ledger

BUDGET = 'keys = [{ name = "signer", label = "codesign", allow = ["sign"] }]\n'
BUDGET += "budget = { max_objects = 500 }\n"
IMITATIONS = ("wb:abcdef:0123456789ab:x", "wb:{host}:0123456789ab:x")


def plant_imitations(target: str) -> None:
    from PyKCS11 import LowLevel, PyKCS11Lib

    library = PyKCS11Lib()
    library.load(target)
    slot = next(s for s in library.getSlotList() if library.getTokenInfo(s).label.startswith("device"))
    session = library.openSession(slot, LowLevel.CKF_SERIAL_SESSION | LowLevel.CKF_RW_SESSION)
    session.login(somebodys.PIN.decode())
    for label in IMITATIONS:
        somebodys.plant(session, label.format(host=ledger.host()))


@pytest.fixture(scope="module")
def device(pristine: Somebodys, tmp_path_factory: pytest.TempPathFactory) -> Somebodys:
    somebody = pristine.copy(tmp_path_factory.mktemp("guest"))
    somebody.configure(BUDGET)
    somebody.run(plant_imitations, str(somebody.target))
    return somebody


@pytest.fixture(scope="module")
def outcomes(device: Somebodys) -> dict[str, str]:
    return device.run(attempt_all, "device", device.log, True, "auto")


@pytest.mark.parametrize("name", ATTACKS)
def test_a_guest_is_refused(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] == "refused"


@pytest.mark.notebook
@pytest.mark.parametrize("binding", ["pykcs11", "native"])
def test_a_guest_is_refused_through_each_binding(device: Somebodys, binding: str) -> None:
    outcomes = device.run(attempt_all, "device", device.log, True, binding)
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "refused"} == {}


# These are refused whatever the policy of the device is: another slot has its own, a number is no session.
REFUSED_ANYHOW = {
    "administer_read_write_session_of_another_slot",
    "administer_session_of_another_slot",
    "session_number",
}


@pytest.mark.notebook
def test_without_the_guard_the_same_would_have_reached_the_module(device: Somebodys, tmp_path: Path) -> None:
    somebody = device.copy(tmp_path)
    somebody.configure(BUDGET)
    (somebody.state).mkdir()
    (somebody.state / "host").write_text((device.state / "host").read_text())
    outcomes = somebody.run(attempt_all, "device", somebody.log, False, "auto")
    refused = {name for name, outcome in outcomes.items() if outcome == "refused"}
    assert refused == REFUSED_ANYHOW
    for name in outcomes.keys() - refused:
        # a job only prepares its calls, and the recorder has the functions of v2.40
        expected = ("it was done", "FunctionNotSupported") if "reached" not in outcomes[name] else ("",)
        assert outcomes[name].startswith(expected), (name, outcomes[name])

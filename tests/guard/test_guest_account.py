"""A guest's token has one account, whatever door it is opened by, and what makes the account close."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from recorder import counted
from somebodys import Failure, Somebodys, refusal

import workbench as wb
from workbench import C, spec, tokens
from workbench.cryptoki.attributes import numbered
from workbench.faults import PolicyRefusal
from workbench.keys import generate_secret_key
from workbench.measure import Job, Work, drive
from workbench.measure.guarded import drive_within
from workbench.workers import Worker

CONSENT = 'consent = ["token-objects"]\n'
SIGNER = 'keys = [{ name = "signer", label = "codesign", allow = ["sign"] }]\n'


# --- one account, whatever the door


def opened_again_and_again(names: list[str]) -> str:
    for name in names:
        token = tokens.open(name)
        with token.session(login=False) as s:
            said = refusal(C.GenerateRandom, s, 1)
            if said:
                return said
    return ""


def test_opening_again_does_not_refill_the_budget(somebody: Somebodys) -> None:
    somebody.configure("budget = { max_operations = 3 }")
    names = ["device", "pkcs11:token=device"] * 4
    assert "3 operations" in somebody.run(opened_again_and_again, names)
    assert counted(somebody.asked())["C_GenerateRandom"] == 3


def threads_at_once() -> int:
    token = tokens.open("device")
    sessions: list[Any] = []

    def open_and_ask() -> None:
        for _ in range(40):
            try:
                sessions.append(token.session(login=False))
            except PolicyRefusal:
                break

    threads = [threading.Thread(target=open_and_ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(sessions)


def test_threads_share_the_budget(somebody: Somebodys) -> None:
    assert somebody.run(threads_at_once) == 4
    assert counted(somebody.asked())["C_OpenSession"] == 4


def double_close() -> str:
    token = tokens.open("device")
    sessions = [token.session(login=False) for _ in range(4)]
    for _ in range(3):
        refusal(C.CloseSession, sessions[0])
    token.session(login=False)
    return refusal(token.session)


def test_closing_twice_does_not_make_room_for_two(somebody: Somebodys) -> None:
    assert "4 sessions" in somebody.run(double_close)


def only(somebody: Somebodys, label: str) -> None:
    """Take the other token out of the library, so that a module's path names one token."""
    for directory in (somebody.root / "tokens").iterdir():
        if label.encode() not in (directory / "token.object").read_bytes():
            for file in directory.iterdir():
                file.unlink()
            directory.rmdir()


def opened(name: str) -> str:
    return tokens.open(name).policy.name


@pytest.mark.parametrize("door", ["path", "URI"])
def test_a_token_of_the_configuration_has_no_side_door(somebody: Somebodys, door: str) -> None:
    only(somebody, "plant")
    name = str(somebody.module) if door == "path" else "pkcs11:token=plant"
    if door == "URI":
        assert somebody.run(opened, name) == "production"
        return
    with pytest.raises(Failure, match="declares as 'plant'"):
        somebody.run(opened, name)


def test_what_one_file_declares_in_production_another_name_does_not_make_a_guest(somebody: Somebodys) -> None:
    only(somebody, "plant")
    file = somebody.root / "workbench.toml"
    text = file.read_text().replace('label = "device"', 'label = "plant"')
    file.write_text(text)
    with pytest.raises(Failure, match="declares as 'plant'"):
        somebody.run(opened, "device")


# --- the load kernel


def kernel(driver: str) -> list[str]:
    token = tokens.open("device")
    with token.session() as s:
        key = generate_secret_key(s, bits=128)
        ecb = wb.mechanism("CKM_AES_ECB")
        job = Job.on(s.handle, Work("encrypt", ecb, key=key.handle, data=bytes(16), capacity=16))
        said = [refusal(lambda: drive([job], count=5, driver=driver))]
        key.destroy()
        return [*said, refusal(lambda: drive([job], count=5, driver=driver, reserved=True))]


@pytest.mark.parametrize("driver", ["c-kernel", "cffi-abi"])
def test_the_load_kernel_has_no_account_of_its_own(somebody: Somebodys, driver: str) -> None:
    uncounted, gone = somebody.run(kernel, driver)
    assert "within its budget" in uncounted
    assert "does not name it" in gone
    assert "C_EncryptInit" not in counted(somebody.asked())


def kernel_within(driver: str) -> tuple[int, str, str]:
    token = tokens.open("device")
    with token.session(login=False) as s:
        job = Job.on(s.handle, Work("random", capacity=8))

        def block() -> int:
            limits = {"seconds": 1.0, "count": 0, "driver": driver, "samples": 100}
            return drive_within(token.policy, [job], **limits)[0].successes  # type: ignore[arg-type]

        return block(), refusal(block), refusal(C.GenerateRandom, s, 8)


def test_the_load_kernel_ends_with_the_budget(somebody: Somebodys) -> None:
    somebody.configure("budget = { max_operations = 50 }")
    made, again, by_hand = somebody.run(kernel_within, "c-kernel")
    assert made == counted(somebody.asked())["C_GenerateRandom"] == 50
    assert "50 operations" in again
    assert "50 operations" in by_hand


def paced_within(count: int) -> int:
    token = tokens.open("device")
    with token.session(login=False) as s:
        job = Job.on(s.handle, Work("random", capacity=8))
        made = drive_within(token.policy, [job], seconds=0.2, count=count, driver="c-kernel", samples=100)
        return made[0].successes


def test_a_token_slower_than_its_pace_does_not_hold_the_block_for_ever(somebody: Somebodys) -> None:
    somebody.faults.write_text("slow C_GenerateRandom 0 100\n")
    somebody.configure("budget = { max_rate = 50 }")
    assert 1 <= somebody.run(paced_within, 40) <= 20
    somebody.forget()
    assert somebody.run(paced_within, 0) == 1


def two_threads_within() -> tuple[int, str, str]:
    token = tokens.open("device")
    with token.session(login=False) as first, token.session(login=False) as second:
        jobs = [Job.on(s.handle, Work("random", capacity=8)) for s in (first, second)]

        def block(jobs: list[Job]) -> int:
            made = drive_within(token.policy, jobs, seconds=1.0, count=0, driver="c-kernel", samples=100)
            return sum(result.successes for result in made)

        return block(jobs), refusal(block, jobs), refusal(block, jobs[:1])


def test_an_operation_that_is_left_is_not_shared_by_two_threads(somebody: Somebodys) -> None:
    somebody.configure("budget = { max_operations = 51 }")
    made, again, alone = somebody.run(two_threads_within)
    assert made == 50
    assert "1 operation left, and 2 threads" in again
    assert alone == ""
    assert counted(somebody.asked())["C_GenerateRandom"] == 51


@pytest.mark.parametrize("code", ["CKR_DEVICE_ERROR", "CKR_0x80000042"])
def test_the_load_kernel_ends_with_the_first_failure(somebody: Somebodys, code: str) -> None:
    somebody.faults.write_text(f"answer C_GenerateRandom 7 {numbered(code):#x}\n")
    somebody.configure("budget = { max_operations = 50 }")
    made, again, by_hand = somebody.run(kernel_within, "c-kernel")
    assert made == 6
    distress = code == "CKR_DEVICE_ERROR"
    assert [code in said for said in (again, by_hand)] == [distress, distress]


# --- through a worker


def ask_in_worker(token: wb.Token) -> list[str]:
    with token.session() as s:
        foreign = s.find({"CKA_LABEL": "vault"})[0]
        return [refusal(C.DestroyObject, s, foreign), refusal(C.InitPIN, s, b"1234")]


def through_a_worker() -> list[str]:
    with Worker("device") as worker:
        return worker.run(ask_in_worker)


@pytest.mark.notebook
def test_a_worker_has_the_guard_inside(somebody: Somebodys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    assert all(somebody.run(through_a_worker))
    assert not {"C_DestroyObject", "C_InitPIN"} & counted(somebody.asked()).keys()


# --- what makes it stop


def stop_after(count: int) -> tuple[int, str]:
    token = tokens.open("device")
    with token.session(login=False) as s:
        for done in range(count):
            said = refusal(C.GenerateRandom, s, 8)
            if "refused" in said or "not made" in said:
                return done, said
    return count, ""


@pytest.mark.parametrize(
    "code", ["CKR_DEVICE_ERROR", "CKR_HOST_MEMORY", "CKR_SESSION_COUNT", "CKR_DEVICE_REMOVED"]
)
def test_it_stops_at_the_first_sign_of_distress(somebody: Somebodys, code: str) -> None:
    somebody.faults.write_text(f"answer C_GenerateRandom 3 {spec.value(code):#x}\n")
    done, said = somebody.run(stop_after, 10)
    assert (done, code in said) == (3, True)
    asked = counted(somebody.asked())
    assert asked["C_GenerateRandom"] == 3
    assert asked["C_CloseSession"] == 1, "closing is never refused"


def test_it_stops_when_the_token_itself_reports_distress(somebody: Somebodys) -> None:
    somebody.faults.write_text("answer C_GetTokenInfo 9 0x30\n")
    assert "CKR_DEVICE_ERROR to C_GetTokenInfo" in somebody.run(look_until_tripped)
    assert "C_GenerateRandom" not in counted(somebody.asked())


def look_until_tripped() -> str:
    token = tokens.open("device")
    with token.session(login=False) as s:
        while not refusal(C.GetTokenInfo, token.module, token.slot):
            pass
        return refusal(C.GenerateRandom, s, 8)


def test_it_stops_when_latency_doubles(somebody: Somebodys) -> None:
    somebody.faults.write_text("slow C_GenerateRandom 10 5\n")
    done, said = somebody.run(stop_after, 60)
    assert 10 < done < 25
    assert "takes" in said

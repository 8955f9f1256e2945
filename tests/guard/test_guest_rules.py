"""A guest's token: what it may be asked, and the rules that need a story: PINs, flags, labels, budgets, doors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorder import counted
from somebodys import PIN, WRONG_PIN, Failure, Somebodys

import workbench as wb
from workbench import C, spec, tokens
from workbench.cryptoki import CryptokiError, mechanisms
from workbench.cryptoki.attributes import numbered
from workbench.faults import PolicyRefusal, WorkbenchError
from workbench.keys import generate_secret_key
from workbench.measure import Job, drive
from workbench.measure.guarded import drive_within
from workbench.workers import Worker

CONSENT = 'consent = ["token-objects"]\n'
SIGNER = 'keys = [{ name = "signer", label = "codesign", allow = ["sign"] }]\n'


def refusal(call: Callable[..., object], *arguments: Any) -> str:
    """What the guard says; nothing where the call was made."""
    try:
        call(*arguments)
    except PolicyRefusal as error:
        return str(error)
    except CryptokiError as error:
        return f"made: {error.name}"
    return ""


# --- what a guest is for


def own_keys_at_work() -> None:
    with tokens.open("device").session() as s:
        assert s.generate("EC").sign(b"x")
        key = s.generate_secret(label="mine")
        C.EncryptInit(s, "CKM_AES_ECB", key.handle)
        assert len(C.Encrypt(s, bytes(16))) == 16
        C.SetAttributeValue(s, key.handle, {"CKA_LABEL": "renamed"})
        C.DestroyObject(s, C.CopyObject(s, key.handle, {"CKA_LABEL": "a copy"}))
        key.destroy()


def test_own_session_keys_are_used_like_any(somebody: Somebodys) -> None:
    somebody.run(own_keys_at_work)
    assert not any(one.token for one in somebody.asked())


def named_key() -> list[str]:
    token = tokens.open("device")
    with token.session() as s:
        key = token.key(s, "signer")
        C.SignInit(s, "CKM_SHA256_RSA_PKCS", key.handle)
        assert len(C.Sign(s, b"x")) == 128
        return [
            refusal(C.SignInit, s, "CKM_RSA_X_509", key.handle),
            refusal(C.DecryptInit, s, "CKM_RSA_PKCS", key.handle),
            refusal(C.UnwrapKey, s, "CKM_RSA_PKCS", key.handle, bytes(128), {}),
            refusal(C.DestroyObject, s, key.handle),
        ]


def test_a_named_key_does_what_it_is_named_for_and_nothing_else(somebody: Somebodys) -> None:
    somebody.configure(SIGNER)
    assert all(somebody.run(named_key))
    assert counted(somebody.asked())["C_SignInit"] == 1


def named_for_encryption() -> list[str]:
    token = tokens.open("device")
    with token.session() as s:
        key = token.key(s, "vault").handle
        C.EncryptInit(s, wb.mechanism("CKM_AES_CBC", bytes(16)), key)
        C.Encrypt(s, bytes(16))
        return [
            refusal(C.EncryptInit, s, wb.mechanism("CKM_AES_CTR", mechanisms.ctr(bytes(16))), key),
            refusal(C.EncryptInit, s, wb.mechanism("CKM_AES_GCM", mechanisms.gcm(bytes(12))), key),
            refusal(C.EncryptInit, s, wb.mechanism("CKM_AES_OFB", bytes(16)), key),
        ]


def test_a_key_named_for_encryption_does_not_decrypt_as_a_key_stream(somebody: Somebodys) -> None:
    key = '{ name = "vault", label = "vault", class = "secret-key", allow = ["encrypt"] }'
    somebody.configure(f"keys = [{key}]\n")
    assert all(somebody.run(named_for_encryption))
    assert counted(somebody.asked())["C_EncryptInit"] == 1


# --- PINs


def log_in(pin: bytes | None = None, user: str = "CKU_USER") -> str:
    token = tokens.open("device")
    with token.session(login=False) as s:
        if pin is None:
            return refusal(token.session)
        return refusal(C.Login, s, user, pin)


def log_in_twice(first: bytes, second: bytes, user: str = "CKU_USER") -> tuple[str, str]:
    return log_in(first, user), log_in(second, user)


@pytest.mark.parametrize("second", [WRONG_PIN, b"11111111", PIN], ids=["same", "another", "right"])
def test_a_run_logs_in_once_and_not_again_after_a_refusal(somebody: Somebodys, second: bytes) -> None:
    said = somebody.run(log_in_twice, WRONG_PIN, second)
    assert said[0] == "made: CKR_PIN_INCORRECT"
    assert said[1].startswith("C_Login is refused")
    assert counted(somebody.asked())["C_Login"] == 1


def test_the_next_run_does_not_send_a_refused_pin_again_but_a_changed_one(somebody: Somebodys) -> None:
    (somebody.root / "pin").write_bytes(WRONG_PIN)
    somebody.faults.write_text("answer C_Login 1 0xa0\n")  # SoftHSM would set a flag besides
    assert somebody.run(log_in) == "made: CKR_PIN_INCORRECT"
    somebody.faults.unlink()
    with pytest.raises(Failure, match="refused this PIN before"):
        somebody.run(log_in)
    assert "refused this PIN before" in somebody.run(log_in, WRONG_PIN)
    assert counted(somebody.asked())["C_Login"] == 1
    (somebody.root / "pin").write_bytes(PIN)
    assert somebody.run(log_in) == ""
    assert counted(somebody.asked())["C_Login"] == 2


def context_specific() -> tuple[str, str]:
    with tokens.open("device").session() as s:
        first = refusal(C.Login, s, "CKU_CONTEXT_SPECIFIC", WRONG_PIN)
        return first, refusal(C.Login, s, "CKU_CONTEXT_SPECIFIC", WRONG_PIN)


def test_a_context_specific_login_is_under_the_same_rules(somebody: Somebodys) -> None:
    somebody.faults.write_text("answer C_Login 2 0xa0\n")  # the token itself wants an operation first
    first, second = somebody.run(context_specific)
    assert first == "made: CKR_PIN_INCORRECT"
    assert "does not try twice" in second
    assert counted(somebody.asked())["C_Login"] == 2
    (somebody.root / "pin").write_bytes(WRONG_PIN)
    with pytest.raises(Failure, match="refused this PIN before"):
        somebody.run(log_in)


def test_a_vendors_own_refusal_of_a_pin_counts_as_one(somebody: Somebodys) -> None:
    somebody.faults.write_text("answer C_Login 1 0x80000042\n")
    assert somebody.run(log_in, WRONG_PIN) == "made: CKR_0x80000042"
    assert "refused this PIN before" in somebody.run(log_in, WRONG_PIN)


@pytest.mark.parametrize("flag", ["COUNT_LOW", "FINAL_TRY", "LOCKED"])
def test_no_login_at_a_pin_flag(somebody: Somebodys, flag: str) -> None:
    somebody.faults.write_text(f"flags {spec.value(f'CKF_USER_PIN_{flag}'):x}\n")
    assert flag in somebody.run(log_in, PIN)
    assert flag in somebody.run(log_in)
    assert "C_Login" not in counted(somebody.asked())


# --- token objects


def stored_objects() -> dict[str, str]:
    token = tokens.open("device")
    with token.session() as s:
        key = s.generate_secret(bits=128, token=True, label="k")
        session_key = generate_secret_key(s, bits=128)
        label = token.run_label("other")
        C.CopyObject(s, session_key.handle, {"CKA_TOKEN": True, "CKA_LABEL": label})
        C.SetAttributeValue(s, key.handle, {"CKA_LABEL": label})
        lasting = {"CKA_TOKEN": True, "CKA_LABEL": label, "CKA_DESTROYABLE": False, "CKA_VALUE_LEN": 16}
        said = {
            "copied unlabelled": refusal(C.CopyObject, s, key.handle, {}),
            "copied under another label": refusal(C.CopyObject, s, key.handle, {"CKA_LABEL": "lost"}),
            "relabelled": refusal(C.SetAttributeValue, s, key.handle, {"CKA_LABEL": "lost"}),
            "relabelled by number": refusal(C.SetAttributeValue, s, key.handle, {3: b"lost"}),
            "unlabelled": refusal(C.CreateObject, s, {"CKA_CLASS": "CKO_DATA", "CKA_TOKEN": True}),
            "labelled as another host's": refusal(
                C.CopyObject,
                s,
                session_key.handle,
                {"CKA_TOKEN": True, "CKA_LABEL": "wb:abcdef:0123456789ab"},
            ),
            "lasting": refusal(C.GenerateKey, s, "CKM_AES_KEY_GEN", lasting),
            "made lasting": refusal(C.SetAttributeValue, s, key.handle, {"CKA_DESTROYABLE": False}),
        }
        assert [one.label for one in tokens.sweep(token)] == [label, label]
    return said


def test_with_consent_a_token_object_carries_the_runs_label_and_keeps_it(somebody: Somebodys) -> None:
    somebody.configure(CONSENT)
    said = somebody.run(stored_objects)
    assert {how for how, refused in said.items() if "refused" not in refused} == set()


def against_the_template(function: str) -> tuple[str, int]:
    with tokens.open("device").session() as s:
        before = len(s.find({"CKA_TOKEN": True}))
        try:
            s.generate("EC") if function == "C_GenerateKeyPair" else s.generate_secret()
        except WorkbenchError as error:
            return str(error), len(s.find({"CKA_TOKEN": True})) - before
        return "nothing was noticed", 0


@pytest.mark.parametrize("function", ["C_GenerateKey", "C_GenerateKeyPair"])
def test_a_device_that_keeps_a_session_object_is_found_out(somebody: Somebodys, function: str) -> None:
    somebody.faults.write_text(f"keep {function}\n")
    said, left = somebody.run(against_the_template, function)
    assert f"{function} made a token object" in said
    assert "destroyed at once" in said
    assert left == 0
    asked = counted(somebody.asked())
    assert asked["C_DestroyObject"] == (2 if function.endswith("Pair") else 1)


def counts_of_reading_back() -> tuple[dict[str, int], int]:
    token = tokens.open("device")
    with token.session() as s, wb.trace() as seen:
        generate_secret_key(s)
    assert [record.function for record in seen.records][:2] == ["C_GenerateKey", "C_GetAttributeValue"]
    return dict(token.policy.spending.made), token.policy.spending.operations  # type: ignore[attr-defined]


def test_reading_back_is_counted_and_traced(somebody: Somebodys) -> None:
    made, operations = somebody.run(counts_of_reading_back)
    assert operations == 2
    assert made["C_GetAttributeValue"] == counted(somebody.asked())["C_GetAttributeValue"] == 1


def at_the_end_of_the_budget() -> str:
    with tokens.open("device").session() as s:
        return refusal(generate_secret_key, s)


def test_nothing_is_made_that_could_not_be_looked_at_any_more(somebody: Somebodys) -> None:
    somebody.configure("budget = { max_operations = 2 }")
    assert "2 operations" in somebody.run(at_the_end_of_the_budget)
    assert "C_GenerateKey" not in counted(somebody.asked())


# --- handles that change hands


def after_the_library_ended(again: str) -> str:
    token = tokens.open("device")
    s = token.session()
    keys = {generate_secret_key(s, bits=128).handle for _ in range(8)}
    if again == "same module":
        C.Finalize(token.module)
        C.Initialize(token.module)
    else:
        other = wb.Module(token.module.path, "native")
        C.Finalize(other)
        C.Initialize(other)
    s = token.session()
    foreign = keys & set(s.find({"CKA_TOKEN": True}))
    assert foreign, "this token gave the numbers out again"
    return refusal(C.DestroyObject, s, foreign.pop())


@pytest.mark.parametrize("again", ["same module", "another view of the module"])
def test_handles_do_not_outlive_the_library(somebody: Somebodys, again: str) -> None:
    assert "did not make" in somebody.run(after_the_library_ended, again)


def after_logging_out() -> str:
    with tokens.open("device").session() as s:
        key = generate_secret_key(s)
        C.Logout(s)
        return refusal(C.DestroyObject, s, key.handle)


def test_handles_do_not_outlive_the_login(somebody: Somebodys) -> None:
    assert "did not make" in somebody.run(after_logging_out)


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
        settings = {"mechanism": wb.mechanism("CKM_AES_ECB"), "data": bytes(16), "capacity": 16}
        job = Job.on(s.handle, "encrypt", key=key.handle, **settings)
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
        job = Job.on(s.handle, "random", capacity=8)

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

"""A guest's token: what it may be asked, and the rules that need a story: PINs, flags, labels, handles."""

from __future__ import annotations

import pytest
from recorder import counted
from somebodys import PIN, WRONG_PIN, Failure, Somebodys, refusal

import workbench as wb
from workbench import C, spec, tokens
from workbench.cryptoki import mechanisms
from workbench.faults import WorkbenchError
from workbench.keys import generate_secret_key

CONSENT = 'consent = ["token-objects"]\n'
SIGNER = 'keys = [{ name = "signer", label = "codesign", allow = ["sign"] }]\n'


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

"""Programs in the style of PyKCS11's own samples, run as they stand under ``wb.watch``: every call is annotated."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import PyKCS11
import pytest

from workbench import spec
from workbench.cryptoki import Trace, trace, watch
from workbench.tokens import Token

SAMPLES = Path(__file__).with_name("samples")
FOUND = ["C_FindObjectsInit", "C_FindObjects", "C_FindObjects", "C_FindObjectsFinal"]
READ = ["C_GetAttributeValue", "C_GetAttributeValue"]  # PyKCS11 asks for the lengths first
# What each sample calls, in order. Where a function stands twice PyKCS11 asked for a length first.
SEQUENCES = {
    "dump_token": [
        "C_GetInfo", "C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo", "C_GetMechanismList",
        "C_GetMechanismInfo", "C_GetMechanismInfo", "C_GetMechanismInfo",
        "C_OpenSession", "C_GetSessionInfo", "C_CloseSession",
    ],
    "find_objects": [
        "C_OpenSession", "C_Login", "C_CreateObject", *FOUND, *READ,
        "C_SetAttributeValue", "C_DestroyObject", "C_Logout", "C_CloseSession",
    ],
    "sign_verify": [
        "C_OpenSession", "C_Login", "C_GenerateKeyPair", "C_SignInit", "C_Sign", "C_Sign",
        "C_VerifyInit", "C_Verify", "C_Logout", "C_CloseSession",
    ],
    "rsa_encrypt": [
        "C_OpenSession", "C_Login", "C_GenerateKeyPair", "C_EncryptInit", "C_Encrypt", "C_Encrypt",
        "C_DecryptInit", "C_Decrypt", "C_Decrypt", "C_GenerateKey",
        "C_EncryptInit", "C_EncryptUpdate", "C_EncryptFinal", "C_Logout", "C_CloseSession",
    ],
    "digest": [
        "C_OpenSession", "C_DigestInit", "C_Digest", "C_Digest", "C_DigestInit", "C_DigestUpdate",
        "C_DigestUpdate", "C_DigestFinal", "C_DigestFinal", "C_GenerateRandom", "C_CloseSession",
    ],
    "key_and_certificate": [
        "C_OpenSession", "C_Login", "C_GenerateKeyPair", *READ, "C_CreateObject", *FOUND, *READ,
        "C_Logout", "C_CloseSession",
    ],
}  # fmt: skip


@pytest.fixture
def library(token: Token) -> PyKCS11.PyKCS11Lib:
    token.close()  # nobody is logged in: the sample does that itself
    return watch(PyKCS11.PyKCS11Lib().load(token.module.path))


def traced(token: Token, library: PyKCS11.PyKCS11Lib, name: str) -> Trace:
    run = run_path(str(SAMPLES / f"{name}.py"))["run"]
    with trace() as seen:
        run(library, token.slot, token.pin.reveal().decode())
    return seen


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sample_program_is_annotated_call_by_call(
    token: Token, library: PyKCS11.PyKCS11Lib, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = traced(token, library, name)
    assert [record.function for record in seen] == SEQUENCES[name]
    assert all(record.rv_name == "CKR_OK" for record in seen)
    assert all(record.section == spec.function(record.function).section for record in seen)
    pin = token.pin.reveal().decode()
    assert pin not in str(seen) + seen.to_jsonl() + capsys.readouterr().out


def test_the_second_of_two_calls_brings_the_bytes(token: Token, library: PyKCS11.PyKCS11Lib) -> None:
    asked, made = [r for r in traced(token, library, "sign_verify") if r.function == "C_Sign"]
    assert asked.arguments[-1] == ("pSignature", "NULL (asks the length)")
    assert asked.results == (("pSignature", "256 bytes needed"),)
    assert made.arguments[-1] == ("pSignature", "room for 256")
    assert made.results[0][1].startswith("256 bytes ")


def test_parameters_and_templates_of_a_program_are_read(token: Token, library: PyKCS11.PyKCS11Lib) -> None:
    by_name = {record.function: record for record in traced(token, library, "rsa_encrypt")}
    arguments = dict(by_name["C_DecryptInit"].arguments)
    assert arguments["pMechanism"].startswith("CKM_RSA_PKCS_OAEP with CK_RSA_PKCS_OAEP_PARAMS")
    assert "16 bytes" in dict(by_name["C_EncryptInit"].arguments)["pMechanism"]
    template = dict(by_name["C_GenerateKeyPair"].arguments)["pPublicKeyTemplate"]
    assert "CKA_MODULUS_BITS=2048" in template


def test_every_low_level_function_can_be_watched(token: Token, library: PyKCS11.PyKCS11Lib) -> None:
    names = [function.name for function in spec.functions() if function.pykcs11]
    assert len(names) == 54
    assert all(callable(getattr(library.lib, name)) for name in names)
    with trace() as seen, pytest.raises(PyKCS11.PyKCS11Error):
        library.waitForSlotEvent(PyKCS11.CKF_DONT_BLOCK)
    assert seen.functions() == ["C_WaitForSlotEvent"]
    assert seen.records[0].failed

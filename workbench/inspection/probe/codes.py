"""Return codes: errors provoked on purpose, and the code answered against the standard's list and the one that fits."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from workbench import spec
from workbench.cryptoki import AttributeValue, C, CryptokiError, mechanism, mechanisms
from workbench.inspection.probe import objects
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.recipes import Stage, ciphers, on_stage
from workbench.inspection.probe.recipes.pairs import ec_pair, rsa_pair
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "trials"]

FAMILY = "codes"
NOBODY = 0x7FFFFF01  # a handle and a slot that nobody has
KEY = bytes(range(64))


@attrs.frozen
class Provocation:
    """An error made on purpose: the last call of ``run`` is ``function``; ``fits``: the codes that say what is wrong.

    ``dangerous``: CKR_OK here is a hole, not a courtesy. ``sandbox``: only where nothing can be lost.
    """

    function: str
    aspect: str
    fits: tuple[str, ...]
    run: Callable[[Stage], object]
    needs: str | None = None
    dangerous: bool = False
    sandbox: bool = False


def _mac_key(stage: Stage) -> int:
    return stage.bench.kept(
        "HMAC", lambda: stage.bench.secret("CKK_GENERIC_SECRET", KEY, "CKA_SIGN", "CKA_VERIFY")
    )


def _aes(stage: Stage) -> int:
    return ciphers.AES.handle(stage)


def _idle_key(stage: Stage) -> int:
    """A key that may do nothing but encrypt."""
    return stage.bench.kept(
        "idle",
        lambda: stage.bench.create(
            {
                "CKA_CLASS": "CKO_SECRET_KEY",
                "CKA_KEY_TYPE": "CKK_AES",
                "CKA_VALUE": KEY[:16],
                "CKA_ENCRYPT": True,
                "CKA_DECRYPT": False,
                **dict.fromkeys(("CKA_SIGN", "CKA_VERIFY", "CKA_WRAP", "CKA_UNWRAP", "CKA_DERIVE"), False),
                "CKA_SENSITIVE": True,
                "CKA_EXTRACTABLE": False,
            }
        ),
    )


def _wrapper(stage: Stage) -> int:
    return ciphers.AES.handle(stage, "CKA_WRAP", "CKA_UNWRAP", "CKA_ENCRYPT", "CKA_DECRYPT")


def _signed(stage: Stage) -> bytes:
    C.SignInit(stage.session, "CKM_SHA256_HMAC", _mac_key(stage))
    return C.Sign(stage.session, b"abc")


def _verify(stage: Stage, spoil: Callable[[bytes], bytes]) -> None:
    mac = spoil(_signed(stage))
    C.VerifyInit(stage.session, "CKM_SHA256_HMAC", _mac_key(stage))
    C.Verify(stage.session, b"abc", mac)


def _cbc(stage: Stage, function: Callable[..., object], name: str, iv: bytes | None) -> None:
    function(stage.session, mechanism(name, iv), _aes(stage))


def _encrypt_15(stage: Stage) -> None:
    _cbc(stage, C.EncryptInit, "CKM_AES_CBC", ciphers.IV)
    C.Encrypt(stage.session, bytes(15))


def _decrypt(stage: Stage, name: str, data: bytes) -> None:
    _cbc(stage, C.DecryptInit, name, ciphers.IV)
    C.Decrypt(stage.session, data)


def _twice(stage: Stage, begin: Callable[[], object]) -> None:
    begin()
    begin()


def _long_rsa(stage: Stage) -> None:
    C.SignInit(stage.session, "CKM_RSA_PKCS", rsa_pair(stage.bench).private)
    C.Sign(stage.session, bytes(300))


def _closed(stage: Stage) -> None:
    handle = C.OpenSession(stage.session.token.module, stage.session.token.slot, 0)
    C.CloseSession(handle)
    C.GetSessionInfo(handle)


def _destroyed(stage: Stage) -> None:
    made = C.CreateObject(
        stage.session,
        objects.template(stage.bench.token, {"CKA_CLASS": "CKO_DATA", "CKA_VALUE": b"x"}),
    )
    C.DestroyObject(stage.session, made)
    C.DestroyObject(stage.session, made)


def _create(stage: Stage, attributes: dict[str, AttributeValue]) -> None:
    stage.mine(C.CreateObject(stage.session, objects.template(stage.bench.token, attributes)))


def _generate(stage: Stage, attributes: dict[str, AttributeValue]) -> None:
    wanted = objects.template(stage.bench.token, attributes)
    stage.mine(C.GenerateKey(stage.session, "CKM_AES_KEY_GEN", wanted))


def _off_the_curve(stage: Stage) -> None:
    """A point that is not on P-256: who computes with it gives the private key away, a few bits at a time."""
    how = mechanism("CKM_ECDH1_DERIVE", mechanisms.ecdh1(b"\x04" + b"\x02" * 64))
    wanted = stage.bench.wanted("CKK_GENERIC_SECRET", 32)
    stage.mine(C.DeriveKey(stage.session, how, ec_pair(stage.bench).private, wanted))


def _secret_value(stage: Stage) -> None:
    C.GetAttributeValue(stage.session, _idle_key(stage), ["CKA_VALUE"])


def _unwrap(stage: Stage, blob: bytes) -> None:
    wanted = stage.bench.wanted("CKK_AES", None, "CKA_ENCRYPT")
    stage.mine(C.UnwrapKey(stage.session, "CKM_AES_KEY_WRAP", _wrapper(stage), blob, wanted))


def _p(
    function: str, aspect: str, fits: str, run: Callable[[Stage], object], needs: str | None = None
) -> Provocation:
    return Provocation(function, aspect, tuple(f"CKR_{code}" for code in fits.split()), run, needs)


def _hole(
    function: str, aspect: str, fits: str, run: Callable[[Stage], object], needs: str | None = None
) -> Provocation:
    return attrs.evolve(_p(function, aspect, fits, run, needs), dangerous=True)


NOT_BEGUN = "OPERATION_NOT_INITIALIZED"
HMAC, CBC, WRAP = "CKM_SHA256_HMAC", "CKM_AES_CBC", "CKM_AES_KEY_WRAP"
PROVOCATIONS: tuple[Provocation, ...] = (
    _p("C_GetSlotInfo", "no such slot", "SLOT_ID_INVALID", lambda s: C.GetSlotInfo(s.session.token.module, NOBODY)),
    _p("C_GetTokenInfo", "no such slot", "SLOT_ID_INVALID", lambda s: C.GetTokenInfo(s.session.token.module, NOBODY)),
    _p("C_OpenSession", "no such slot", "SLOT_ID_INVALID", lambda s: C.OpenSession(s.session.token.module, NOBODY, 0)),
    _p(
        "C_GetMechanismInfo",
        "no such mechanism",
        "MECHANISM_INVALID",
        lambda s: C.GetMechanismInfo(s.session.token.module, s.session.token.slot, 0x7FFFFF01),
    ),
    _p("C_GetSessionInfo", "closed session", "SESSION_HANDLE_INVALID", _closed),
    _p("C_DestroyObject", "destroyed before", "OBJECT_HANDLE_INVALID", _destroyed),
    _p("C_GetAttributeValue", "no such object", "OBJECT_HANDLE_INVALID", lambda s: C.GetAttributeValue(s.session, NOBODY, ["CKA_CLASS"])),
    _p("C_GetAttributeValue", "attribute of another class", "ATTRIBUTE_TYPE_INVALID", lambda s: C.GetAttributeValue(s.session, _aes(s), ["CKA_MODULUS"])),
    _hole("C_GetAttributeValue", "value of a sensitive key", "ATTRIBUTE_SENSITIVE", _secret_value),
    _p("C_SetAttributeValue", "class of an object", "ATTRIBUTE_READ_ONLY", lambda s: C.SetAttributeValue(s.session, _aes(s), {"CKA_CLASS": "CKO_DATA"})),
    _hole("C_SetAttributeValue", "sensitive back to readable", "ATTRIBUTE_READ_ONLY", lambda s: C.SetAttributeValue(s.session, _idle_key(s), {"CKA_SENSITIVE": False})),
    _hole("C_SetAttributeValue", "not extractable back to extractable", "ATTRIBUTE_READ_ONLY", lambda s: C.SetAttributeValue(s.session, _idle_key(s), {"CKA_EXTRACTABLE": True})),
    _p("C_CreateObject", "no class", "TEMPLATE_INCOMPLETE", lambda s: _create(s, {"CKA_VALUE": b"x"})),
    _p("C_CreateObject", "key without a value", "TEMPLATE_INCOMPLETE", lambda s: _create(s, {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_KEY_TYPE": "CKK_AES"})),
    _p("C_CreateObject", "unknown class", "ATTRIBUTE_VALUE_INVALID", lambda s: _create(s, {"CKA_CLASS": 0x7FFFFF01})),
    _p("C_CreateObject", "boolean of 3 bytes", "ATTRIBUTE_VALUE_INVALID", lambda s: _create(s, {"CKA_CLASS": "CKO_DATA", "CKA_PRIVATE": b"\1\1\1"})),
    _p("C_GenerateKey", "no length", "TEMPLATE_INCOMPLETE", lambda s: _generate(s, {}), "CKM_AES_KEY_GEN"),
    _p("C_GenerateKey", "AES of 17 bytes", "ATTRIBUTE_VALUE_INVALID KEY_SIZE_RANGE", lambda s: _generate(s, {"CKA_VALUE_LEN": 17}), "CKM_AES_KEY_GEN"),
    _p("C_DigestInit", "no digest", "MECHANISM_INVALID", lambda s: C.DigestInit(s.session, "CKM_AES_ECB")),
    _p("C_DigestInit", "begun before", "OPERATION_ACTIVE", lambda s: _twice(s, lambda: C.DigestInit(s.session, "CKM_SHA256"))),
    _p("C_Digest", "not begun", NOT_BEGUN, lambda s: C.Digest(s.session, b"x")),
    _p("C_SignInit", "no such key", "KEY_HANDLE_INVALID", lambda s: C.SignInit(s.session, HMAC, NOBODY), HMAC),
    _p("C_SignInit", "key of another type", "KEY_TYPE_INCONSISTENT", lambda s: C.SignInit(s.session, "CKM_RSA_PKCS", _mac_key(s)), "CKM_RSA_PKCS"),
    _p("C_SignInit", "no signature", "MECHANISM_INVALID", lambda s: C.SignInit(s.session, "CKM_SHA256", _mac_key(s)), HMAC),
    _hole("C_SignInit", "key that may not sign", "KEY_FUNCTION_NOT_PERMITTED", lambda s: C.SignInit(s.session, "CKM_AES_CMAC", _idle_key(s)), "CKM_AES_CMAC"),
    _p("C_SignInit", "begun before", "OPERATION_ACTIVE", lambda s: _twice(s, lambda: C.SignInit(s.session, HMAC, _mac_key(s))), HMAC),
    _p("C_Sign", "not begun", NOT_BEGUN, lambda s: C.Sign(s.session, b"x")),
    _p("C_Sign", "300 bytes for RSA 2048", "DATA_LEN_RANGE", _long_rsa, "CKM_RSA_PKCS"),
    _p("C_Verify", "not begun", NOT_BEGUN, lambda s: C.Verify(s.session, b"x", b"y")),
    _hole("C_Verify", "one bit turned", "SIGNATURE_INVALID", lambda s: _verify(s, lambda mac: mac[:-1] + bytes([mac[-1] ^ 1])), HMAC),
    _hole("C_Verify", "one byte short", "SIGNATURE_LEN_RANGE", lambda s: _verify(s, lambda mac: mac[:-1]), HMAC),
    _hole("C_Verify", "one byte long", "SIGNATURE_LEN_RANGE", lambda s: _verify(s, lambda mac: mac + b"\0"), HMAC),
    _hole("C_Verify", "no signature", "SIGNATURE_LEN_RANGE", lambda s: _verify(s, lambda mac: b""), HMAC),
    _p("C_EncryptInit", "no IV", "MECHANISM_PARAM_INVALID", lambda s: _cbc(s, C.EncryptInit, CBC, None), CBC),
    _p("C_EncryptInit", "IV of 15 bytes", "MECHANISM_PARAM_INVALID", lambda s: _cbc(s, C.EncryptInit, CBC, bytes(15)), CBC),
    _p("C_EncryptInit", "key of another type", "KEY_TYPE_INCONSISTENT", lambda s: C.EncryptInit(s.session, mechanism(CBC, ciphers.IV), _mac_key(s)), CBC),
    _p("C_Encrypt", "not begun", NOT_BEGUN, lambda s: C.Encrypt(s.session, bytes(16))),
    _p("C_Encrypt", "15 bytes in CBC", "DATA_LEN_RANGE", _encrypt_15, CBC),
    _hole("C_DecryptInit", "key that may not decrypt", "KEY_FUNCTION_NOT_PERMITTED", lambda s: C.DecryptInit(s.session, mechanism(CBC, ciphers.IV), _idle_key(s)), CBC),
    _p("C_Decrypt", "not begun", NOT_BEGUN, lambda s: C.Decrypt(s.session, bytes(16))),
    _p("C_Decrypt", "15 bytes in CBC", "ENCRYPTED_DATA_LEN_RANGE", lambda s: _decrypt(s, CBC, bytes(15)), CBC),
    _p("C_Decrypt", "wrong padding", "ENCRYPTED_DATA_INVALID", lambda s: _decrypt(s, "CKM_AES_CBC_PAD", bytes(32)), "CKM_AES_CBC_PAD"),
    _p("C_FindObjects", "not begun", NOT_BEGUN, lambda s: C.FindObjects(s.session, 1)),
    _p("C_FindObjectsInit", "begun before", "OPERATION_ACTIVE", lambda s: _twice(s, lambda: C.FindObjectsInit(s.session, {"CKA_LABEL": "nobody has this"}))),
    _hole("C_WrapKey", "key that is not extractable", "KEY_UNEXTRACTABLE", lambda s: C.WrapKey(s.session, WRAP, _wrapper(s), _idle_key(s)), WRAP),
    _hole("C_WrapKey", "key that may not wrap", "KEY_FUNCTION_NOT_PERMITTED", lambda s: C.WrapKey(s.session, WRAP, _idle_key(s), _wrapper(s)), WRAP),
    _hole("C_UnwrapKey", "nonsense of the right length", "WRAPPED_KEY_INVALID", lambda s: _unwrap(s, bytes(24)), WRAP),
    _hole("C_UnwrapKey", "17 bytes", "WRAPPED_KEY_LEN_RANGE", lambda s: _unwrap(s, bytes(17)), WRAP),
    _hole("C_DeriveKey", "point that is not on the curve", "MECHANISM_PARAM_INVALID DOMAIN_PARAMS_INVALID PUBLIC_KEY_INVALID", _off_the_curve, "CKM_ECDH1_DERIVE"),
    attrs.evolve(
        _p("C_Login", "logged in before", "USER_ALREADY_LOGGED_IN", lambda s: C.Login(s.session, "CKU_USER", s.session.token.pin)),
        sandbox=True,
    ),
)  # fmt: skip


def trials(survey: Survey) -> list[Trial]:
    """One trial for each provocation that the token's mechanisms allow."""
    return [
        Trial(FAMILY, one.function, one.aspect, attempt, (place,))
        for place, one in enumerate(PROVOCATIONS)
        if (one.needs is None or one.needs in survey.mechanisms)
        and (not one.sandbox or survey.policy == "sandbox")
    ]


def attempt(token: Token, place: int) -> list[Finding]:
    """Provoke one error."""
    one = PROVOCATIONS[place]
    with on_stage(token) as stage:
        answered, by = _answer(one, stage)
    outcome, detail = _judge(one, answered, by)
    code = None if answered == "CKR_OK" else answered
    return [Finding(FAMILY, one.function, one.aspect, outcome, detail, code)]


def _answer(one: Provocation, stage: Stage) -> tuple[str, str]:
    """The code, and the function that answered it."""
    try:
        one.run(stage)
    except CryptokiError as error:
        return error.name, error.function
    return "CKR_OK", one.function


def _judge(one: Provocation, answered: str, by: str) -> tuple[Outcome, str]:
    fitting = " or ".join(one.fits)
    if answered in one.fits and by == one.function:
        return Outcome.VERIFIED, "the code that fits"
    if answered == "CKR_OK":
        return (Outcome.WRONG if one.dangerous else Outcome.DEVIATES), f"accepted; {fitting} is right"
    if by != one.function:
        return Outcome.NOT_RUN, f"{by} refuses what it needs"
    if spec.allows(one.function, answered) is False:
        return Outcome.DEVIATES, f"the standard does not list it for {one.function}; {fitting} fits"
    return Outcome.OBSERVED, f"refused; {fitting} would say why"

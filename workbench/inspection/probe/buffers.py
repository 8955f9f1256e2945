"""Buffers (5.2): asked for the length, given too little, enough, too much; and whether the module keeps within them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import attrs

from workbench.cryptoki import C, CryptokiError, mechanism
from workbench.inspection.probe.guarded import Answer, guarded_attribute, guarded_call
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.recipes import Stage, ciphers, on_stage
from workbench.inspection.probe.recipes.pairs import rsa_pair
from workbench.inspection.probe.recipes.signatures import DIGEST_INFO
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "trials"]

FAMILY = "buffers"
DATA = b"some bytes that are no multiple of a block"
LABEL = b"a label of 24 bytes here"
KEY = bytes(range(64))


@attrs.frozen
class Output:
    """A call that writes an output of ``size`` bytes: how the operation begins, and the call itself.

    ``expected``: the output where it is fixed. ``ends``: the call ends an operation that must survive a buffer too small.
    """

    subject: str
    size: int
    begin: Callable[[Stage], object]
    call: Callable[[Stage, int | None], Answer]
    expected: bytes | None = None
    ends: bool = True


def _hmac_key(stage: Stage) -> int:
    return stage.bench.kept(
        "HMAC", lambda: stage.bench.secret("CKK_GENERIC_SECRET", KEY, "CKA_SIGN", "CKA_VERIFY")
    )


def _data_object(stage: Stage) -> int:
    return stage.bench.kept("data", lambda: stage.bench.create({"CKA_CLASS": "CKO_DATA", "CKA_VALUE": LABEL}))


def _digest_in_parts(stage: Stage) -> None:
    C.DigestInit(stage.session, "CKM_SHA256")
    C.DigestUpdate(stage.session, DATA)


def _mac_in_parts(stage: Stage) -> None:
    C.SignInit(stage.session, "CKM_SHA256_HMAC", _hmac_key(stage))
    C.SignUpdate(stage.session, DATA)


def _cbc(stage: Stage) -> None:
    how = mechanism("CKM_AES_CBC_PAD", ciphers.IV)
    C.EncryptInit(stage.session, how, ciphers.AES.handle(stage))


SHA256 = hashlib.sha256(DATA).digest()
MAC = hmac.digest(KEY, DATA, "sha256")
OUTPUTS = (
    Output(
        "C_Digest",
        32,
        lambda stage: C.DigestInit(stage.session, "CKM_SHA256"),
        lambda stage, size: guarded_call(stage.session, "C_Digest", size, DATA),
        SHA256,
    ),
    Output(
        "C_DigestFinal",
        32,
        _digest_in_parts,
        lambda stage, size: guarded_call(stage.session, "C_DigestFinal", size),
        SHA256,
    ),
    Output(
        "C_Sign",
        32,
        lambda stage: C.SignInit(stage.session, "CKM_SHA256_HMAC", _hmac_key(stage)),
        lambda stage, size: guarded_call(stage.session, "C_Sign", size, DATA),
        MAC,
    ),
    Output(
        "C_SignFinal",
        32,
        _mac_in_parts,
        lambda stage, size: guarded_call(stage.session, "C_SignFinal", size),
        MAC,
    ),
    Output(
        "C_Sign with RSA",
        256,
        lambda stage: C.SignInit(stage.session, "CKM_RSA_PKCS", rsa_pair(stage.bench).private),
        lambda stage, size: guarded_call(stage.session, "C_Sign", size, DIGEST_INFO + SHA256),
    ),
    Output(
        "C_Encrypt",
        48,
        _cbc,
        lambda stage, size: guarded_call(stage.session, "C_Encrypt", size, DATA),
    ),
    Output(
        "C_GetAttributeValue",
        len(LABEL),
        lambda stage: None,
        lambda stage, size: guarded_attribute(stage.session, _data_object(stage), "CKA_VALUE", size),
        LABEL,
        ends=False,
    ),
)
# How much room is offered, as a difference to the output's size; None is NULL.
ROOMS = {"NULL": None, "1 byte": 0, "one byte short": -1, "exact": 0, "plenty": 300}
EMPTY = {
    "C_Digest": ("CKM_SHA256", hashlib.sha256(b"").digest()),
    "C_Sign": ("CKM_SHA256_HMAC", hmac.digest(KEY, b"", "sha256")),
}


def trials(survey: Survey) -> list[Trial]:
    """Every room for every output, and inputs of no bytes."""
    made = [
        Trial(FAMILY, one.subject, room, attempt, (place, room))
        for place, one in enumerate(OUTPUTS)
        for room in ROOMS
    ]
    return [*made, *(Trial(FAMILY, name, "no input", no_input, (name,)) for name in EMPTY)]


def attempt(token: Token, place: int, room: str) -> list[Finding]:
    """Offer one room for one output."""
    output = OUTPUTS[place]
    with on_stage(token) as stage:
        try:
            output.begin(stage)
        except CryptokiError as error:
            row = Finding(FAMILY, output.subject, room, Outcome.NOT_OFFERED, error.function, error.name)
            return [row]
        size = None if room == "NULL" else 1 if room == "1 byte" else output.size + (ROOMS[room] or 0)
        answer = output.call(stage, size)
        outcome, detail = _judge(output, room, answer)
        if outcome is Outcome.VERIFIED and (room == "NULL" or (size is not None and size < output.size)):
            outcome, detail = _goes_on(output, stage, detail)
    code = answer.code if answer.code != "CKR_OK" else None
    return [Finding(FAMILY, output.subject, room, outcome, detail, code)]


def _judge(output: Output, room: str, answer: Answer) -> tuple[Outcome, str]:
    if answer.past:
        return Outcome.WRONG, f"wrote {answer.past} bytes past the end of the buffer"
    if room == "NULL":
        if answer.code != "CKR_OK":
            return Outcome.DEVIATES, "a question for the length is answered with an error"
        if answer.length < output.size:
            return Outcome.WRONG, f"says {answer.length} bytes, the output has {output.size}"
        more = "" if answer.length == output.size else f", the output has {output.size}"
        return Outcome.VERIFIED, f"says {answer.length} bytes{more}"
    if room in ("1 byte", "one byte short"):
        if answer.code == "CKR_OK":
            return Outcome.WRONG, f"CKR_OK, and the output is cut to {answer.length} of {output.size} bytes"
        if answer.code != "CKR_BUFFER_TOO_SMALL":
            return Outcome.DEVIATES, "CKR_BUFFER_TOO_SMALL is the answer to a buffer too small"
        return Outcome.VERIFIED, "kept within the buffer"
    if answer.code != "CKR_OK":
        return Outcome.DEVIATES, f"room for {output.size} bytes or more is refused"
    if answer.length != output.size or (output.expected is not None and answer.data != output.expected):
        return Outcome.WRONG, f"{answer.length} bytes that are not the output"
    return Outcome.VERIFIED, "kept within the buffer"


def _goes_on(output: Output, stage: Stage, detail: str) -> tuple[Outcome, str]:
    """After a question for the length, or a buffer too small, the operation must still be there (5.2)."""
    again = output.call(stage, output.size)
    if again.code == "CKR_OPERATION_NOT_INITIALIZED":
        return Outcome.DEVIATES, f"{detail}, and the operation is gone"
    if again.code != "CKR_OK":
        return Outcome.DEVIATES, f"{detail}; with room enough it then answers {again.code}"
    if output.expected is not None and again.data != output.expected:
        return Outcome.WRONG, f"{detail}; what it gives then is not the output"
    return Outcome.VERIFIED, f"{detail}{'; the operation goes on' if output.ends else ''}"


def no_input(token: Token, function: str) -> list[Finding]:
    """A digest and a MAC of nothing are as good as others."""
    name, right = EMPTY[function]
    with on_stage(token) as stage:
        try:
            if function == "C_Digest":
                C.DigestInit(stage.session, name)
            else:
                C.SignInit(stage.session, name, _hmac_key(stage))
            answer = guarded_call(stage.session, function, 32, b"")
        except CryptokiError as error:
            row = Finding(FAMILY, function, "no input", Outcome.NOT_OFFERED, error.function, error.name)
            return [row]
    if answer.code != "CKR_OK":
        detail = "an input of no bytes is refused"
        return [Finding(FAMILY, function, "no input", Outcome.DEVIATES, detail, answer.code)]
    outcome = Outcome.VERIFIED if answer.data == right else Outcome.WRONG
    return [Finding(FAMILY, function, "no input", outcome, "hashlib" if function == "C_Digest" else "hmac")]

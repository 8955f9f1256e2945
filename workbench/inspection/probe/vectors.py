"""Published vectors: signatures and sealed messages, right and spoilt, that somebody else has judged (NIST CAVP and
others).

They come with the package ``cryptography-vectors``; without it the family says so and is not run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib import resources, util

import attrs

from workbench.cryptoki import AttributeValue, C, CryptokiError, Mechanism, mechanism, mechanisms
from workbench.inspection.probe import objects
from workbench.inspection.probe.model import Finding, Outcome, Trial
from workbench.inspection.probe.recipes import Stage, on_stage
from workbench.inspection.probe.recipes.hashes import common_name
from workbench.inspection.probe.recipes.pairs import OIDS, der_octets
from workbench.inspection.probe.survey import Survey
from workbench.tokens import Token

__all__ = ["FAMILY", "SETS", "Case", "Set", "spread", "trials"]

FAMILY = "vectors"
ASPECT = "published vectors"
PACKAGE = "cryptography_vectors"
HASHES = ("SHA1", "SHA224", "SHA256", "SHA384", "SHA512")
ENOUGH = 90  # vectors of one set: a set has up to 1000, and says the same with fewer
ORDER_25519 = 2**252 + 27742317777372353535851937790883648493
Row = Mapping[str, str]


@attrs.frozen
class Case:
    """One vector: the key as an object, what is verified (or opened), and whether it is right; ``why`` it is not.

    ``data`` is signed by ``signature``; under a secret key it is the plaintext that ``signature`` is to open to.
    """

    key: Mapping[str, AttributeValue]
    how: Mechanism
    data: bytes
    signature: bytes
    right: bool
    why: str = ""

    @property
    def sealed(self) -> bool:
        """Whether this is a sealed message and no signature."""
        return self.key["CKA_KEY_TYPE"] == "CKK_AES"


@attrs.frozen
class Set:
    """The vectors of one algorithm: its name, the mechanism that it needs, and where the cases come from."""

    name: str
    mechanism: str
    cases: Callable[[], Iterator[Case]]


def rows(path: str) -> Iterator[tuple[str, Row]]:
    """The blocks of a CAVP file, each with the heading above it; a value that stands alone applies to all after it."""
    text = resources.files(PACKAGE).joinpath(path).read_text(encoding="utf-8")
    heading = ""
    above: dict[str, str] = {}
    block: dict[str, str] = {}
    for line in (*text.splitlines(), ""):
        name, equals, value = line.partition("=")
        if line.startswith("["):
            heading, above = line.strip("[] "), {}
        elif equals:
            block[name.strip()] = value.strip()
        elif line == "FAIL":
            block["FAIL"] = ""
        elif not line.strip() and block:
            if {"Result", "Count"} & set(block):
                yield heading, {**above, **block}
            else:
                above.update(block)
            block = {}


def _number(text: str) -> bytes:
    value = int(text, 16)
    return value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")


def _verdict(row: Row) -> tuple[bool, str]:
    right, _, why = row["Result"].partition(" ")
    return right == "P", why.strip("() ")


def _ecdsa(curve: str, size: int) -> Iterator[Case]:
    for heading, row in rows("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp"):
        named, _, hash = heading.partition(",")
        if named != curve:
            continue
        digest = hashlib.new(hash.lower().replace("-", ""), bytes.fromhex(row["Msg"])).digest()
        point = b"\x04" + b"".join(int(row[q], 16).to_bytes(size, "big") for q in ("Qx", "Qy"))
        key: dict[str, AttributeValue] = {
            "CKA_KEY_TYPE": "CKK_EC",
            "CKA_EC_PARAMS": bytes.fromhex(OIDS[curve]),
            "CKA_EC_POINT": der_octets(point),
        }
        signature = b"".join(int(row[part], 16).to_bytes(size, "big") for part in ("R", "S"))
        # a digest longer than the curve's order is cut by who signs
        yield Case(key, mechanism("CKM_ECDSA"), digest[:size], signature, *_verdict(row))


def _rsa(hash: str, pss: bool) -> Iterator[Case]:
    file = f"asymmetric/RSA/FIPS_186-2/SigVer{'PSS' if pss else '15'}_186-3.rsp"
    for _, row in rows(file):
        if row.get("SHAAlg") != hash:
            continue
        key: dict[str, AttributeValue] = {
            "CKA_KEY_TYPE": "CKK_RSA",
            "CKA_MODULUS": _number(row["n"]),
            "CKA_PUBLIC_EXPONENT": _number(row["e"]),
        }
        parameter = mechanisms.rsa_pss(common_name(hash), len(row["SaltVal"]) // 2) if pss else None
        how = mechanism(f"CKM_{hash}_RSA_PKCS{'_PSS' if pss else ''}", parameter)
        signature = bytes.fromhex(row["S"])
        yield Case(key, how, bytes.fromhex(row["Msg"]), signature, *_verdict(row))


def _dsa() -> Iterator[Case]:
    for heading, row in rows("asymmetric/DSA/FIPS_186-3/SigVer.rsp"):
        if "L=1024" not in heading:
            continue
        hash = heading.rpartition(",")[2].strip().lower().replace("-", "")
        digest = hashlib.new(hash, bytes.fromhex(row["Msg"])).digest()
        key: dict[str, AttributeValue] = {
            "CKA_KEY_TYPE": "CKK_DSA",
            "CKA_PRIME": _number(row["P"]),
            "CKA_SUBPRIME": _number(row["Q"]),
            "CKA_BASE": _number(row["G"]),
            "CKA_VALUE": _number(row["Y"]),
        }
        signature = b"".join(int(row[part], 16).to_bytes(20, "big") for part in ("R", "S"))
        yield Case(key, mechanism("CKM_DSA"), digest[:20], signature, *_verdict(row))


def _ed25519() -> Iterator[Case]:
    """The published ones are right; each also with a bit turned, and with S made larger by the group's order
    (RFC 8032, 5.1.7: to be refused).
    """
    text = resources.files(PACKAGE).joinpath("asymmetric/Ed25519/sign.input").read_text(encoding="utf-8")
    for line in text.splitlines()[1 : ENOUGH // 3 + 1]:
        _, public, message, signed = line.split(":")[:4]
        key: dict[str, AttributeValue] = {
            "CKA_KEY_TYPE": "CKK_EC_EDWARDS",
            "CKA_EC_PARAMS": bytes.fromhex(OIDS["Ed25519"]),
            "CKA_EC_POINT": der_octets(bytes.fromhex(public)),
        }
        data, signature = bytes.fromhex(message), bytes.fromhex(signed)[:64]
        larger = (int.from_bytes(signature[32:], "little") + ORDER_25519).to_bytes(32, "little")
        how = mechanism("CKM_EDDSA")
        yield Case(key, how, data, signature, right=True)
        yield Case(key, how, data, bytes([signature[0] ^ 1]) + signature[1:], right=False, why="R changed")
        yield Case(key, how, data, signature[:32] + larger, right=False, why="S not below the order")


def _gcm(bits: int) -> Iterator[Case]:
    """Those with an IV of 96 bits, a whole tag and a plaintext; a spoilt one must give no plaintext."""
    for heading, row in rows(f"ciphers/AES/GCM/gcmDecrypt{bits}.rsp"):
        if heading != "Taglen = 128" or len(row["IV"]) != 24 or not row["CT"]:
            continue
        key: dict[str, AttributeValue] = {"CKA_KEY_TYPE": "CKK_AES", "CKA_VALUE": bytes.fromhex(row["Key"])}
        how = mechanism("CKM_AES_GCM", mechanisms.gcm(bytes.fromhex(row["IV"]), bytes.fromhex(row["AAD"])))
        data = bytes.fromhex(row.get("PT", ""))
        yield Case(key, how, data, bytes.fromhex(row["CT"] + row["Tag"]), "FAIL" not in row, "tag changed")


SETS = (
    *(
        Set(f"ECDSA {curve}", "CKM_ECDSA", partial(_ecdsa, curve, size))
        for curve, size in (("P-224", 28), ("P-256", 32), ("P-384", 48), ("P-521", 66))
    ),
    *(
        Set(f"RSA PKCS#1 v1.5 {hash}", f"CKM_{hash}_RSA_PKCS", partial(_rsa, hash, pss=False))
        for hash in HASHES
    ),
    *(Set(f"RSA PSS {hash}", f"CKM_{hash}_RSA_PKCS_PSS", partial(_rsa, hash, pss=True)) for hash in HASHES),
    Set("DSA 1024", "CKM_DSA", _dsa),
    Set("Ed25519", "CKM_EDDSA", _ed25519),
    *(Set(f"AES-{bits} GCM", "CKM_AES_GCM", partial(_gcm, bits)) for bits in (128, 256)),
)


@cache
def installed() -> bool:
    """Whether the vectors are here."""
    return util.find_spec(PACKAGE) is not None


def trials(survey: Survey) -> list[Trial]:
    """One trial for each set whose mechanism the token lists."""
    return [
        Trial(FAMILY, one.name, ASPECT, attempt, (place,), seconds=60)
        for place, one in enumerate(SETS)
        if one.mechanism in survey.mechanisms
    ]


def attempt(token: Token, place: int) -> list[Finding]:
    """Let the token verify the vectors of one set."""
    one = SETS[place]
    if not installed():
        detail = "install the package cryptography-vectors (extra: vectors)"
        return [Finding(FAMILY, one.name, ASPECT, Outcome.NOT_RUN, detail)]
    agreed, accepted, rejected, untried = 0, [], [], []
    with on_stage(token) as stage:
        for case in spread(list(one.cases())):
            try:
                answer = _answer(stage, case)
            except CryptokiError as error:
                untried.append(error.name)
                continue
            if (answer == "CKR_OK") == case.right:
                agreed += 1
            elif case.right:
                rejected.append(answer)
            else:
                accepted.append(case.why)
    return [_found(one.name, agreed, accepted, rejected, untried)]


def spread(cases: list[Case]) -> list[Case]:
    """Not more than enough, from the whole of the set."""
    step = max(1, -(-len(cases) // ENOUGH))
    return cases[::step]


def _answer(stage: Stage, case: Case) -> str:
    """The token's verdict. Errors: ``CryptokiError`` where it takes the key or the mechanism not at all."""
    kind: dict[str, AttributeValue] = {"CKA_CLASS": "CKO_PUBLIC_KEY", "CKA_VERIFY": True}
    if case.sealed:
        kind = {"CKA_CLASS": "CKO_SECRET_KEY", "CKA_DECRYPT": True}
    key = C.CreateObject(stage.session, objects.template(stage.bench.token, {**kind, **case.key}))
    try:
        if case.sealed:
            return _opened(stage, case, key)
        C.VerifyInit(stage.session, case.how, key)
        try:
            C.Verify(stage.session, case.data, case.signature)
        except CryptokiError as error:
            return error.name
        return "CKR_OK"
    finally:
        C.DestroyObject(stage.session, key)


def _opened(stage: Stage, case: Case, key: int) -> str:
    C.DecryptInit(stage.session, case.how, key)
    try:
        plain = C.Decrypt(stage.session, case.signature)
    except CryptokiError as error:
        return error.name
    return "CKR_OK" if plain == case.data or not case.right else "another plaintext"


def _found(name: str, agreed: int, accepted: list[str], rejected: list[str], untried: list[str]) -> Finding:
    place = FAMILY, name, ASPECT
    parts = [f"{agreed} agreed"]
    if accepted:
        parts.append(f"{len(accepted)} accepted though wrong ({accepted[0]})")
    if rejected:
        parts.append(f"{len(rejected)} rejected though right ({rejected[0]})")
    if untried:
        parts.append(f"{len(untried)} keys or parameters not taken ({untried[0]})")
    outcome = Outcome.WRONG if accepted else Outcome.DEVIATES if rejected else Outcome.VERIFIED
    if not agreed and not accepted and not rejected:
        outcome = Outcome.NOT_OFFERED
    return Finding(*place, outcome, ", ".join(parts))

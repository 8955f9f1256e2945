"""The signatures and key encapsulations of FIPS 203 to 205 (6.67 to 6.69), as far as pyca/cryptography has them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from workbench.cryptoki import AttributeValue, C, mechanism, mechanisms
from workbench.inspection.probe.recipes.model import (
    ITSELF,
    MESSAGE,
    Recipe,
    Stage,
    Wrong,
    same,
    signed_and_refused,
)
from workbench.inspection.probe.recipes.pairs import Pair, generated

__all__ = ["RECIPES", "ml_dsa", "ml_kem", "slh_dsa"]

BY = "pyca/cryptography"


def _loaded(family: str, name: str, raw: bytes) -> Any:
    """Pyca's public key of the raw bytes, or of a SubjectPublicKeyInfo, as some tokens have it.

    None where this pyca, or its OpenSSL, has none of the kind, or can read neither.
    """
    with suppress(ValueError, UnsupportedAlgorithm):
        return load_der_public_key(raw)
    try:
        module = importlib.import_module(f"cryptography.hazmat.primitives.asymmetric.{family}")
        return getattr(module, f"{name}PublicKey").from_public_bytes(raw)
    except (ImportError, AttributeError, ValueError, UnsupportedAlgorithm):
        return None


def _pair(
    stage: Stage, generator: str, parameter_set: str, opens: str, closes: str, load: Callable[[bytes], Any]
) -> Pair:
    def make() -> Pair:
        public: dict[str, AttributeValue] = {"CKA_PARAMETER_SET": parameter_set, opens: True}
        handles = generated(stage.bench, generator, public, {closes: True})
        return Pair(*handles, load(stage.bench.value(handles[0])))

    return stage.bench.kept(f"{generator} {parameter_set}", make)


def ml_dsa(stage: Stage, strength: int = 65) -> Pair:
    """An ML-DSA pair of the token's making: ML-DSA-44, -65 or -87."""
    return _pair(
        stage,
        "CKM_ML_DSA_KEY_PAIR_GEN",
        f"CKP_ML_DSA_{strength}",
        "CKA_VERIFY",
        "CKA_SIGN",
        lambda raw: _loaded("mldsa", f"MLDSA{strength}", raw),
    )


def ml_kem(stage: Stage, strength: int = 768) -> Pair:
    """An ML-KEM pair of the token's making: ML-KEM-512, -768 or -1024."""
    return _pair(
        stage,
        "CKM_ML_KEM_KEY_PAIR_GEN",
        f"CKP_ML_KEM_{strength}",
        "CKA_ENCAPSULATE",
        "CKA_DECAPSULATE",
        lambda raw: _loaded("mlkem", f"MLKEM{strength}", raw),
    )


def slh_dsa(stage: Stage) -> Pair:
    """An SLH-DSA-SHA2-128s pair; pyca has none of that kind."""
    return _pair(
        stage, "CKM_SLH_DSA_KEY_PAIR_GEN", "CKP_SLH_DSA_SHA2_128S", "CKA_VERIFY", "CKA_SIGN", lambda raw: None
    )


def _signatures(
    name: str, pair: Callable[[Stage], Pair], parameter: Callable[[], Any] | None, context: bytes | None
) -> tuple[Recipe, ...]:
    def how() -> Any:
        return mechanism(name, parameter() if parameter else None)

    def made(stage: Stage) -> bytes:
        C.SignInit(stage.session, how(), pair(stage).private)
        return C.Sign(stage.session, MESSAGE)

    def sign(stage: Stage) -> str:
        signature, theirs = made(stage), pair(stage).theirs
        if theirs is None or context is None:
            return ITSELF
        try:
            theirs.verify(signature, MESSAGE, context or None)
        except InvalidSignature:
            raise Wrong(f"{BY} refuses the signature of {len(signature)} bytes") from None
        return BY

    def verify(stage: Stage) -> str:
        by = sign(stage)
        signed_and_refused(stage, how(), pair(stage).public, MESSAGE, made(stage))
        return by

    return Recipe(name, "CKF_SIGN", sign), Recipe(name, "CKF_VERIFY", verify)


def _generates(name: str, pair: Callable[[Stage], Pair]) -> Recipe:
    def run(stage: Stage) -> str:
        return ITSELF if pair(stage).theirs is None else BY

    return Recipe(name, "CKF_GENERATE_KEY_PAIR", run)


def _encapsulation() -> tuple[Recipe, ...]:
    def wanted(stage: Stage) -> dict[str, AttributeValue]:
        return stage.bench.wanted("CKK_GENERIC_SECRET", 32)

    def encapsulate(stage: Stage) -> str:
        pair = ml_kem(stage)
        ciphertext, secret = C.EncapsulateKey(stage.session, "CKM_ML_KEM", pair.public, wanted(stage))
        again = C.DecapsulateKey(stage.session, "CKM_ML_KEM", pair.private, wanted(stage), ciphertext)
        values = [stage.bench.value(stage.mine(handle)) for handle in (secret, again)]
        same(values[1], values[0], "the shared secret")
        return ITSELF

    def decapsulate(stage: Stage) -> str:
        pair = ml_kem(stage)
        if pair.theirs is None:
            return encapsulate(stage)
        secret, ciphertext = pair.theirs.encapsulate()
        made = C.DecapsulateKey(stage.session, "CKM_ML_KEM", pair.private, wanted(stage), ciphertext)
        same(stage.bench.value(stage.mine(made)), secret, "the shared secret")
        return BY

    return (
        Recipe("CKM_ML_KEM", "CKF_ENCAPSULATE", encapsulate),
        Recipe("CKM_ML_KEM", "CKF_DECAPSULATE", decapsulate),
    )


RECIPES: tuple[Recipe, ...] = (
    _generates("CKM_ML_DSA_KEY_PAIR_GEN", ml_dsa),
    _generates("CKM_ML_KEM_KEY_PAIR_GEN", ml_kem),
    _generates("CKM_SLH_DSA_KEY_PAIR_GEN", slh_dsa),
    *_signatures(
        "CKM_ML_DSA",
        ml_dsa,
        lambda: mechanisms.sign_context(b"context"),
        b"context",
    ),
    *_signatures("CKM_HASH_ML_DSA_SHA256", ml_dsa, None, None),
    *_signatures("CKM_HASH_ML_DSA_SHA512", ml_dsa, None, None),
    *_signatures("CKM_SLH_DSA", slh_dsa, mechanisms.sign_context, None),
    *_encapsulation(),
)

"""Keys on a token: generating them, signing with them, and their encodings. A session handle is all they need."""

from workbench.keys.encodings import CURVES, Curve, curve_of, der_to_rs, point_from_token, rs_to_der
from workbench.keys.generate import TemplateRules, generate_key_pair, generate_secret_key
from workbench.keys.pair import KeyPair, ObjectHandle, SecretKey
from workbench.keys.public import PublicKey, read_public_key

__all__ = [
    "CURVES",
    "Curve",
    "KeyPair",
    "ObjectHandle",
    "PublicKey",
    "SecretKey",
    "TemplateRules",
    "curve_of",
    "der_to_rs",
    "generate_key_pair",
    "generate_secret_key",
    "point_from_token",
    "read_public_key",
    "rs_to_der",
]

"""Hash functions as a token names them and as Python does."""

from __future__ import annotations

import hashlib

import attrs
from cryptography.hazmat.primitives import hashes

__all__ = ["HASHES", "PYCA", "Hash", "common_name", "digest"]


@attrs.frozen
class Hash:
    """A hash: the middle of its mechanisms' names, hashlib's name, digest and block size in bytes."""

    stem: str
    name: str
    size: int
    block: int


HASHES = (
    Hash("MD5", "md5", 16, 64),
    Hash("SHA_1", "sha1", 20, 64),
    Hash("SHA224", "sha224", 28, 64),
    Hash("SHA256", "sha256", 32, 64),
    Hash("SHA384", "sha384", 48, 128),
    Hash("SHA512", "sha512", 64, 128),
    Hash("SHA512_224", "sha512_224", 28, 128),
    Hash("SHA512_256", "sha512_256", 32, 128),
    Hash("SHA3_224", "sha3_224", 28, 144),
    Hash("SHA3_256", "sha3_256", 32, 136),
    Hash("SHA3_384", "sha3_384", 48, 104),
    Hash("SHA3_512", "sha3_512", 64, 72),
    Hash("RIPEMD160", "ripemd160", 20, 64),
    Hash("BLAKE2B_160", "blake2b", 20, 128),
    Hash("BLAKE2B_256", "blake2b", 32, 128),
    Hash("BLAKE2B_384", "blake2b", 48, 128),
    Hash("BLAKE2B_512", "blake2b", 64, 128),
)
# Those that signature schemes are combined with, as pyca/cryptography has them.
PYCA: dict[str, hashes.HashAlgorithm] = {
    "MD5": hashes.MD5(),  # what a token offers is verified, whatever it is worth
    "SHA1": hashes.SHA1(),
    "SHA224": hashes.SHA224(),
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
    "SHA3_224": hashes.SHA3_224(),
    "SHA3_256": hashes.SHA3_256(),
    "SHA3_384": hashes.SHA3_384(),
    "SHA3_512": hashes.SHA3_512(),
}


def digest(chosen: Hash, data: bytes) -> bytes:
    """The digest by hashlib. Errors: ``ValueError`` where this Python's OpenSSL leaves the hash out."""
    if chosen.name == "blake2b":
        return hashlib.blake2b(data, digest_size=chosen.size).digest()
    return hashlib.new(chosen.name, data).digest()


def common_name(stem: str) -> str:
    """The name by which the constructors of parameters know a hash: ``SHA256`` → ``SHA-256``, ``SHA3_256`` → ``SHA3-256``."""
    return stem.replace("_", "-") if "_" in stem else stem.replace("SHA", "SHA-")

"""Parameters of the key derivations of NIST SP 800-108 (6.42): what is fed to the PRF, piece by piece."""

from __future__ import annotations

from workbench.cryptoki.attributes import Template
from workbench.cryptoki.parameters.hashes import number
from workbench.cryptoki.parameters.model import OutputNumber, Parameter

__all__ = [
    "kdf_bytes",
    "kdf_counter",
    "kdf_derived_key",
    "kdf_iteration",
    "kdf_key",
    "kdf_length",
    "kdf_optional_counter",
    "sp800_108",
    "sp800_108_feedback",
]

# The CK_PRF_DATA_TYPE and CK_SP800_108_DKM_LENGTH_METHOD macros of the header, which the tables do not carry.
ITERATION_VARIABLE, OPTIONAL_COUNTER, DKM_LENGTH, BYTE_ARRAY, KEY_HANDLE = 1, 2, 3, 4, 5
SUM_OF_KEYS, SUM_OF_SEGMENTS = 1, 2
PRF = "CKM_SHA256_HMAC"


def _piece(kind: int, value: Parameter | bytes | int | None) -> Parameter:
    return Parameter("CK_PRF_DATA_PARAM", {"type": kind, "pValue": value})


def _format(bits: int, little_endian: bool) -> Parameter:
    return Parameter(
        "CK_SP800_108_COUNTER_FORMAT", {"bLittleEndian": int(little_endian), "ulWidthInBits": bits}
    )


def kdf_counter(bits: int = 32, little_endian: bool = False) -> Parameter:
    """The iteration variable of counter mode: a counter of so many bits."""
    return _piece(ITERATION_VARIABLE, _format(bits, little_endian))


def kdf_iteration() -> Parameter:
    """The iteration variable of feedback and double-pipeline mode: the PRF's last output."""
    return _piece(ITERATION_VARIABLE, None)


def kdf_optional_counter(bits: int = 32, little_endian: bool = False) -> Parameter:
    """The counter that feedback and double-pipeline mode may have besides."""
    return _piece(OPTIONAL_COUNTER, _format(bits, little_endian))


def kdf_length(bits: int = 32, little_endian: bool = False, of_segments: bool = False) -> Parameter:
    """The bits of key asked for, as a number of so many bits; ``of_segments``: rounded up to whole PRF outputs."""
    return _piece(
        DKM_LENGTH,
        Parameter(
            "CK_SP800_108_DKM_LENGTH_FORMAT",
            {
                "dkmLengthMethod": SUM_OF_SEGMENTS if of_segments else SUM_OF_KEYS,
                "bLittleEndian": int(little_endian),
                "ulWidthInBits": bits,
            },
        ),
    )


def kdf_bytes(data: bytes) -> Parameter:
    """Bytes of the caller's: a label, a separator, a context."""
    return _piece(BYTE_ARRAY, data)


def kdf_key(handle: int) -> Parameter:
    """The value of a key on the token."""
    return _piece(KEY_HANDLE, handle)


def kdf_derived_key(template: Template) -> Parameter:
    """CK_DERIVED_KEY: one key more out of the same derivation; ``["phKey"].value`` is its handle after the call."""
    return Parameter("CK_DERIVED_KEY", {"pTemplate": template, "phKey": OutputNumber()})


def sp800_108(
    *data: Parameter, prf: str | int = PRF, additional_keys: tuple[Parameter, ...] = ()
) -> Parameter:
    """CK_SP800_108_KDF_PARAMS of counter and double-pipeline mode. ``data``: the ``kdf_…`` pieces in order.

    ``prf``: the CKM_ name of an HMAC or CMAC; ``additional_keys``: from ``kdf_derived_key``.
    """
    return Parameter(
        "CK_SP800_108_KDF_PARAMS",
        {"prfType": number(prf, "PRF"), "pDataParams": data, "pAdditionalDerivedKeys": additional_keys},
    )


def sp800_108_feedback(
    *data: Parameter, iv: bytes = b"", prf: str | int = PRF, additional_keys: tuple[Parameter, ...] = ()
) -> Parameter:
    """CK_SP800_108_FEEDBACK_KDF_PARAMS: as ``sp800_108``, with the IV that stands before the first output."""
    return Parameter(
        "CK_SP800_108_FEEDBACK_KDF_PARAMS",
        {
            "prfType": number(prf, "PRF"),
            "pDataParams": data,
            "pIV": iv,
            "pAdditionalDerivedKeys": additional_keys,
        },
    )

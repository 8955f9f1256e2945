"""One Python function for every ``C_`` function, each call on one path: policy → binding → trace → error."""

from workbench.cryptoki import C, errors, mechanisms, operations
from workbench.cryptoki.attributes import (
    AttributeValue,
    Template,
    attribute_name,
    attribute_number,
    decode,
    encode,
)
from workbench.cryptoki.errors import CryptokiError, expect
from workbench.cryptoki.ladder import Ladder
from workbench.cryptoki.mechanisms import Mechanism, Parameter, eddsa, gcm, mechanism, rsa_oaep, rsa_pss
from workbench.cryptoki.module import Module, ObjectLike, SessionHandle, SessionLike, object_handle
from workbench.cryptoki.policy import REFUSE, Policy, allow_all
from workbench.cryptoki.records import Info, MechanismInfo, SessionInfo, SlotInfo, TokenInfo, Version
from workbench.cryptoki.secret import Secret
from workbench.cryptoki.tracing import Trace, note, trace
from workbench.cryptoki.watching import watch

__all__ = [
    "REFUSE",
    "AttributeValue",
    "C",
    "CryptokiError",
    "Info",
    "Ladder",
    "Mechanism",
    "MechanismInfo",
    "Module",
    "ObjectLike",
    "Parameter",
    "Policy",
    "Secret",
    "SessionHandle",
    "SessionInfo",
    "SessionLike",
    "SlotInfo",
    "Template",
    "TokenInfo",
    "Trace",
    "Version",
    "allow_all",
    "attribute_name",
    "attribute_number",
    "decode",
    "eddsa",
    "encode",
    "errors",
    "expect",
    "gcm",
    "mechanism",
    "mechanisms",
    "note",
    "object_handle",
    "operations",
    "rsa_oaep",
    "rsa_pss",
    "trace",
    "watch",
]

"""A workbench for PKCS#11 (Cryptoki): learn it, measure it, inspect it.

    import workbench as wb
    from workbench import C, expect

    token = wb.open("sandbox")
    with token.session() as s, wb.trace() as t:
        key = s.generate("EC", curve="P-256")
        signature = key.sign(b"hello", hash="SHA-256")

Every name below is loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.cryptoki import (
        C,
        CryptokiError,
        Module,
        Secret,
        Trace,
        errors,
        expect,
        gcm,
        mechanism,
        mechanisms,
        operations,
        rsa_oaep,
        rsa_pss,
        trace,
        watch,
    )
    from workbench.faults import PolicyRefusal, WorkbenchError
    from workbench.measure import bench
    from workbench.notebook import lifecycle, load_ipython_extension, state_machine
    from workbench.spec.explain import explain
    from workbench.tokens import Session, Token, open

__all__ = [
    "C",
    "CryptokiError",
    "Module",
    "PolicyRefusal",
    "Secret",
    "Session",
    "Token",
    "Trace",
    "WorkbenchError",
    "bench",
    "errors",
    "expect",
    "explain",
    "gcm",
    "lifecycle",
    "load_ipython_extension",
    "mechanism",
    "mechanisms",
    "open",
    "operations",
    "rsa_oaep",
    "rsa_pss",
    "state_machine",
    "trace",
    "watch",
]
__version__ = "0.1.0"

_HOMES = {
    "bench": "workbench.measure",
    "explain": "workbench.spec.explain",
    "lifecycle": "workbench.notebook",
    "load_ipython_extension": "workbench.notebook",
    "open": "workbench.tokens",
    "PolicyRefusal": "workbench.faults",
    "Session": "workbench.tokens",
    "state_machine": "workbench.notebook",
    "Token": "workbench.tokens",
    "WorkbenchError": "workbench.faults",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "workbench.cryptoki")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

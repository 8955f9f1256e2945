"""The tokens that have a name here. A sandbox that runs is looked at from a worker: a module that crashes ends that alone."""

from __future__ import annotations

import attrs

from workbench.faults import WorkbenchError
from workbench.tokens import PROVIDERS, Provider, Token
from workbench.tokens.config import Declared, load
from workbench.tokens.providers.found import Found, found_modules
from workbench.workers import Worker, WorkerError

__all__ = ["TokenSummary", "overview"]


@attrs.frozen
class TokenSummary:
    """One token, or a module of p11-kit's. ``detail`` says more about ``state``, which is

    - ``up``, ``down`` (made; its daemons do not run), ``not made yet``, ``not available`` or ``broken`` for a
      sandbox;
    - ``declared`` for a token of workbench.toml, and ``found`` or ``not usable`` for a registered module: these
      are somebody's, and are not loaded until they are asked for by name.
    """

    name: str
    title: str
    state: str
    detail: str
    label: str | None = None
    library: str | None = None
    mechanisms: int | None = None
    policy: str | None = None


def overview() -> tuple[TokenSummary, ...]:
    """Every sandbox, then what is declared, then what p11-kit knows. Nothing is made, started or installed by looking."""
    declared = load().tokens
    return (
        *(_sandbox(provider) for name, provider in PROVIDERS.items() if name not in declared),
        *(_declared(one) for one in declared.values()),
        *(_registered(one) for one in found_modules()),
    )


def _look(token: Token) -> tuple[str, str, int, str]:
    found = token.provenance()
    return found["label"], found["library"], len(token.mechanisms), token.policy.name


def _sandbox(provider: Provider) -> TokenSummary:
    name, title = provider.name, provider.title
    why_not = provider.why_not()
    if why_not is not None:
        return TokenSummary(name, title, "not available", why_not)
    bring = f"workbench token up {name}"
    try:
        sandbox = provider.sandbox()
        if sandbox is None:
            return TokenSummary(name, title, "not made yet", bring)
        if not provider.healthy():
            return TokenSummary(name, title, "down", bring, sandbox.label, policy="sandbox")
        with Worker(name) as worker:
            label, library, mechanisms, policy = worker.run(_look)
    except (WorkbenchError, WorkerError) as error:
        return TokenSummary(name, title, "broken", str(error))
    return TokenSummary(name, title, "up", str(sandbox.module), label, library, mechanisms, policy)


def _declared(one: Declared) -> TokenSummary:
    module = one.module or (f"p11-kit:{one.module_name}" if one.module_name else "")
    detail = ", ".join(filter(None, [str(module), str(one.uri), f"declared in {one.file}"]))
    return TokenSummary(one.name, one.profile or "", "declared", detail, one.uri.token, policy=one.policy)


def _registered(one: Found) -> TokenSummary:
    state = "found" if one.why_not is None else "not usable"
    detail = one.why_not or str(one.path)
    return TokenSummary(f"p11-kit:{one.name}", "registered with p11-kit", state, detail, policy="guest")

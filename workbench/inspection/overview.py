"""The tokens that the workbench knows, each looked at from a worker: a module that crashes ends that alone."""

from __future__ import annotations

import attrs

from workbench import tokens
from workbench.faults import WorkbenchError
from workbench.tokens import Token
from workbench.workers import Worker, WorkerError

__all__ = ["TokenSummary", "overview"]


@attrs.frozen
class TokenSummary:
    """One token: ``state`` is ``up``, ``not made yet``, ``not available`` or ``broken``; ``detail`` says more."""

    name: str
    title: str
    state: str
    detail: str
    label: str | None = None
    library: str | None = None
    mechanisms: int | None = None
    policy: str | None = None


def _look(token: Token) -> tuple[str, str, int, str]:
    found = token.provenance()
    return found["label"], found["library"], len(token.mechanisms), token.policy.name


def _summary(name: str) -> TokenSummary:
    provider = tokens.provider(name)
    why_not = provider.why_not()
    if why_not is not None:
        return TokenSummary(name, provider.title, "not available", why_not)
    try:
        if provider.sandbox() is None:
            detail = f"workbench token up {name}"
            return TokenSummary(name, provider.title, "not made yet", detail)
        with Worker(name) as worker:
            label, library, mechanisms, policy = worker.run(_look)
    except (WorkbenchError, WorkerError) as error:
        return TokenSummary(name, provider.title, "broken", str(error))
    return TokenSummary(
        name, provider.title, "up", str(provider.find() or ""), label, library, mechanisms, policy
    )


def overview() -> tuple[TokenSummary, ...]:
    """Every token that has a name here. Nothing is made or installed by looking."""
    return tuple(_summary(name) for name in tokens.known())

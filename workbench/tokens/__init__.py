"""Tokens and sessions: opening them by name, the providers that make ours, the policy each one is under."""

from workbench.tokens.home import home
from workbench.tokens.leaks import leaks
from workbench.tokens.ledger import current_run, join_run
from workbench.tokens.named_keys import FINDING, NamedKey
from workbench.tokens.opening import (
    asked_pin,
    available,
    interpreter,
    pardon,
    remember_pin,
    why_not,
)
from workbench.tokens.opening import open_token as open
from workbench.tokens.origin import known, origin
from workbench.tokens.providers import PLAIN, PROVIDERS, Provider, Sandbox, provider
from workbench.tokens.providers.archive import ACCEPT_STALE
from workbench.tokens.session import SESSION, SESSION_WITH_LOGIN, Session
from workbench.tokens.spending import Cost, describe_cost
from workbench.tokens.sweeping import Swept, sweep
from workbench.tokens.token import Token

__all__ = [
    "ACCEPT_STALE",
    "FINDING",
    "PLAIN",
    "PROVIDERS",
    "SESSION",
    "SESSION_WITH_LOGIN",
    "Cost",
    "NamedKey",
    "Provider",
    "Sandbox",
    "Session",
    "Swept",
    "Token",
    "asked_pin",
    "available",
    "current_run",
    "describe_cost",
    "home",
    "interpreter",
    "join_run",
    "known",
    "leaks",
    "open",
    "origin",
    "pardon",
    "provider",
    "remember_pin",
    "sweep",
    "why_not",
]

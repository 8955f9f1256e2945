"""Tokens and sessions: opening them by name, the providers that make ours, the policy each one is under."""

from workbench.tokens.home import home
from workbench.tokens.leaks import leaks
from workbench.tokens.providers import PROVIDERS, Provider, Sandbox, provider
from workbench.tokens.session import Session
from workbench.tokens.token import Token, available, interpreter, known, why_not
from workbench.tokens.token import open_token as open

__all__ = [
    "PROVIDERS",
    "Provider",
    "Sandbox",
    "Session",
    "Token",
    "available",
    "home",
    "interpreter",
    "known",
    "leaks",
    "open",
    "provider",
    "why_not",
]

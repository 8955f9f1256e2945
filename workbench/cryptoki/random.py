"""Chapter 5.19: random number generation."""

from __future__ import annotations

from workbench.cryptoki.call import on_session
from workbench.cryptoki.module import SessionLike

__all__ = ["C_GenerateRandom", "C_SeedRandom"]


def C_SeedRandom(hSession: SessionLike, pSeed: bytes) -> None:
    """Mix seed material into the token's generator (5.19.1); many tokens refuse it."""
    on_session(hSession, "C_SeedRandom", pSeed)


def C_GenerateRandom(hSession: SessionLike, ulRandomLen: int) -> bytes:
    """So many random bytes from the token (5.19.2)."""
    made: bytes = on_session(hSession, "C_GenerateRandom", ulRandomLen)[0]
    return made

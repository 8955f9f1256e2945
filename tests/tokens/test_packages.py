"""What a provider says when it cannot come up here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workbench.tokens.providers.tpm import TPM


class Elsewhere(TPM):
    """A TPM that no machine has."""

    places = ("usr/lib/no/such/module.so",)
    packages = ("no-such-package-anywhere",)


@pytest.mark.skipif(
    not any(Path("/var/lib/apt/lists").glob("*_Packages*")), reason="this machine has no package lists"
)
def test_a_package_that_the_mirror_lacks_is_named() -> None:
    assert "Unable to locate package no-such-package-anywhere" in str(Elsewhere().why_not())


def test_a_machine_without_apt_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert "; Debian: apt-get install no-such-package-anywhere" in str(Elsewhere().why_not())

"""A token behind a socket: p11-kit's server in front of a SoftHSM2 token, its client as the module.

What a network HSM adds to every call, on one machine: another process, a protocol, a server that may die.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workbench.faults import WorkbenchError
from workbench.tokens.providers.base import Provider
from workbench.tokens.providers.daemons import Daemon, can_run
from workbench.tokens.providers.packages import library_path, locate, preload
from workbench.tokens.providers.softhsm import SoftHSM

__all__ = ["P11Kit"]

# The helper itself: `p11-kit server` would look for it where the distribution put it.
_SERVER = (
    "usr/libexec/p11-kit/p11-kit-server",
    "usr/lib/p11-kit/p11-kit-server",
    "usr/lib/x86_64-linux-gnu/p11-kit/p11-kit-server",
    "usr/lib/aarch64-linux-gnu/p11-kit/p11-kit-server",
)


class _Behind(SoftHSM):
    """The SoftHSM2 token behind the server, in the server's directory: not the sandbox ``softhsm``."""

    def __init__(self, front: Provider) -> None:
        self._front = front

    @property
    def directory(self) -> Path:
        return self._front.directory


class P11Kit(Provider):
    """p11-kit server and client over a SoftHSM2 token of its own."""

    name = "p11-kit"
    title = "p11-kit server over SoftHSM2"
    profile = "p11-kit-client"
    packages = ("p11-kit", "p11-kit-modules", *SoftHSM.packages)
    # Installing the client and the trust module registers the latter for everybody on this machine.
    always_unpacked = True
    places = (
        "usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
        "usr/lib/aarch64-linux-gnu/pkcs11/p11-kit-client.so",
        "usr/lib64/pkcs11/p11-kit-client.so",
    )

    def __init__(self) -> None:
        self._behind = _Behind(self)

    def missing(self) -> tuple[str, ...]:
        """The client, the server, and SoftHSM2."""
        server = () if locate(_SERVER) else ("p11-kit-server",)
        return (*super().missing(), *server, *(("SoftHSM2",) if self._behind.missing() else ()))

    def why_not(self) -> str | None:
        """As every provider."""
        if not can_run():
            return f"{self.title} needs Linux: its daemon is kept by what /proc says"
        return super().why_not()

    def environment(self) -> Mapping[str, str]:
        """Where the client finds the server."""
        return {"P11_KIT_SERVER_ADDRESS": f"unix:path={self._socket}"}

    def enter(self) -> None:
        """The variable; and the library of an unpacked client."""
        super().enter()
        module = self.find()
        if module is not None and library_path(module) is not None:
            preload(module)

    def clear(self) -> None:
        """Remove the token behind the server."""
        self._behind.clear()

    def daemons(self) -> tuple[Daemon, ...]:
        """The server; it forks a child for each client."""
        return (Daemon("p11-kit-server", self.directory, (self._socket,)),)

    def start(self) -> None:
        """Start the server in front of the token's directory."""
        server, module = locate(_SERVER), self._behind.find()
        if server is None or module is None or not can_run():
            raise WorkbenchError(
                self.why_not() or f"{self.title} is not whole: workbench token up {self.name} --fresh"
            )
        path = library_path(server) or library_path(module)
        environment = {
            **self._behind.environment(),
            **({} if path is None else {"LD_LIBRARY_PATH": path}),
            "P11_KIT_PRIVATEDIR": str(server.parent),  # where it finds the program of the children
        }
        (daemon,) = self.daemons()
        daemon.start(
            [server, "--foreground", f"--name={self._socket}", f"--provider={module}", "pkcs11:"], environment
        )

    @property
    def _socket(self) -> Path:
        return self.directory / "server"

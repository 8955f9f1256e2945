"""How a kernel is started for a lesson: the same for everybody, whatever the user has configured for himself.

A lesson's kernel loads the module itself. Where a token's module loads only into a Python of a certain kind (under
a newer C library, in the namespaces of its daemon), the lesson's kernel is started as that Python, and JupyterLab
is offered a kernel for it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import ipykernel.kernelspec
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from workbench import tokens
from workbench.faults import WorkbenchError

__all__ = [
    "KERNEL_ARGUMENTS",
    "KERNEL_NAME",
    "LessonKernelManager",
    "is_ours",
    "kernel_environment",
    "kernel_for",
    "register",
    "unregister",
]

KERNEL_NAME: Final = NATIVE_KERNEL_NAME
_PREFIX: Final = "workbench-"

KERNEL_ARGUMENTS: Final = ("--IPKernelApp.capture_fd_output=False",)
"""What native code writes goes to the kernel's log: in a cell it would race with Python's own output."""


@contextmanager
def kernel_environment() -> Iterator[dict[str, str]]:
    """Environment variables for a kernel while it runs.

    An IPython profile of its own: with `ast_node_interactivity = "all"` in the user's, every lesson would print
    more than what is committed. A crash inside a module leaves Python's frames in the kernel's log.
    """
    with tempfile.TemporaryDirectory(prefix="workbench-ipython-", ignore_cleanup_errors=True) as folder:
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONSTARTUP"}
        yield {**inherited, "IPYTHONDIR": folder, "PYTHONFAULTHANDLER": "1"}


def kernel_for(token: str) -> str:
    """The name of the kernel that a lesson on this token runs in: `python3`, or the token's own.

    A token that has one is brought up. Raises WorkbenchError when that fails.
    """
    return _PREFIX + token if tokens.interpreter(token) else KERNEL_NAME


def is_ours(kernel: str) -> bool:
    """Whether the kernel of this name is our own Python, however it is started."""
    return kernel == KERNEL_NAME or kernel.startswith(_PREFIX)


def register(token: str) -> str | None:
    """Offer JupyterLab a kernel for a token that needs one of its own; the kernel's title, or None.

    It is listed in this environment until `unregister`, and finds out how to start when it is started.
    """
    title = tokens.provider(token).kernel
    if title is None:
        return None
    folder = _registered(token)
    spec = {
        "argv": [sys.executable, "-m", "workbench.notebook.kernels", token, "-f", "{connection_file}"],
        "display_name": title,
        "language": "python",
        "metadata": {"debugger": True},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kernel.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise WorkbenchError(
            f"the kernel {title!r} cannot be listed in {folder} ({error.strerror}); workbench run needs no listing"
        ) from None
    return title


def unregister(token: str) -> None:
    """Take the token's kernel off JupyterLab's list. Doing so twice changes nothing."""
    shutil.rmtree(_registered(token), ignore_errors=True)


def _registered(token: str) -> Path:
    return Path(sys.prefix) / "share" / "jupyter" / "kernels" / (_PREFIX + token)


class _ThisPython(KernelSpecManager):
    """`python3` is the interpreter that runs us, whatever a kernel of that name elsewhere would start.

    A token's kernel is the same Python, started the way the token's module needs.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        if not is_ours(kernel_name):
            return super().get_kernel_spec(kernel_name)
        spec: dict[str, Any] = ipykernel.kernelspec.get_kernel_dict()
        if kernel_name != KERNEL_NAME:
            python = tokens.interpreter(kernel_name.removeprefix(_PREFIX))
            spec = {**spec, "argv": [*python, *spec["argv"][1:]], "display_name": kernel_name}
        return KernelSpec(resource_dir=ipykernel.kernelspec.RESOURCES, **spec)


class LessonKernelManager(AsyncKernelManager):
    """Starts kernels for lessons: this interpreter, and nobody else on the machine reads along."""

    def __init__(self, **traits: Any) -> None:
        if self.has_trait("transport_encryption"):  # jupyter_client 8.9
            traits.setdefault("transport_encryption", "required")
        super().__init__(kernel_spec_manager=_ThisPython(), **traits)


def main() -> None:
    """`python -m workbench.notebook.kernels TOKEN ARGUMENTS`: become the token's kernel, for JupyterLab."""
    token, *arguments = sys.argv[1:]
    command = [*(tokens.interpreter(token) or (sys.executable,)), "-m", "ipykernel_launcher", *arguments]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()

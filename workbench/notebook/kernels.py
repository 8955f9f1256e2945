"""How a kernel is started for a lesson: the same for everybody, whatever the user has configured for himself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import ipykernel.kernelspec
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

__all__ = ["KERNEL_ARGUMENTS", "KERNEL_NAME", "LessonKernelManager", "kernel_environment"]

KERNEL_NAME: Final = NATIVE_KERNEL_NAME

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


class _ThisPython(KernelSpecManager):
    """`python3` is the interpreter that runs us, whatever a kernel of that name elsewhere would start."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        if kernel_name == NATIVE_KERNEL_NAME:
            spec: dict[str, Any] = ipykernel.kernelspec.get_kernel_dict()
            return KernelSpec(resource_dir=ipykernel.kernelspec.RESOURCES, **spec)
        return super().get_kernel_spec(kernel_name)


class LessonKernelManager(AsyncKernelManager):
    """Starts kernels for lessons: this interpreter, and nobody else on the machine reads along."""

    def __init__(self, **traits: Any) -> None:
        if self.has_trait("transport_encryption"):  # jupyter_client 8.9
            traits.setdefault("transport_encryption", "required")
        super().__init__(kernel_spec_manager=_ThisPython(), **traits)

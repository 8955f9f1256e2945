"""Build script of the load kernel (cffi, API mode, abi3): setup.py names ``ffibuilder``.

It runs in an isolated build that holds setuptools and cffi alone, so the declarations of Cryptoki are
loaded by path and not through the package.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import cffi

HERE = Path(__file__).resolve().parent
DECLARATIONS = HERE.parent / "workbench" / "spec" / "declarations.py"
SOURCES = ("kernel.h", "kernel.c", "operations.c", "null_module.c", "null_calls.c", "null_device.c")


def _declarations() -> str:
    located = importlib.util.spec_from_file_location("workbench_declarations", DECLARATIONS)
    assert located is not None
    assert located.loader is not None
    module = importlib.util.module_from_spec(located)
    located.loader.exec_module(module)
    return str(module.cdef())


def _flags() -> list[str]:
    if sys.platform == "win32":
        return []
    # Through the PLT each reading of the clock would visit another page of code: half a percent of a short call.
    return ["-O2", "-std=gnu11", *(["-fno-plt"] if sys.platform.startswith("linux") else [])]


def _builder() -> Any:
    builder = cffi.FFI()
    header = (HERE / "kernel.h").read_text(encoding="utf-8")
    builder.cdef(
        "struct CK_ATTRIBUTE; struct CK_FUNCTION_LIST; struct CK_FUNCTION_LIST_3_2; struct CK_MECHANISM;\n"
        + header
    )
    # One translation unit: the declarations exist as text only, and the null module is called, not linked.
    parts = ["#include <stddef.h>", "#include <stdint.h>", _declarations()]
    parts += [f'#include "{name}"' for name in ("kernel.h", "kernel.c", "null_module.c")]
    builder.set_source(
        "workbench.measure._kernel",
        "\n".join(parts),
        include_dirs=[str(HERE)],
        depends=[str(HERE / name) for name in SOURCES],
        extra_compile_args=_flags(),
        libraries=[] if sys.platform == "win32" else ["pthread"],
        py_limited_api=True,
        optional=True,  # an install without a compiler works; workbench.measure then says what is slower
    )
    return builder


ffibuilder = _builder()

if __name__ == "__main__":
    ffibuilder.compile(tmpdir=str(HERE.parent), verbose=True)

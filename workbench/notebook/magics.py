"""`%load_ext workbench`: `%explain TERM` and `%%requires CKM_X [CKM_Y ...]`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, cast

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from workbench.faults import WorkbenchError
from workbench.notebook.requirement import missing_line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension"]


@magics_class
class WorkbenchMagics(Magics):
    """The magics of a lesson."""

    @line_magic
    def explain(self, line: str) -> Any:
        """Say what the standard says about a term: a function, a constant, a number.

        %explain C_Sign
        """
        import workbench

        if not line.strip():
            raise WorkbenchError("%explain needs a term, for example: %explain C_Sign")
        return workbench.explain(line.strip())

    @cell_magic
    def requires(self, line: str, cell: str) -> Any:
        """Run the cell only if the token in the variable `token` offers these mechanisms.

        %%requires CKM_EDDSA
        Otherwise the cell prints one fixed line, which a run against the committed outputs accepts.
        """
        names = line.split()
        if not names:
            raise WorkbenchError("%%requires needs a mechanism, for example: %%requires CKM_EDDSA")
        shell = cast("InteractiveShell", self.shell)  # magics are registered with a shell
        token = shell.user_ns.get("token")
        if token is None:
            raise WorkbenchError("%%requires asks the variable `token`: open one first, token = wb.open()")
        missing = [name for name in names if not token.offers(name)]
        if missing:
            print(missing_line(missing))
            return None
        return _run(shell, cell)


def _run(shell: InteractiveShell, cell: str) -> Any:
    """Run a cell's body as the cell: the value of a last expression is returned, an exception goes through.

    `shell.run_cell` would print an exception itself and then succeed.
    """
    source: str = shell.transform_cell(cell)  # type: ignore[no-untyped-call]
    filename = shell.compile.cache(source)
    tree: ast.Module = shell.transform_ast(ast.parse(source, filename))  # type: ignore[no-untyped-call]
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or source.rstrip().endswith(";"):
        exec(compile(tree, filename, "exec"), shell.user_ns)  # noqa: S102 - it is the user's own cell
        return None
    tree.body.pop()
    exec(compile(tree, filename, "exec"), shell.user_ns)  # noqa: S102
    return eval(compile(ast.Expression(last.value), filename, "eval"), shell.user_ns)  # noqa: S307


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by `%load_ext workbench`."""
    shell.register_magics(WorkbenchMagics)

"""`%load_ext workbench`: `%explain TERM`, `%%trace [NAME]` and `%%requires CKM_X [CKM_Y ...]`."""

from __future__ import annotations

import argparse
import ast
import shlex
from typing import TYPE_CHECKING, Any, NoReturn, cast

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.display import display

import workbench
from workbench.faults import WorkbenchError
from workbench.notebook.requirement import missing_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from workbench.cryptoki import Trace

__all__ = ["load_ipython_extension"]


@magics_class
class WorkbenchMagics(Magics):
    """The magics of a lesson."""

    @line_magic
    def explain(self, line: str) -> Any:
        """Say what the standard says about a term: a function, a constant, a number.

        %explain C_Sign
        """
        if not line.strip():
            raise WorkbenchError("%explain needs a term, for example: %explain C_Sign")
        return workbench.explain(line.strip())

    @cell_magic
    def trace(self, line: str, cell: str) -> Any:
        """Run the cell, then show the calls that it made: as a drawing, unless another form is asked for.

        %%trace [NAME] [--ladder] [--table] [--text] [--summary] [--chapter 5.13] [--failing] [--slow MICROSECONDS]

        NAME becomes a variable with the whole trace. --chapter, --failing and --slow choose the calls shown.
        A cell that fails is shown too, and then fails.
        """
        options = _trace_options(line)
        shell = cast("InteractiveShell", self.shell)  # magics are registered with a shell
        with workbench.trace() as made:
            if options.name:
                shell.user_ns[options.name] = made
            try:
                return _run(shell, cell)
            finally:
                _show(made, options)

    @cell_magic
    def requires(self, line: str, cell: str) -> Any:
        """Run the cell only if the token in the variable `token` offers these mechanisms, functions and ways.

        %%requires CKM_EDDSA C_SessionCancel session-objects
        Otherwise the cell prints one fixed line, which a run against the committed outputs accepts.
        """
        names = line.split()
        if not names:
            raise WorkbenchError("%%requires needs a name, for example: %%requires CKM_EDDSA")
        shell = cast("InteractiveShell", self.shell)
        token = shell.user_ns.get("token")
        if token is None:
            raise WorkbenchError("%%requires asks the variable `token`: open one first, token = wb.open()")
        missing = token.lacking(*names)
        if missing:
            print(missing_line(missing))
            return None
        return _run(shell, cell)


class _Options(argparse.ArgumentParser):
    """Says what is wrong in one sentence, where argparse would end the kernel."""

    def error(self, message: str) -> NoReturn:
        raise WorkbenchError(f"%%trace: {message}; %%trace? shows what it takes")


FORMS = ("ladder", "table", "text", "summary")


def _trace_options(line: str) -> argparse.Namespace:
    options = _Options(prog="%%trace", add_help=False, allow_abbrev=False)
    options.add_argument("name", nargs="?")
    for form in FORMS:
        options.add_argument(f"--{form}", action="store_true")
    options.add_argument("--chapter")
    options.add_argument("--failing", action="store_true")
    options.add_argument("--slow", type=float, metavar="MICROSECONDS")
    try:
        given = options.parse_args(shlex.split(line, comments=True))
    except ValueError as error:
        options.error(str(error))
    if given.name and not given.name.isidentifier():
        options.error(f"{given.name!r} is no name for a variable")
    _chosen(workbench.Trace(), given)  # what no filter takes is told before the cell runs
    return given


def _chosen(made: Trace, options: argparse.Namespace) -> Trace:
    """The calls to be shown; without a filter the notes of the program are among them."""
    if options.chapter is not None:
        made = made.filter(chapter=options.chapter)
    if options.failing:
        made = made.failing()
    return made if options.slow is None else made.slow(options.slow)


def _show(made: Trace, options: argparse.Namespace) -> None:
    """Display the chosen calls in the chosen forms."""
    shown = _chosen(made, options)
    views: dict[str, Callable[[], object]] = {
        "ladder": shown.ladder,
        "table": lambda: shown,
        "text": lambda: _Text(str(shown)),
        "summary": shown.summary,
    }
    for form in [form for form in FORMS if getattr(options, form)] or ["ladder"]:
        display(views[form]())  # type: ignore[no-untyped-call]


class _Text(str):
    """Text that shows itself as it is, without quotes."""

    def __repr__(self) -> str:
        return str.__str__(self)


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

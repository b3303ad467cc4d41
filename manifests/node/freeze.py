"""Compile modules for the frozen program: run by the interpreter whose library the program is linked with.

stdin is JSON: `modules`, a list of [name, path, shown path, is it a package, is it of the plugin], and `target`, the
file to which all code is written, one module after the other. stdout is JSON: a list of [name, offset, size, is it a
package].

Asserts and docstrings are left out. From the plugin's modules three things are left out as well, which cost time at
each start and do nothing when the plugin runs: annotations of functions, imports for type checkers, and the import of
`__future__`.
"""

from __future__ import annotations

import ast
import json
import marshal
import sys

FUTURE_ANNOTATIONS = annotations.compiler_flag


class Trimmer(ast.NodeTransformer):
    """Removes what only type checkers read. Annotations of classes stay: they are the fields of a `Record`."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Remove the annotations of a function."""
        self.generic_visit(node)
        given = node.args
        node.returns = None
        for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if argument is not None:
                argument.annotation = None
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Replace `if TYPE_CHECKING` by its `else`."""
        self.generic_visit(node)
        is_for_checkers = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if is_for_checkers else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        """Remove `from __future__`, which FUTURE_ANNOTATIONS replaces."""
        return None if node.module == "__future__" else node


def code_of(path: str, shown: str, *, is_plugin: bool) -> bytes:
    """Return the marshalled code of a module."""
    with open(path, "rb") as file:  # noqa: PTH123  # pathlib is not in a bare interpreter
        source = file.read()
    if not is_plugin:
        return marshal.dumps(compile(source, shown, "exec", dont_inherit=True, optimize=2))
    tree = Trimmer().visit(ast.parse(source))
    return marshal.dumps(compile(tree, shown, "exec", FUTURE_ANNOTATIONS, dont_inherit=True, optimize=2))


def main() -> None:
    """Compile what stdin names."""
    given = json.load(sys.stdin)
    table = []
    with open(given["target"], "wb") as blob:  # noqa: PTH123  # as above
        for name, path, shown, is_package, is_plugin in given["modules"]:
            table.append([name, blob.tell(), blob.write(code_of(path, shown, is_plugin=is_plugin)), is_package])
    sys.stdout.write(json.dumps(table))


if __name__ == "__main__":
    main()

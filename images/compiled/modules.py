"""Which modules are compiled, and which constructs in them mypyc cannot compile.

The list has the modules in which most calls of a review are made. Compiled modules call each other directly only if
they are of one group, so all are compiled as one. Modules that define mainly values are not in the list: a named tuple
stays as it is, and a `Record` cannot be compiled. `refuse` finds what breaks a module, because the compiler does not:
it makes a module that raises TypeError, or ends the interpreter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from images.machines import BuildError

MODULES = (
    "cniplugin/access/content/unsafeconfig.py",
    "cniplugin/access/judging/allowednetworks.py",
    "cniplugin/access/judging/judge.py",
    "cniplugin/access/judging/reasons.py",
    "cniplugin/access/judging/ruleindex.py",
    "cniplugin/netspec/annotation.py",
    "cniplugin/netspec/cniconfig.py",
    "cniplugin/netspec/errors.py",
    "cniplugin/netspec/jsontext.py",
    "cniplugin/netspec/names.py",
    "cniplugin/netspec/netattachdef.py",
    "cniplugin/netspec/rawjson.py",
    "cniplugin/netspec/versions.py",
    "webhook/admission/checks/agreements.py",
    "webhook/admission/checks/definitions.py",
    "webhook/admission/checks/hostports.py",
    "webhook/admission/checks/networkuse.py",
    "webhook/admission/checks/podclaims.py",
    "webhook/admission/checks/podnetworks.py",
    "webhook/admission/checks/podrequests.py",
    "webhook/admission/checks/reservedannotations.py",
    "webhook/admission/checks/shortfalls.py",
    "webhook/admission/checks/unattached.py",
    "webhook/admission/checks/unknownnamespaces.py",
    "webhook/admission/dra/claims.py",
    "webhook/admission/evaluate.py",
    "webhook/admission/model/limitsettings.py",
    "webhook/admission/model/podspec.py",
    "webhook/admission/mutate.py",
    "webhook/admission/mutation/jsonpatch.py",
    "webhook/admission/mutation/netinfo.py",
    "webhook/admission/mutation/networkneeds.py",
    "webhook/admission/mutation/podmutation.py",
    "webhook/admission/mutation/scheduling.py",
    "webhook/admission/plugins/chaining.py",
    "webhook/admission/plugins/decoding.py",
    "webhook/admission/plugins/engine.py",
    "webhook/admission/plugins/goparsing.py",
    "webhook/admission/plugins/intervals.py",
    "webhook/admission/plugins/outcomes.py",
    "webhook/admission/plugins/placement.py",
    "webhook/admission/plugins/rules/host_local.py",
    "webhook/admission/plugins/rules/ipam.py",
    "webhook/admission/plugins/rules/links.py",
    "webhook/admission/plugins/selectionrequests.py",
    "webhook/admission/view/definitions.py",
    "webhook/admission/view/needs.py",
    "webhook/admission/view/parsecache.py",
    "webhook/admission/wording/accesstext.py",
    "webhook/admission/wording/answers.py",
    "webhook/admission/wording/injectiontext.py",
)
"""Paths below the root of the project, sorted."""


INTERPRETED = "mypyc_attr(native_class=False)"
"""Keeps a class as Python makes it; its methods are compiled. A native class with a base outside of the group has
another layout than the garbage collector expects: the process ended within minutes."""


def refuse(root: Path, modules: tuple[str, ...] = MODULES) -> None:
    """Raise BuildError for the first construct of the modules that a compiled module does not survive."""
    for name in modules:
        path = root / name
        if not path.is_file():
            raise BuildError(f"{name}: there is no such module: correct images/compiled/modules.py")
        for line, problem in _problems(ast.parse(path.read_text())):
            raise BuildError(
                f"{name}:{line}: {problem}; write it otherwise, or take the module out of the list in "
                "images/compiled/modules.py"
            )


def _problems(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef():
                yield from _class_problems(node)
            case ast.FunctionDef():
                yield from _handler_problems(node)
            case ast.Compare():
                if any(isinstance(right, ast.Tuple) and _has_star(right) for right in node.comparators):
                    yield node.lineno, "mypyc cannot look for a value in a tuple with a star"
            case ast.Constant(value=str(text)):
                if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
                    yield node.lineno, "mypyc cannot write half of a surrogate pair"


def _has_star(node: ast.Tuple) -> bool:
    return any(isinstance(item, ast.Starred) for item in node.elts)


def _handler_problems(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    """NB: mypyc gives a name one type for the whole function: a second exception under it raises TypeError."""
    caught: dict[str, str] = {}
    handlers = (node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler))
    for node in handlers:
        kind = ast.unparse(node.type) if node.type else ""
        if node.name and caught.setdefault(node.name, kind) != kind:
            yield node.lineno, f"{node.name} is the name of exceptions of two types in {function.name}"


def _class_problems(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    bases = {ast.unparse(base) for base in node.bases}
    fields = (item for item in node.body if isinstance(item, ast.AnnAssign))
    if "Record" in bases:
        yield node.lineno, f"{node.name} is a Record, whose metaclass mypyc cannot call"
    elif bases == {"NamedTuple"}:
        for field in fields:
            if ast.unparse(field.annotation) == "object":
                yield field.lineno, f"mypyc cannot make a field of the type object, in the named tuple {node.name}"
    elif (bases - {"Protocol"} or node.decorator_list) and INTERPRETED not in map(ast.unparse, node.decorator_list):
        yield node.lineno, f"{node.name} has a base or a decorator, so it needs @{INTERPRETED}"

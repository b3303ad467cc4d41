"""Which files of a tree are not for Kubernetes: files of other programs, and templates that are not filled in.

A tree may hold anything: CloudFormation with tags of its own, mkdocs.yml, JSON with comments, Jinja. Only a file that
nobody has named is judged here, and only by what its text says of itself: an object of Kubernetes has apiVersion and
kind at its beginning. So a broken manifest stays an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS

from . import documents
from .documents import METADATA_PATHS, NO_OBJECT, Document
from .passedover import PassedOver
from .problems import Problem

_API_VERSION = re.compile(r"""^(?:- )?["']?apiVersion["']?[ \t]*:|"apiVersion"\s*:""", re.MULTILINE)
_KIND = re.compile(r"""^(?:- |  )?["']?kind["']?[ \t]*:|"kind"\s*:""", re.MULTILINE)
_BRACES = re.compile(r"\{\{|\{%")
_STATEMENT = re.compile(r"[ \t]*(?:- )?(?:\{\{|\{%)")
_UNFILLED = re.compile(r"\{\{.*\}\}|\{%|\$\{", re.DOTALL)
"""What no text of a judged field has: braces of Go templates and Jinja, and variables of envsubst."""

_SYNTAX = ("yaml-", "json-", "not-utf-8")
_NEAR = 2
"""Lines between a template and the place where libyaml reports it."""


def sort_out(
    text: str | None, found: Sequence[Document], problems: Sequence[Problem]
) -> tuple[list[Document], list[Problem], list[PassedOver]]:
    """Return the objects of one file that are for Kubernetes, the problems, and what is passed over.

    `text`: None for a file that is not UTF-8. `found` and `problems`: the result of reading it.
    """
    passed = list(_foreign_parts(text, found, problems))
    if passed:
        problems = [problem for problem in problems if not _is_passed(problem, passed)]
    if text is None or not _UNFILLED.search(text):
        return list(found), list(problems), passed
    templates = [document for document in found if is_template(document)]
    passed += [PassedOver("template", one.place, "a name or a network is not filled in") for one in templates]
    return [one for one in found if one not in templates], list(problems), passed


def _foreign_parts(text: str | None, found: Sequence[Document], problems: Sequence[Problem]) -> Iterator[PassedOver]:
    for problem in problems:
        where = str(problem.position)
        if problem.rule == NO_OBJECT:
            yield PassedOver("foreign", where, problem.text)
        elif problem.rule.startswith(_SYNTAX) and not found:
            if text is None or not looks_like_kubernetes(text):
                yield PassedOver("foreign", where, problem.text)
            elif _is_near_template(text, problem.position.line):
                yield PassedOver("template", where, problem.text)


def _is_passed(problem: Problem, passed: Iterable[PassedOver]) -> bool:
    return any(one.where == str(problem.position) and one.why == problem.text for one in passed)


def looks_like_kubernetes(text: str) -> bool:
    """Say whether a text that cannot be parsed was meant as an object of Kubernetes."""
    return bool(_API_VERSION.search(text) and _KIND.search(text))


def _is_near_template(text: str, line: int) -> bool:
    """Say whether a template is likely the reason why a line is not YAML. NB: libyaml reports some of them later."""
    lines = text.splitlines()
    near = lines[max(line - 1 - _NEAR, 0) : line]
    return any(_BRACES.search(one) for one in near) or any(_STATEMENT.match(one) for one in lines[:line])


def is_template(document: Document) -> bool:
    """Say whether a judged field of an object holds a template or a variable."""
    return any(_UNFILLED.search(value) for value in _judged_texts(document.object) if isinstance(value, str))


def _judged_texts(value: Mapping[str, Any]) -> Iterator[object]:
    spec = value.get("spec")
    if isinstance(spec, dict):
        yield spec.get("config")
    for path in METADATA_PATHS:
        metadata = documents.dig(value, path)
        if isinstance(metadata, dict):
            yield metadata.get("name")
            yield metadata.get("namespace")
            annotations = metadata.get("annotations")
            if isinstance(annotations, dict):
                yield annotations.get(NETWORKS)
                yield annotations.get(DEFAULT_NETWORK)

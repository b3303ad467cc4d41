"""Files of policy tests (`PolicyTest`): YAML to values, or to every mistake with its line and column.

    apiVersion: test.nadmit.io/v1alpha1
    kind: PolicyTest
    cluster: [../cluster.yaml, policy.yaml]      # files and folders, relative to this file
    settings: ../nadmit.yaml                     # a NadmitConfiguration, for what is not access
    tests:
    - name: the database may use the storage network
      pod: {namespace: blue, serviceAccount: database}
      networks: infra/storage
      expect: allow
      decidedBy: blue-storage/san                # POLICY/RULE, or a code such as PostureIsolated

Kubernetes objects beside the PolicyTest in its file belong to the cluster as well. A test asks about a `pod`, a
`definition`, or any other object (`object`, or `file`), which is new, or changed if there is an `old` one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from cniplugin.netspec.errors import show
from cniplugin.netspec.jsontext import join, quote
from cniplugin.netspec.names import nearest
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from webhook.files import load_file
from webhook.trees import manifests, treefiles
from webhook.trees.documents import Document
from webhook.trees.ownkinds import TEST_GROUP, TEST_KIND
from webhook.trees.problems import Position, Problem

RULE = "policy-test"
ALLOW, WARN, DENY = "allow", "warn", "deny"

MARK = TEST_KIND.encode()
"""A file without this text has no policy test, and is not read further."""


class _Part(BaseModel):
    """A mapping of a test. Unknown keys are problems, and pydantic converts no value to another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


def _check_decider(text: str) -> str:
    if text.count("/") > 1 or not all(text.split("/")):
        raise ValueError(f"not a decider: {show(text)}; allowed: POLICY/RULE, or a code such as PostureIsolated")
    return text


def _check_networks(value: object) -> object:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | dict) for one in items if value is not None) or isinstance(value, dict):
        allowed = "the text of the annotation, or a list of names and of elements as in its JSON form"
        raise ValueError(f"wrong type: {show(value)}; allowed: {allowed}")
    return value


def _check_config(value: object) -> object:
    if not isinstance(value, str | dict):
        # NB: pydantic gathers ValueErrors only.
        raise ValueError(f"wrong type: {show(value)}; allowed: a CNI configuration as text, or as a mapping")  # noqa: TRY004
    return value


class _Pod(_Part):
    namespace: str
    name: str = "pod"
    service_account: str = "default"
    labels: dict[str, str] = Field(default={})


class _Definition(_Part):
    namespace: str
    name: str = "made"
    config: Annotated[Any, AfterValidator(_check_config)]
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})


class _User(_Part):
    name: str
    groups: list[str] = Field(default=[])


class _Test(_Part):
    name: str
    pod: _Pod | None = None
    networks: Annotated[Any, AfterValidator(_check_networks)] = None
    default_network: str | None = None
    definition: _Definition | None = None
    object: dict[str, Any] | None = None
    file: str | None = None
    old: dict[str, Any] | None = None
    user: _User | None = None
    expect: Literal["allow", "warn", "deny"]
    decided_by: Annotated[str, AfterValidator(_check_decider)] | None = None
    message: str | None = None


class _File(_Part):
    api_version: str
    kind: str
    metadata: dict[str, Any] = Field(default={})
    cluster: list[str] = Field(default=[])
    settings: str | None = None
    tests: list[_Test] = Field(min_length=1)


class Case(NamedTuple):
    """One test. `object` is asked about; `old` is the object before, None for a new one. `position`: of the test.

    `user` and `groups` are "" and () without a user. `decided_by`: "" for anybody; `message`: "" for any.
    """

    name: str
    position: Position
    object: Mapping[str, Any]
    old: Mapping[str, Any] | None
    user: str
    groups: tuple[str, ...]
    expect: str
    decided_by: str
    message: str


class PolicyTest(NamedTuple):
    """One document with its tests. `cluster`: the files of the cluster; `beside`: the other objects of its own file.

    `settings`: the file of a NadmitConfiguration, "" without one.
    """

    file: str
    position: Position
    cluster: tuple[str, ...]
    beside: tuple[Document, ...]
    settings: str
    cases: tuple[Case, ...]


def find_tests(paths: Sequence[str], problems: list[Problem]) -> Iterator[PolicyTest]:
    """Yield the tests of files, and of the files below folders, in order. Raises ManifestError for a missing path."""
    for file in manifests.find_files(paths):
        try:
            data = load_file(Path(file), bytes_max=treefiles.FILE_BYTES_MAX)
        except OSError as error:
            problems.append(Problem(Position(file), RULE, f"cannot be read: {(error.strerror or str(error)).lower()}"))
            continue
        if MARK in data:
            yield from read_tests(data, file, problems)


def read_tests(data: bytes, file: str, problems: list[Problem]) -> Iterator[PolicyTest]:
    """Yield the tests in the content of a file, and add its problems to `problems`."""
    documents = list(manifests.read_bytes(data, file=file, problems=problems))
    beside = tuple(one for one in documents if not _is_test(one))
    for document in documents:
        if _is_test(document):
            try:
                read = _File.model_validate(document.object)
            except ValidationError as error:
                problems.extend(_problems(document, error))
            else:
                yield _placed(document, read, beside, problems)


def _is_test(document: Document) -> bool:
    return (document.group, document.kind) == (TEST_GROUP, TEST_KIND)


def _placed(document: Document, read: _File, beside: tuple[Document, ...], problems: list[Problem]) -> PolicyTest:
    cases = []
    seen: set[str] = set()
    for index, test in enumerate(read.tests):
        path = f"tests[{index}]"
        wrong = list(_mistakes(test, seen, path))
        seen.add(test.name)
        problems.extend(Problem(document.locate(field), RULE, f"{field}: {text}") for field, text in wrong)
        if not wrong and (asked := _object(test, document, path, problems)) is not None:
            cases.append(_case(test, document, path, asked))
    return PolicyTest(
        document.file,
        document.locate(),
        tuple(_beside(document, one) for one in read.cluster),
        beside,
        _beside(document, read.settings) if read.settings else "",
        tuple(cases),
    )


def _beside(document: Document, path: str) -> str:
    """Return a path that is relative to the file of a document."""
    return os.path.normpath(Path(document.file).parent / path)


def _mistakes(test: _Test, seen: Iterable[str], path: str) -> Iterator[tuple[str, str]]:
    """Yield the fields of a test that do not go together."""
    if test.name in seen:
        yield f"{path}.name", f"another test of this file is called {show(test.name)}; rename one of them"
    subjects = [key for key in SUBJECTS if getattr(test, key) is not None]
    if len(subjects) != 1:
        count = "nothing is asked about" if not subjects else f"{' and '.join(subjects)} are both asked about"
        yield path, f"{count}; write one of {', '.join(SUBJECTS)}"
        return
    asks = [key for key, value in (("networks", test.networks), ("defaultNetwork", test.default_network)) if value]
    if test.pod is None and asks:
        yield f"{path}.{asks[0]}", "this belongs to a pod; write it into the annotations of the object"
    if test.old is not None and test.object is None:
        yield f"{path}.old", "this belongs to object, which is the changed one; write both in full"


SUBJECTS = ("pod", "definition", "object", "file")
"""What a test asks about: one of these."""


def _object(test: _Test, document: Document, path: str, problems: list[Problem]) -> Mapping[str, Any] | None:
    """Return the object that a test asks about; None if it cannot be read, which is one of the `problems`."""
    if test.pod is not None:
        return _pod(test.pod, test)
    if test.definition is not None:
        return _definition(test.definition)
    if test.object is not None:
        return _readable(test.object, f"{path}.object", document, problems)
    file = _beside(document, test.file or "")
    found: list[Problem] = []
    objects = list(manifests.read_file(file, found))
    problems.extend(found)
    if len(objects) == 1:
        return objects[0].object
    if not found:
        text = f"{file} has {len(objects)} objects; allowed: one, write the others into cluster"
        problems.append(Problem(document.locate(f"{path}.file"), RULE, f"{path}.file: {text}"))
    return None


def _readable(
    value: Mapping[str, Any], field: str, document: Document, problems: list[Problem]
) -> Mapping[str, Any] | None:
    missing = [key for key in ("apiVersion", "kind", "metadata") if not value.get(key)]
    if not missing:
        return value
    text = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; write a whole object"
    problems.append(Problem(document.locate(field), RULE, f"{field}: {text}"))
    return None


def _pod(pod: _Pod, test: _Test) -> Mapping[str, Any]:
    asked = {NETWORKS: _annotation(test.networks), DEFAULT_NETWORK: test.default_network}
    metadata = {
        "name": pod.name,
        "namespace": pod.namespace,
        "labels": pod.labels,
        "annotations": {key: text for key, text in asked.items() if text is not None},
    }
    spec = {"serviceAccountName": pod.service_account, "containers": [{"name": "test", "image": "test"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _annotation(networks: str | list[str | dict[str, Any]] | None) -> str | None:
    """Return the text of the annotation: a list of names is the comma form, one with an object the JSON form."""
    if networks is None or isinstance(networks, str):
        return networks
    names = [one for one in networks if isinstance(one, str)]
    if len(names) == len(networks):
        return ",".join(names)
    return quote([_element(one) if isinstance(one, str) else one for one in networks])


def _element(text: str) -> dict[str, str]:
    reference, _, interface = text.partition("@")
    namespace, _, name = reference.rpartition("/")
    parts = {"name": name, "namespace": namespace, "interface": interface}
    return {key: part for key, part in parts.items() if part}


def _definition(definition: _Definition) -> Mapping[str, Any]:
    config = definition.config if isinstance(definition.config, str) else quote(definition.config)
    metadata = definition.model_dump(include={"name", "namespace", "labels", "annotations"})
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return {**kind, "metadata": metadata, "spec": {"config": config}}


def _case(test: _Test, document: Document, path: str, asked: Mapping[str, Any]) -> Case:
    user = test.user
    return Case(
        name=test.name,
        position=document.locate(path),
        object=asked,
        old=test.old,
        user=user.name if user else "",
        groups=tuple(user.groups) if user else (),
        expect=test.expect,
        decided_by=test.decided_by or "",
        message=test.message or "",
    )


# Mistakes that pydantic finds


def _problems(document: Document, error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        steps = detail["loc"]
        path = ""
        for step in steps:
            path = f"{path}[{step}]" if isinstance(step, int) else join(path, str(step))
        text = _DESCRIPTIONS.get(detail["type"], _describe_other)(detail, steps)
        yield Problem(document.locate(path), RULE, f"{path}: {text}" if path else text)


_PARTS: Mapping[str, type[_Part]] = {"pod": _Pod, "definition": _Definition, "user": _User}


def _describe_unknown(_detail: Mapping[str, Any], steps: Sequence[str | int]) -> str:
    within = str(steps[-2]) if len(steps) > 1 else ""
    part = _PARTS.get(within) or (_Test if "tests" in steps else _File)
    known = [str(field.alias or name) for name, field in part.model_fields.items()]
    near = nearest(str(steps[-1]), known)
    hint = f'did you mean "{near}"? ' if near else ""
    return f"no such field; {hint}allowed: {', '.join(known)}"


def _describe_other(detail: Mapping[str, Any], _steps: Sequence[str | int]) -> str:
    return f"wrong type: {show(detail['input'])}; allowed: {_ALLOWED.get(detail['type'], 'another type')}"


_ALLOWED = {
    "string_type": "a string: quote it",
    "list_type": "a list",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping"),
}

_DESCRIPTIONS: Mapping[str, Callable[[Mapping[str, Any], Sequence[str | int]], str]] = {
    "extra_forbidden": _describe_unknown,
    "missing": lambda _detail, _steps: "it is missing; add it",
    "literal_error": lambda detail, _steps: f"unknown value: {show(detail['input'])}; allowed: allow, warn, deny",
    "too_short": lambda _detail, _steps: "there is no test; add one",
    "value_error": lambda detail, _steps: str(detail["ctx"]["error"]),
}

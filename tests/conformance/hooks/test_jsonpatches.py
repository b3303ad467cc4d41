"""The judge of patches: the examples of RFC 6902, appendix A, and what it must not let pass."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conformance.hooks.jsonpatches import PatchError, apply

EXAMPLES: dict[str, tuple[Any, list[Any], Any]] = {
    "A.1": ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    "A.2": ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "q"}], {"foo": ["bar", "q", "baz"]}),
    "A.3": ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    "A.4": ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    "A.5": ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    "A.6": ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
    "A.7": ({"foo": [1, 2, 3, 4]}, [{"op": "move", "from": "/foo/1", "path": "/foo/3"}], {"foo": [1, 3, 4, 2]}),
    "A.8": ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "qux"}], {"baz": "qux"}),
    "A.10": ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"g": {}}}], {"foo": "bar", "child": {"g": {}}}),
    "A.11": ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": 1, "xyz": 2}], {"foo": "bar", "baz": 1}),
    "A.14": ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    "A.16": ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["a"]}], {"foo": ["bar", ["a"]]}),
    "copy": ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
    "a slash in a key": (
        {"a": {}},
        [{"op": "add", "path": "/a/example.com~1b", "value": "1"}],
        {"a": {"example.com/b": "1"}},
    ),
    "the whole": ({"a": 1}, [{"op": "replace", "path": "", "value": []}], []),
    "nothing": ({"a": 1}, [], {"a": 1}),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str) -> None:
    document, patch, expected = EXAMPLES[name]
    before = copy.deepcopy(document)
    assert apply(patch, document) == expected
    assert document == before


WRONG: dict[str, Any] = {
    "no object": "add",
    "no op": {"path": "/a", "value": 1},
    "an unknown op": {"op": "merge", "path": "/a", "value": 1},
    "op in capitals": {"op": "Add", "path": "/a", "value": 1},
    "no path": {"op": "remove"},
    "no value": {"op": "add", "path": "/b"},
    "no from": {"op": "move", "path": "/b"},
    "a pointer without a slash": {"op": "add", "path": "b", "value": 1},
    "a tilde alone": {"op": "add", "path": "/a~b", "value": 1},
    "the parent is missing": {"op": "add", "path": "/b/c", "value": 1},
    "the parent is no container": {"op": "add", "path": "/a/c", "value": 1},
    "replace what is missing": {"op": "replace", "path": "/b", "value": 1},
    "remove what is missing": {"op": "remove", "path": "/b"},
    "remove the whole": {"op": "remove", "path": ""},
    "an index beyond the end": {"op": "add", "path": "/l/3", "value": 1},
    "an index with a zero before it": {"op": "add", "path": "/l/01", "value": 1},
    "a negative index": {"op": "remove", "path": "/l/-1"},
    "behind the last, to remove": {"op": "remove", "path": "/l/-"},
    "a test that fails": {"op": "test", "path": "/a", "value": 2},
    "a move into itself": {"op": "move", "from": "/o", "path": "/o/p"},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_an_api_server_cannot_apply(name: str) -> None:
    with pytest.raises(PatchError):
        apply([WRONG[name]], {"a": 1, "l": [1, 2], "o": {"p": 1}})

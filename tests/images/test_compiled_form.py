"""The compiled form: what it is built from, what it refuses to build, and that it answers as the plain form does."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from images.compiled import wheel
from images.compiled.modules import MODULES, refuse
from images.machines import BuildError
from images.webhook import COMPILED, PLAIN, _form
from tests.builtonce import built_once
from tests.paths import ROOT

from .conftest import FOREIGN, HERE

FEW = tuple(
    f"cniplugin/netspec/{name}.py"
    for name in ("cniconfig", "errors", "jsontext", "names", "netattachdef", "rawjson", "versions")
)
"""Enough for a quick build: JSON, the configuration of a network, and a class of each sort that is not native."""
BUILD = """\
import sys, tempfile
from pathlib import Path
from images.compiled import tree, wheel
from tests.images.test_compiled_form import FEW

directory = Path(sys.argv[1])
with tempfile.TemporaryDirectory() as scratch:
    built = wheel.build(Path(scratch), FEW, optimize="0")
    tree.make(directory / "tree", built)
    built.rename(directory / built.name)
"""
ANSWERS = """\
import gc
from cniplugin.netspec import cniconfig, jsontext, netattachdef
from cniplugin.netspec.errors import SpecErrors

def answer(text):
    try:
        return repr(netattachdef.build(namespace="blue", name="lan", config=text))
    except SpecErrors as errors:
        return repr(errors.errors)

for depth in (1, 64, 65, 1_000, 100_000):
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        text = opening * depth + "1" + closing * depth
        print(answer(text)[:300])
        print(answer('{"cniVersion": "1.0.0", "name": "lan", "type": "a", "more": ' + text + "}")[:300])
plugin = '{"cniVersion": "1.0.0", "name": "lan", "type": "bridge", "ipam": {"type": "host-local"}, "mtu": %s}'
for number in ("1", "1.5", "1e999", "NaN", "-0", "9" * 99, "9" * 101, '"\\\\ud800"', "[1,]", '{"a": 1, "a": 2}'):
    print(answer(plugin % number))
for text in ("", "x", "{", '{"a" 1}', "\\ufeff{}", "null", "[]", '"text"'):
    print(answer(text))
kept = [netattachdef.build(namespace="blue", name=str(number), config=plugin % number) for number in range(5_000)]
again = [network.replace(name="lan") for network in kept]
gc.collect()
print(len(again), again[0] == again[0].replace(), again[0] == again[1], jsontext.quote([1, {"a": None}]))
del kept, again
gc.collect()
print(cniconfig.__file__.rpartition("/")[2].partition(".")[0])
"""
needs_tools = pytest.mark.skipif(bool(wheel.missing_tools()), reason=f"compiles: {wheel.missing_tools()}")


def test_the_list_has_modules_that_can_be_compiled() -> None:
    assert list(MODULES) == sorted(set(MODULES))
    refuse(ROOT)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class A(Record):\n    b: int\n", "a.py:1: A is a Record"),
        ("class A(B):\n    pass\n", "a.py:1: A has a base or a decorator, so it needs @mypyc_attr(native_class=False)"),
        ("@dataclass(slots=True)\nclass A:\n    b: int\n", "a.py:2: A has a base or a decorator"),
        ("class A(NamedTuple):\n    b: object = None\n", "a.py:2: mypyc cannot make a field of the type object"),
        ("def a(b, c, d):\n    return b in (c, *d)\n", "a.py:2: mypyc cannot look for a value in a tuple with a star"),
        ("A = '\\ud800'\n", "a.py:1: mypyc cannot write half of a surrogate pair"),
        (
            "def a():\n    try:\n        b()\n    except KeyError as e:\n        c(e)\n    except ValueError as e:\n        c(e)\n",
            "a.py:6: e is the name of exceptions of two types in a",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_its_line(source: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(source)
    with pytest.raises(BuildError) as caught:
        refuse(tmp_path, ("a.py",))
    assert str(caught.value).startswith(words)
    assert str(caught.value).endswith("or take the module out of the list in images/compiled/modules.py")


def test_what_can_be_compiled_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "class A:\n    pass\n\n\nclass B(NamedTuple):\n    c: int\n\n\n@mypyc_attr(native_class=False)\nclass D(A):\n    pass\n"
        "\n\ndef e(b, c):\n    return b in (c, 1)\n"
    )
    refuse(tmp_path, ("a.py",))


def test_a_module_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"^gone\.py: there is no such module: correct images/compiled/modules\.py$"):
        refuse(tmp_path, ("gone.py",))


def _build_wheel(output: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "images.compiled.wheel", f"--output={output}"]
    return subprocess.run(command, env={**os.environ, **environ}, cwd=ROOT, capture_output=True, text=True, check=False)


def test_without_a_compiler_there_is_one_line(tmp_path: Path) -> None:
    done = _build_wheel(tmp_path, CC="no-such-compiler -O2")
    assert done.returncode == 1
    assert done.stderr == ("compiled wheel: there is no C compiler 'no-such-compiler': install gcc and libc6-dev\n")
    assert list(tmp_path.iterdir()) == []


def test_the_image_takes_the_compiled_form_if_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "missing_tools", lambda: "")
    assert _form(HERE, COMPILED) == COMPILED
    assert _form(HERE, PLAIN) == _form(FOREIGN, PLAIN) == PLAIN
    with pytest.raises(
        BuildError, match=f"^--form compiled for {FOREIGN.name}: this machine is .*; or leave --form out"
    ):
        _form(FOREIGN, COMPILED)
    monkeypatch.setattr(wheel, "missing_tools", lambda: "mypyc is not installed: make venv")
    with pytest.raises(BuildError, match=r"mypyc is not installed: make venv; or leave --form out"):
        _form(HERE, COMPILED)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel in which a few modules are compiled, and the tree with them."""
    return built_once(
        tmp_path_factory,
        "compiled-form",
        lambda directory: [sys.executable, "-c", BUILD, str(directory)],
        PYTHONPATH=str(ROOT),
    )


def _answers(root: Path) -> list[str]:
    environ = {**os.environ, "PYTHONHASHSEED": "0"}  # sets are printed in their order
    command = [sys.executable, "-c", ANSWERS]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@needs_tools
def test_both_forms_give_the_same_answers_to_hostile_texts(built: Path) -> None:
    found = {path.name.partition(".")[0] for path in built.glob("tree/cniplugin/netspec/*.so")}
    assert found == {Path(name).stem for name in FEW}
    compiled = _answers(built / "tree")
    assert compiled == _answers(ROOT)
    assert compiled[-2:] == ['5000 True False [1,{"a":null}]', "cniconfig"]


@pytest.mark.slow
@needs_tools
def test_the_version_names_the_form(built: Path) -> None:
    command = [sys.executable, "-m", "webhook", "--version"]
    done = subprocess.run(command, cwd=built / "tree", capture_output=True, text=True, check=True)
    assert done.stdout.endswith(" (compiled)\n")


@pytest.mark.slow
@needs_tools
def test_the_wheel_has_the_sources_and_a_tag(built: Path) -> None:
    (made,) = built.glob("*.whl")
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{tag}-{tag}-linux_" in made.name
    with zipfile.ZipFile(made) as archive:
        names = set(archive.namelist())
    assert {"cniplugin/netspec/errors.py", "webhook/plugindata/bridge.json", "certs/py.typed"} <= names
    assert sum(name.endswith(".so") for name in names) == len(FEW) + 1  # and the group

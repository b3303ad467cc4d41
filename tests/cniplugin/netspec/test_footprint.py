"""The cost of importing the standard on the node: modules, and time compared with a bare interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.paths import ROOT as PROJECT

ROOT = str(PROJECT)
LOAD = f"import sys; sys.path.insert(0, {ROOT!r}); before = set(sys.modules); "
OWN = "import cniplugin.netspec.networkstatus, cniplugin.netspec.plan, cniplugin.access.judging.judge; "

ALLOWED = {"__future__", "_json"}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-IS", "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.plain
def test_only_the_c_module_of_json_is_loaded() -> None:
    loaded = set(run(LOAD + OWN + "print(*sorted(set(sys.modules) - before))").split())
    others = {name for name in loaded if not name.startswith("cniplugin")}
    assert others - ALLOWED == set()
    assert "cniplugin.netspec.plan" in loaded


@pytest.mark.parametrize("text", ['{"a" 1}', "[1,]", '["a', "[tru]", "x", ""])
def test_an_error_loads_json_for_its_message(text: str) -> None:
    """NB: pytest has loaded `json`, and the C scanner then behaves differently; so this uses another process."""
    code = "from cniplugin.netspec.rawjson import loads\ntry: loads({!r})\nexcept ValueError as error: print(error)"
    assert "char" in run(LOAD + "\n" + code.format(text))


@pytest.mark.slow
def test_the_import_costs_less_than_two_bare_interpreters() -> None:
    """The budget of the whole plugin is a bare interpreter plus 10 ms; this is its largest part, modules precompiled."""
    import compileall
    import resource

    compileall.compile_dir(ROOT + "/cniplugin", quiet=2)

    def best(code: str) -> float:
        times = []
        for _ in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-IS", "-c", code], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        return min(times)

    assert best(LOAD + OWN) < 3 * best("pass")

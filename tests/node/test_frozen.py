"""The form `frozen` of the node bundle: what it reads of the host, how it starts, and what it says if it cannot be built."""

from __future__ import annotations

import json
import marshal
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.node.bundles import PLACE, archive_of, build_script, extract, missing_part, python

MISSING = missing_part()


def test_the_form_can_be_built_here() -> None:
    if MISSING:
        pytest.skip(f"only the form `modules` is tested: {MISSING}")
    assert build_script("bundle")._best_form() == "frozen"


@pytest.fixture
def root(node_bundle: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory with only the bundle in it."""
    return extract(archive_of("frozen", node_bundle, tmp_path_factory), tmp_path / "root")


def run(root: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = ["/usr/sbin/chroot", str(root), f"/{PLACE}/nadmit/bin/nadmit", *words]
    return subprocess.run(command, env=environ, input="{}", capture_output=True, text=True, check=False, timeout=60)


can_run = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason="the form `frozen` cannot be built here; the first test says why"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for chroot"),
]


class TestTheProgram:
    """In an empty root."""

    pytestmark = can_run

    def test_it_is_one_static_file(self, root: Path) -> None:
        top = root / PLACE / "nadmit"
        programs = [
            path for path in top.rglob("*") if path.is_file() and os.access(path, os.X_OK) and not path.is_symlink()
        ]
        assert programs == [top / "bin/nadmit"]
        shown = subprocess.run(["readelf", "-lW", programs[0]], capture_output=True, text=True, check=True).stdout
        assert "INTERP" not in shown
        assert "DYNAMIC" not in shown

    def test_files_beside_it_do_not_change_what_it_runs(self, root: Path) -> None:
        top = root / PLACE / "nadmit"
        library = top / "lib/python3.11"
        library.mkdir(parents=True)
        for name in ("os.py", "site.py", "sitecustomize.py", "cniplugin.py"):
            for folder in (library, top / "bin", root):
                (folder / name).write_text("raise SystemExit('planted')\n")
        for name in ("bin/pyvenv.cfg", "pyvenv.cfg", "bin/nadmit._pth", "bin/python311._pth"):
            (top / name).write_text(f"home = /{PLACE}/nadmit/lib\nimport site\n")
        environ = {"PYTHONHOME": "/", "PYTHONPATH": "/", "PYTHONSTARTUP": "/os.py", "PYTHONINSPECT": "1"}
        done = run(root, CNI_COMMAND="VERSION", **environ)
        assert "supportedVersions" in done.stdout, done.stderr
        assert python(root, "import sys; print(sys.path, sys.flags.isolated, sys.flags.utf8_mode)") == "[] 1 1\n"

    def test_openssl_of_the_host_is_not_asked(self, root: Path) -> None:
        (root / "usr/lib/ssl").mkdir(parents=True)
        (root / "usr/lib/ssl/openssl.cnf").write_text(
            "openssl_conf = top\n[top]\nssl_conf = all\n[all]\nsystem_default = here\n[here]\nMaxProtocol = TLSv1.2\n"
        )
        code = "import _ssl; print(_ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT).maximum_version)"
        assert int(python(root, code)) == -1, "MAXIMUM_SUPPORTED: the host's TLSv1.2 would be 771"

    def test_a_broken_start_is_an_error_that_the_runtime_can_read(self, root: Path, tmp_path: Path) -> None:
        frozen, bundle = build_script("frozen"), build_script("bundle")
        package = tmp_path / "cniplugin"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text("import absent\n")
        parts = frozen.find_parts()
        modules = bundle.find_modules(str(parts.python), (*bundle.LEFT_OUT, *frozen.LEFT_OUT))
        frozen.build(parts, modules, package, root / PLACE / "nadmit/bin/nadmit", tmp_path)
        done = run(root, CNI_COMMAND="ADD")
        assert done.returncode == 1
        found = json.loads(done.stdout)
        assert (found["code"], found["msg"].rpartition(": ")[2]) == (999, "the plugin does not run; stderr says why")
        assert "ModuleNotFoundError: No module named 'absent'" in done.stderr

    def test_a_closed_stdin_and_stdout_do_not_stop_it(self, root: Path) -> None:
        command = ["/usr/sbin/chroot", str(root), f"/{PLACE}/nadmit/bin/nadmit"]
        script = 'exec "$@" <&- >&- 2>&-'
        done = subprocess.run(["sh", "-c", script, "sh", *command], env={"CNI_COMMAND": "VERSION"}, check=False)
        assert done.returncode in {0, 1}, "an exit code, and not a signal"


@pytest.mark.skipif(bool(MISSING), reason="the form `frozen` cannot be built here; the first test says why")
def test_a_missing_part_is_named(tmp_path: Path) -> None:
    frozen, error = build_script("frozen"), build_script("buildtools").BundleError
    with pytest.raises(
        error, match=r"^the sources of Python 3\.\S+ are not there \(none\); make packages fetches them$"
    ):
        frozen.find_parts(tmp_path)
    with pytest.raises(error, match=r"^there is no libabsent\.a; on Debian: apt-get install libssl-dev zlib1g-dev"):
        frozen.find_library("absent")


def test_what_only_type_checkers_read_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "some.py"
    source.write_text(
        '"""Some module."""\nfrom __future__ import annotations\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n'
        "    import absent\nelse:\n    present = 1\n"
        'class Point:\n    """A point."""\n    x: absent.Number\n    def far(self, *given: absent.A, by: absent.B = 7) -> absent.C:\n'
        "        number: absent.Number = by\n        return number\n"
    )
    names: dict[str, Any] = {}
    exec(marshal.loads(build_script("freeze").code_of(str(source), "shown.py", is_plugin=True)), names)  # noqa: S102, S302
    point = names["Point"]
    assert names["present"] == 1
    assert "annotations" not in names
    assert point.__annotations__ == {"x": "absent.Number"}
    assert point.far.__annotations__ == {}
    assert (point.__doc__, names.get("__doc__")) == (None, None)
    assert point().far() == 7
    assert point.far.__code__.co_filename == "shown.py"


SOURCES_LIST = """\
deb [signed-by=/k.gpg] https://mirror.test/debian bookworm main contrib
# deb https://mirror.test/old bookworm main
deb-src https://mirror.test/debian bookworm main
deb https://mirror.test/debian-security bookworm-security main
deb https://other.test/apt stable main
"""
STANZAS = """\
Types: deb
# http://snapshot.test/archive
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k.gpg

Types: deb
URIs: https://other.test/apt
Suites: stable
Components: main
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SOURCES_LIST,
            (
                "deb-src [signed-by=/k.gpg] https://mirror.test/debian bookworm main contrib\n"
                "deb-src https://mirror.test/debian-security bookworm-security main\n"
            ),
        ),
        (
            STANZAS,
            (
                "Types: deb-src\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
                "Signed-By: /k.gpg\n"
            ),
        ),
        ("", ""),
    ],
)
def test_the_mirrors_of_the_machine_are_asked_for_sources(text: str, expected: str) -> None:
    assert build_script("pythonsource")._as_sources(text, "bookworm") == expected


@pytest.mark.skipif(not Path("/usr/include/python3.11/Python.h").exists(), reason="needs the headers of Python 3.11")
def test_sources_that_are_there_are_not_fetched_again(tmp_path: Path) -> None:
    script = build_script("pythonsource")
    version = script.header_version(script.include_directory() / "patchlevel.h")
    (tmp_path / "version").write_text(f"{version}-6\n")
    assert script.fetch(tmp_path) == f"{tmp_path} has {version}-6"
    assert [path.name for path in tmp_path.iterdir()] == ["version"]

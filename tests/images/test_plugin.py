"""The archive of `kubectl nadmit`: it runs with an interpreter alone, as a package manager unpacks and links it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from images import plugin
from images.machines import MACHINES, BuildError
from images.parts import folder_of
from requirements.image import PLUGIN, PLUGIN_PYTHONS
from tests.builtonce import built_once
from tests.manifests.rendered import KUBECTL
from tests.paths import EXAMPLES, ROOT

from .conftest import HERE, _need_parts

pytestmark = pytest.mark.slow
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive for this machine."""
    _need_parts("plugin", HERE.name)
    directory = built_once(
        tmp_path_factory,
        "kubectl-plugin",
        lambda target: [sys.executable, "-m", "images.plugin", f"--output={target}", HERE.name],
        PYTHONPATH=str(ROOT),
    )
    (made,) = directory.iterdir()
    return made


@pytest.fixture(scope="module")
def store(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked archive."""
    target = tmp_path_factory.mktemp("store")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return target


def run(store: Path, folder: Path, interpreter: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl where PATH has the link to the plugin, an interpreter, and the tools of the system."""
    links = folder / "links"
    links.mkdir(exist_ok=True)
    for name, target in (("python3", interpreter), ("kubectl-nadmit", str(store / "kubectl-nadmit"))):
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(target)
    environ = {"PATH": f"{links}:/usr/bin:/bin", "KUBECONFIG": "/dev/null", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(KUBECTL), "nadmit", *words]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)


def interpreters() -> dict[str, str]:
    """Return this interpreter, outside of its virtual environment, and others of this machine that the archive is for."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    others = {python: shutil.which(f"python{python}") for python in PLUGIN_PYTHONS if python != version}
    base: str = getattr(sys, "_base_executable", sys.executable)
    return {version: base, **{python: path for python, path in others.items() if path and works(path, python)}}


def works(path: str, python: str) -> bool:
    """Say whether a program is this interpreter, and not a stand-in of a version manager."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.startswith(f"Python {python}.")


@pytest.mark.parametrize("interpreter", interpreters().values(), ids=interpreters())
def test_it_runs_with_python_alone(store: Path, tmp_path: Path, interpreter: str) -> None:
    done = run(store, tmp_path, interpreter, "--version")
    assert (done.returncode, done.stdout) == (0, f"nadmit {PROJECT['version']}\n"), done.stderr
    done = run(store, tmp_path, interpreter, "check", str(EXAMPLES / "cluster"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("0 problems, 1 warning\n")
    done = run(store, tmp_path, interpreter, "check", "--help")
    assert done.stdout.startswith("Usage: kubectl nadmit check")


def test_another_python_is_named(store: Path, tmp_path: Path) -> None:
    """The program is read by interpreters that are too old, so it is compiled with the grammar of Python 3.0."""
    text = (store / "kubectl-nadmit").read_text()
    compile(text, "kubectl-nadmit", "exec", dont_inherit=True)
    assert not re.search(r"\bf['\"]|:=", text)
    old = tmp_path / "old"
    old.write_text(f"#!{sys.executable}\nimport sys\nsys.version_info = (3, 10, 4)\nexec(open(sys.argv[1]).read())\n")
    old.chmod(0o755)
    done = subprocess.run([old, store / "kubectl-nadmit"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is Python 3.10; allowed: 3.11 to 3.14; put one of these first on PATH as python3" in done.stderr


def test_all_commands_and_notices_are_there(store: Path) -> None:
    commands = PROJECT["scripts"].keys() - {"nadmit-conformance"}  # it needs pytest, and is not for users of kubectl
    assert {path.name for path in store.iterdir()} == {*commands, "lib", "LICENSE"}
    extensions = {path.name for path in (store / "lib/pydantic_core").glob("*.so")}
    assert len(extensions) == len(PLUGIN_PYTHONS)


def test_the_same_parts_give_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    (again,) = plugin.build([HERE], tmp_path)
    assert again.read_bytes() == archive.read_bytes()


def test_without_parts_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"these wheels are missing: .*: make image-parts"):
        plugin.build([HERE], tmp_path, parts=tmp_path)


def test_each_package_has_its_hashes() -> None:
    """Wheels of extension modules differ by interpreter and machine, others are one file."""
    lines = [line for line in PLUGIN.read_text().replace("\\\n", " ").splitlines() if not line.startswith("#")]
    image = (ROOT / "requirements/image.txt").read_text()
    assert {line.split()[0] for line in lines} == set(re.findall(r"^([\w.-]+==[\w.]+)", image, re.MULTILINE))
    counts = {line.partition("==")[0]: line.count("--hash=") for line in lines}
    assert counts["click"] == 1
    assert counts["pydantic-core"] == len(PLUGIN_PYTHONS) * len(MACHINES)


def manifest() -> dict[str, Any]:
    """Return krew's manifest as a release fills in its template."""
    text = (ROOT / ".krew.yaml").read_text()
    filled = re.sub(r'\{\{addURIAndSha "(.*)" \.TagName \}\}', rf"uri: \1\n      sha256: {'a' * 64}", text).replace(
        "{{ .TagName }}", f"v{PROJECT['version']}"
    )
    assert "{{" not in filled
    found: dict[str, Any] = yaml.safe_load(filled)
    return found


def test_the_manifest_for_krew() -> None:
    """As krew's validation wants it: names, a version with v, for each platform an archive, its hash and a program."""
    found = manifest()
    assert (found["apiVersion"], found["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert found["metadata"] == {"name": "nadmit"}
    spec = found["spec"]
    assert spec["version"] == f"v{PROJECT['version']}"
    assert len(spec["shortDescription"]) <= 50
    assert f"{PLUGIN_PYTHONS[0]} to {PLUGIN_PYTHONS[-1]}" in spec["caveats"]
    platforms = spec["platforms"]
    assert {one["selector"]["matchLabels"]["arch"] for one in platforms} == {one.oci for one in MACHINES.values()}
    for one in platforms:
        assert set(one) == {"selector", "uri", "sha256", "bin"}
        assert one["bin"] in PROJECT["scripts"]
        machine = MACHINES[{"amd64": "x86_64", "arm64": "aarch64"}[one["selector"]["matchLabels"]["arch"]]]
        assert one["uri"].endswith(f"/{plugin.file_name(machine)}")


def test_the_archive_has_the_name_of_the_manifest(archive: Path) -> None:
    assert archive.name == plugin.file_name(HERE)


def test_parts_have_a_folder_for_each_machine() -> None:
    assert folder_of("plugin", HERE).parts[-2:] == ("plugin", HERE.name)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cniplugin.attach.confdir import load_chain, load_directory, load_file, load_network
from cniplugin.cnierrors import CniError
from cniplugin.host.log import LOG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cniplugin.netspec.cniconfig import NetworkConfigList


def write(directory: Path, **files: object) -> str:
    """Write files. In their names, "__" means a directory and "_" the dot of the suffix."""
    for name, value in files.items():
        file = directory / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(directory)


def network(name: str, *types: str, **more: Any) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", "name": name, "plugins": [{"type": kind} for kind in types], **more}


def types(found: NetworkConfigList | None) -> list[str]:
    assert found is not None
    return [plugin.type for plugin in found.plugins]


def refusal(call: Callable[[], object]) -> CniError:
    with pytest.raises(CniError) as caught:
        call()
    assert caught.value.code == 7
    assert "\n" not in caught.value.msg
    return caught.value


def never(line: str) -> None:
    raise AssertionError(line)


def test_lists_come_first_then_file_names(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        a_conf={"name": "x", "type": "conf"},
        a_json={"name": "x", "type": "json"},
        c_conflist=network("x", "c"),
        b_conflist=network("x", "b"),
        a_txt=network("x", "other"),
        d__e_conf={"name": "x", "type": "deeper"},
    )
    seen = []
    for gone in ("b.conflist", "c.conflist", "a.conf", "a.json"):
        seen += types(load_network(path, "x", warn=never))
        (tmp_path / gone).unlink()
    assert seen == ["b", "c", "conf", "json"]
    assert load_network(path, "x", warn=never) is None


def test_names_sort_by_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, a_conflist=network("a", "a"), B_conflist=network("b", "b"))
    assert load_directory(path, warn=never).name == "b"


def test_the_name_is_in_the_text(tmp_path: Path) -> None:
    path = write(tmp_path, x_conflist=network("y", "a"), z_conf={"type": "nameless"})
    assert load_network(path, "x", warn=lambda _line: None) is None


def test_no_directory_is_no_network(tmp_path: Path) -> None:
    assert load_network(f"{tmp_path}/none", "x", warn=never) is None


BAD: dict[str, object] = {
    "a_conflist": "{",
    "b_conflist": [],
    "c_conflist": network("x"),
    "d_conflist": {"name": "x", "type": "single"},
    "e_conf": network("x", "a"),
    "f_conf": {"name": "x"},
    "g_json": {"name": 5, "type": "a"},
    "h_json": {"name": "../x", "type": "a"},
    "i_conflist": network("../x", "a"),
}


def test_bad_files_do_not_hide_good_ones(tmp_path: Path) -> None:
    path = write(tmp_path, **BAD, z_json={"name": "x", "type": "good"})
    (tmp_path / "y.conf").mkdir()
    (tmp_path / "y.conflist").write_bytes(b"\xff")
    lines: list[str] = []
    assert types(load_network(path, "x", warn=lines.append)) == ["good"]
    assert len(lines) == len(BAD) + 2
    assert all(line.startswith(f"skipped: {tmp_path}/") for line in lines)
    assert types(load_directory(path, warn=lambda _line: None)) == ["good"]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{name: BAD[name]})
    file = f"{tmp_path}/{name.replace('_', '.')}"
    assert refusal(lambda: load_file(file)).msg.startswith(f"{file}: ")


def test_a_file_with_more_than_one_problem(tmp_path: Path) -> None:
    write(tmp_path, a_conflist={"name": "x", "plugins": [{"type": ""}, {"type": "a/b"}, 5]})
    error = refusal(lambda: load_file(f"{tmp_path}/a.conflist"))
    assert "plugins[0].type" in error.msg
    assert len(error.details.split("\n")) == 2


def test_no_such_file(tmp_path: Path) -> None:
    assert refusal(lambda: load_file(f"{tmp_path}/a.conf")).msg == (
        f"{tmp_path}/a.conf: the file cannot be read: No such file or directory"
    )


def test_an_empty_directory(tmp_path: Path) -> None:
    assert "has no CNI configuration" in refusal(lambda: load_directory(str(tmp_path))).msg


def test_a_directory_that_cannot_be_read(tmp_path: Path) -> None:
    path = f"{tmp_path}/{'x' * 300}"
    assert "cannot be read: File name too long" in refusal(lambda: load_network(path, "x")).msg


def test_integers_and_unknown_keys_are_kept(tmp_path: Path) -> None:
    write(tmp_path, a_conflist=network("x", "a", big=2**63 + 1), x__b_conf={"type": "b", "n": 2**60 + 1})
    found = load_file(f"{tmp_path}/a.conflist")
    assert (found.conf["big"], found.plugins[1].conf["n"]) == (2**63 + 1, 2**60 + 1)


# Plugins in files beside a list


def test_plugins_of_the_directory_beside_are_added(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        a_conflist=network("x", "inline"),
        x__20_conf={"type": "late"},
        x__10_conf={"type": "early"},
        x__30_json={"type": "other"},
        y__10_conf={"type": "stranger"},
    )
    assert types(load_network(path, "x", warn=never)) == ["inline", "early", "late"]


def test_a_list_may_have_nothing_but_files(tmp_path: Path) -> None:
    write(tmp_path, a_conflist={"cniVersion": "1.0.0", "name": "x"}, x__a_conf={"type": "a"})
    assert types(load_file(f"{tmp_path}/a.conflist")) == ["a"]


@pytest.mark.parametrize("alone", [True, "true", "TRUE"])
def test_load_only_inlined_plugins(tmp_path: Path, alone: object) -> None:
    write(tmp_path, a_conflist=network("x", "a", loadOnlyInlinedPlugins=alone), x__b_conf={"type": "b"})
    assert types(load_file(f"{tmp_path}/a.conflist")) == ["a"]
    write(tmp_path, a_conflist={"name": "x", "loadOnlyInlinedPlugins": alone})
    assert "loadOnlyInlinedPlugins is set" in refusal(lambda: load_file(f"{tmp_path}/a.conflist")).msg


@pytest.mark.parametrize("plugins", [[], None, "a", {}])
def test_files_do_not_mend_bad_plugins(tmp_path: Path, plugins: object) -> None:
    write(tmp_path, a_conflist={"name": "x", "plugins": plugins}, x__b_conf={"type": "b"})
    refusal(lambda: load_file(f"{tmp_path}/a.conflist"))


@pytest.mark.parametrize("bad", ["{", "[]", "{}", '{"type": "a/b"}', '{"plugins": []}'])
def test_a_bad_file_beside_spoils_the_list(tmp_path: Path, bad: str) -> None:
    path = write(tmp_path, a_conflist=network("x", "a"), x__b_conf=bad, z_conf={"name": "x", "type": "next"})
    refusal(lambda: load_file(f"{path}/a.conflist"))
    lines: list[str] = []
    assert types(load_network(path, "x", warn=lines.append)) == ["next"]
    assert len(lines) == 1


# The auxiliary chain


def test_the_auxiliary_chain(tmp_path: Path) -> None:
    path = write(tmp_path, aux__b_conf={"type": "b"}, aux__a_conf={"type": "a"})
    found = load_chain(path, "aux")
    assert types(found) == ["passthru", "a", "b"]
    assert found is not None
    assert (found.name, found.cni_version) == ("aux", "1.0.0")
    assert load_chain(path, "none") is None


def test_an_auxiliary_chain_that_cannot_be(tmp_path: Path) -> None:
    path = write(tmp_path, aux__b_conf="{")
    assert refusal(lambda: load_chain(path, "aux")).msg.startswith(f"{tmp_path}/aux: ")
    assert "is not the name" in refusal(lambda: load_chain(path, "../aux")).msg


def test_warnings_are_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LOG.begin("ADD", "c0ffee")
    write(tmp_path, a_conf="{")
    assert load_network(str(tmp_path), "a") is None
    said = capsys.readouterr().err
    assert " error ADD c0ffee - " in said
    assert f"{tmp_path}/a.conf" in said

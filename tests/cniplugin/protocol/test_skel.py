"""The process as a CNI plugin: variables, configuration, versions, errors on stdout (node.md rules 36-45)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.cnierrors import CniError, PluginError
from cniplugin.netspec import annotation
from cniplugin.netspec.errors import SpecErrors
from cniplugin.netspec.versions import VERSIONS
from cniplugin.protocol import netconf, skel
from cniplugin.protocol.skel import Invocation, Stdin
from tests.paths import ROOT

CONF: dict[str, Any] = {"cniVersion": "1.1.0", "name": "net", "type": "nadmit", "clusterNetwork": "/a", "logFile": ""}
ENVIRON = {
    "CNI_CONTAINERID": "cid-1",
    "CNI_NETNS": "/run/netns/absent",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=blue;K8S_POD_NAME=a=b;K8S_POD_UID=;OTHER=x",
    "CNI_PATH": "/opt/cni/bin::/usr/lib/cni",
}
ATTACHMENT = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH")
NEEDED = {
    "ADD": ATTACHMENT,
    "CHECK": ATTACHMENT,
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"),
    "GC": ("CNI_PATH",),
    "STATUS": ("CNI_PATH",),
    "VERSION": (),
}


def read(command: str, conf: object = CONF, environ: Mapping[str, str] = ENVIRON, **changes: str) -> Invocation:
    text = conf if isinstance(conf, bytes) else json.dumps(conf).encode()
    return skel.read_invocation({**environ, "CNI_COMMAND": command, **changes}, Stdin(lambda: text))


def refused(*args: Any, **changes: Any) -> CniError:
    try:
        read(*args, **changes)
    except SpecErrors as errors:
        return skel.from_spec_errors(errors)
    except CniError as error:
        return error
    raise AssertionError("it is not refused")


def run(
    command: str, *, answer: Any = None, conf: object = CONF, environ: Mapping[str, str] = ENVIRON, **changes: str
) -> tuple[int, str]:
    """Return exit code and stdout; `answer` is the result or the error of each command."""

    def serve(_invocation: Invocation) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    printed: list[bytes] = []
    text = conf if isinstance(conf, bytes) else json.dumps(conf).encode()
    commands: dict[str, skel.Command] = dict.fromkeys(("ADD", "DEL", "CHECK", "GC", "STATUS"), serve)
    code = skel.run({**environ, "CNI_COMMAND": command, **changes}, lambda: text, printed.append, lambda: commands)
    assert len(printed) <= 1
    return code, b"".join(printed).decode()


def error(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the printed error; check it by CNI 1.1 §5."""
    code, text = run(*args, **kwargs)
    value = json.loads(text)
    assert code == 1
    assert text.count("\n") == 1
    assert set(value) - {"details"} == {"cniVersion", "code", "msg"}
    assert isinstance(value["code"], int)
    assert value["msg"]
    return dict(value)


class TestEnvironment:
    def test_the_environment_is_read(self) -> None:
        got = read("ADD")
        assert (got.command, got.container_id, got.netns, got.ifname) == ("ADD", "cid-1", "/run/netns/absent", "eth0")
        assert got.args == ENVIRON["CNI_ARGS"]
        assert (got.pod_namespace, got.pod_name, got.pod_uid) == ("blue", "a=b", "")
        assert got.path == ("/opt/cni/bin", "/usr/lib/cni")
        assert got.conf == netconf.parse(CONF)[0]
        assert got.environ["CNI_ARGS"] == ENVIRON["CNI_ARGS"]

    @pytest.mark.parametrize("command", NEEDED)
    def test_all_missing_variables_in_one_message(self, command: str) -> None:
        if not NEEDED[command]:
            assert read(command, environ={}).path == ()
            return
        got = refused(command, environ=dict.fromkeys(NEEDED[command][:1], ""))
        assert (got.code, got.msg) == (4, f"required env variables [{','.join(NEEDED[command])}] missing")

    @pytest.mark.parametrize("command", NEEDED)
    def test_only_the_needed_variables(self, command: str) -> None:
        read(command, environ={key: value for key, value in ENVIRON.items() if key in NEEDED[command]})

    def test_unknown_command(self) -> None:
        got = refused("add")
        assert (got.code, got.msg) == (4, "unknown CNI_COMMAND: add")

    @pytest.mark.parametrize("command", ["ADD", "CHECK", "DEL"])
    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("CNI_CONTAINERID", "../etc"),
            ("CNI_CONTAINERID", "-a"),
            ("CNI_CONTAINERID", "a b"),
            ("CNI_IFNAME", "sixteen-bytes-xx"),
            ("CNI_IFNAME", "eth0:1"),
            ("CNI_IFNAME", "a/b"),
            ("CNI_IFNAME", ".."),
        ],
    )
    def test_values_that_cannot_be(self, command: str, variable: str, value: str) -> None:
        got = refused(command, CONF, {**ENVIRON, variable: value})
        assert got.code == 4
        assert got.msg.startswith(variable)
        assert f'"{value}"' in got.msg

    def test_args_that_are_no_pairs(self) -> None:
        for command in ("ADD", "CHECK"):
            got = refused(command, CNI_ARGS="K8S_POD_NAME=a;nonsense")
            assert got.code == 4
            assert '"nonsense"' in got.msg
        assert read("DEL", CNI_ARGS="K8S_POD_NAME=a;nonsense;").pod_name == "a"

    @pytest.mark.slow
    @given(
        st.dictionaries(
            st.sampled_from(["NAMESPACE", "NAME", "UID", "X"]), st.text(st.characters(exclude_characters=";"))
        )
    )
    def test_pod_args_are_read_back(self, pairs: dict[str, str]) -> None:
        """CNI 1.1 §3: CNI_ARGS is pairs separated by semicolons."""
        got = read("ADD", CNI_ARGS=";".join(f"K8S_POD_{key}={value}" for key, value in pairs.items()))
        expected = tuple(pairs.get(key, "") for key in ("NAMESPACE", "NAME", "UID"))
        assert (got.pod_namespace, got.pod_name, got.pod_uid) == expected


class TestConfiguration:
    @pytest.mark.parametrize(
        ("conf", "code", "said"),
        [
            (b"", 6, "line 1 column 1"),
            (b"{", 6, "is not JSON"),
            (b"\xff", 6, "not UTF-8 from byte 0 on"),
            (b"[]", 6, "is not an object"),
            (b'{"name":"a","name":"b"}', 6, "more than once"),
            (b"[" * 100_000, 6, "nests too deeply"),
            (b'{"name":7}', 6, "name: wrong JSON type: 7"),
            (b'{"name":"a","cniVersion":1}', 6, "cniVersion: wrong JSON type: 1"),
            (b"{}", 7, "the network has no name"),
            (b'{"name":""}', 7, "the network has no name"),
            (b'{"name":"a b"}', 7, 'other characters: "a b"'),
            (b'{"name":"-a"}', 7, 'other characters: "-a"'),
        ],
    )
    def test_refused(self, conf: bytes, code: int, said: str) -> None:
        got = refused("ADD", conf)
        assert got.code == code
        assert said in got.msg

    def test_stdin_that_cannot_be_read(self) -> None:
        def fail() -> bytes:
            raise OSError(5, "Input/output error")

        with pytest.raises(CniError, match="error reading from stdin: Input/output error") as caught:
            skel.read_invocation({**ENVIRON, "CNI_COMMAND": "ADD"}, Stdin(fail))
        assert caught.value.code == 5

    def test_a_configuration_without_version_speaks_0_1_0(self) -> None:
        assert read("ADD", {"name": "net", "clusterNetwork": "/a"}).conf.cni_version == "0.1.0"


class TestVersions:
    @pytest.mark.parametrize(
        ("command", "since"),
        [("ADD", "0.1.0"), ("DEL", "0.1.0"), ("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")],
    )
    def test_verbs_by_version(self, command: str, since: str) -> None:
        for version in VERSIONS:
            conf = {**CONF, "cniVersion": version}
            if VERSIONS.index(version) >= VERSIONS.index(since):
                assert read(command, conf).conf.cni_version == version
                continue
            got = refused(command, conf)
            assert (got.code, got.msg) == (1, f"config version does not allow {command}")

    @pytest.mark.parametrize("version", ["1.2.0", "1.1", "0.3.2", "x"])
    def test_unknown_versions(self, version: str) -> None:
        got = refused("ADD", {**CONF, "cniVersion": version})
        assert (got.code, got.msg) == (1, "incompatible CNI versions")
        assert got.details.startswith(f'config is "{version}", plugin supports ["0.1.0",')

    @pytest.mark.parametrize(
        ("conf", "version"),
        [(b'{"cniVersion":"0.4.0"}', "0.4.0"), (b'{"cniVersion":"7.0.0"}', "7.0.0"), (b"", "1.1.0"), (b"[]", "1.1.0")],
    )
    def test_version_answers_in_the_version_it_was_asked_in(self, conf: bytes, version: str) -> None:
        code, text = run("VERSION", conf=conf, environ={})
        assert code == 0
        assert json.loads(text) == {"cniVersion": version, "supportedVersions": list(VERSIONS)}


class TestNetns:
    OWN = "/proc/self/ns/net"

    def test_the_host_s_is_refused(self) -> None:
        for command in ("ADD", "DEL"):
            got = error(command, CNI_NETNS=self.OWN)
            assert got["code"] == 8
            assert got["details"] == f"CNI_NETNS is {self.OWN}"

    @pytest.mark.parametrize("word", ["TRUE", "true", "1"])
    def test_it_can_be_overridden(self, word: str) -> None:
        assert run("ADD", CNI_NETNS=self.OWN, CNI_NETNS_OVERRIDE=word, answer={})[0] == 0

    def test_other_words_do_not_count(self) -> None:
        assert error("ADD", CNI_NETNS=self.OWN, CNI_NETNS_OVERRIDE="yes")["code"] == 8

    @pytest.mark.parametrize("netns", ["", "/run/netns/absent", "nul\0"])
    def test_a_namespace_that_is_gone_is_not_ours(self, netns: str) -> None:
        assert run("DEL", CNI_NETNS=netns) == (0, "")

    def test_check_does_not_ask(self) -> None:
        assert run("CHECK", CNI_NETNS=self.OWN) == (0, "")


class TestRun:
    def test_a_result_is_printed_as_it_is(self) -> None:
        assert run("ADD", answer={"cniVersion": "1.1.0", "x": 2**60}) == (
            0,
            '{"cniVersion":"1.1.0","x":1152921504606846976}\n',
        )

    def test_nothing_to_say(self) -> None:
        assert run("DEL") == (0, "")

    def test_a_delegate_s_error_keeps_its_code(self) -> None:
        got = error(
            "ADD", answer=PluginError("bridge", "ADD", 107, "no\nbridge", "d"), conf={**CONF, "cniVersion": "0.3.1"}
        )
        assert got == {"cniVersion": "0.3.1", "code": 107, "msg": "no\nbridge", "details": "d"}

    def test_a_broken_annotation(self) -> None:
        with pytest.raises(SpecErrors) as caught:
            annotation.parse("a@b@c,x@eth0:1", namespace="blue")
        got = error("ADD", answer=caught.value)
        assert got["code"] == 7

    def test_text_that_is_no_json(self) -> None:
        with pytest.raises(SpecErrors) as caught:
            annotation.parse("[{]", namespace="blue")
        got = error("ADD", answer=caught.value)
        assert got["code"] == 6
        assert got["details"].startswith("[{]\n")

    def test_a_bug(self, capsys: pytest.CaptureFixture[str]) -> None:
        got = error("ADD", answer=ZeroDivisionError("by zero"))
        assert (got["code"], got["msg"]) == (999, "internal error: ZeroDivisionError: by zero")
        assert __file__ in got["details"]
        assert capsys.readouterr().out == ""

    def test_a_bug_that_stdin_brought(self) -> None:
        def broken() -> bytes:
            raise RuntimeError("stdin")

        printed: list[bytes] = []
        assert skel.run({**ENVIRON, "CNI_COMMAND": "ADD"}, broken, printed.append, dict) == 1
        assert json.loads(printed[0])["cniVersion"] == "1.1.0"

    @pytest.mark.parametrize(
        ("conf", "version"),
        [
            ({"cniVersion": "0.4.0"}, "0.4.0"),
            ({**CONF, "cniVersion": "9.9.9"}, "9.9.9"),
            (b"{", "1.1.0"),
            (b"\xff", "1.1.0"),
        ],
    )
    def test_an_error_is_in_the_configuration_s_version(self, conf: object, version: str) -> None:
        assert error("ADD", conf=conf)["cniVersion"] == version

    def test_half_characters_are_printed_all_the_same(self) -> None:
        assert "\\udcff" in run("ADD", answer=CniError(7, "name \udcff"))[1]

    def test_a_runtime_that_is_gone(self) -> None:
        def gone(_text: bytes) -> None:
            raise BrokenPipeError

        commands: dict[str, skel.Command] = {"ADD": lambda _invocation: {}}
        assert (
            skel.run({**ENVIRON, "CNI_COMMAND": "ADD"}, lambda: json.dumps(CONF).encode(), gone, lambda: commands) == 1
        )

    @given(st.binary(max_size=60), st.sampled_from([*NEEDED, "", "X"]))
    def test_json_goes_out_for_any_input(self, conf: bytes, command: str) -> None:
        code, text = run(command, conf=conf, answer={})
        assert code == 1 or command in {"", "VERSION"}
        assert not text or isinstance(json.loads(text), dict)


PROCESS = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
import os
from cniplugin.protocol import netconf, skel
def add(invocation):
    print("a stray word")
    os.write(1, b"another")
    return {{"cniVersion": invocation.conf.cni_version}}
def delete(invocation):
    return {{}}["bug"]
raise SystemExit(skel.run(os.environ, sys.stdin.buffer.read, skel.claim_stdout(), lambda: {{"ADD": add, "DEL": delete}}))
"""


def process(command: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **ENVIRON, "CNI_COMMAND": command}
    words = [sys.executable, "-IS", "-c", PROCESS]
    return subprocess.run(words, input=json.dumps(CONF), env=environ, capture_output=True, text=True, check=False)


def test_a_real_process_prints_json_alone() -> None:
    done = process("ADD")
    assert (done.returncode, done.stdout) == (0, '{"cniVersion":"1.1.0"}\n')
    assert "a stray word" in done.stderr
    assert "another" in done.stderr


def test_a_bug_in_a_real_process() -> None:
    done = process("DEL")
    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == 999
    assert "Traceback" in done.stderr


def test_without_a_command() -> None:
    done = process("")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("CNI plugin nadmit")
    assert "CNI protocol versions supported: 0.1.0, 0.2.0" in done.stderr

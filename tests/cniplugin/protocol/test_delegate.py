"""A list of plugins through each verb: order, requests, skipped and stopped calls (node.md rules 11-16, 30-35)."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cniplugin.cnierrors import DECODE_FAILURE, IO_FAILURE, PLUGIN_NOT_AVAILABLE, TRY_AGAIN_LATER, PluginError
from cniplugin.netspec import cniconfig
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.protocol import delegate
from cniplugin.protocol.invoke import RuntimeConf
from tests.fakes.cni_plugin import Plugins

VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    plugins = Plugins(tmp_path)
    for kind in ("first", "second"):
        plugins.tell(kind, "ADD", stdout=json.dumps({"interfaces": [{"name": kind}]}))
    return plugins


@pytest.fixture
def runtime(plugins: Plugins) -> RuntimeConf:
    return RuntimeConf(
        container_id="cid",
        netns="/run/netns/x",
        ifname="net1",
        args="A=b",
        path=(str(plugins.directory),),
        environ={"PATH": os.environ["PATH"]},
        deadline=time.monotonic() + 20,
    )


def network(version: str = "1.1.0", *, name: str = "net", plugins: Any = None, **more: Any) -> NetworkConfigList:
    made = [{"type": "first"}, {"type": "second"}] if plugins is None else plugins
    return cniconfig.parse(json.dumps({"cniVersion": version, "name": name, "plugins": made, **more}), name=name)


def of_node(runtime: RuntimeConf) -> RuntimeConf:
    return RuntimeConf(path=runtime.path, environ=runtime.environ, deadline=runtime.deadline)


def changed(runtime: RuntimeConf, *, caps: Any = None, cni_args: Any = None, deadline: Any = ...) -> RuntimeConf:
    deadline = runtime.deadline if deadline is ... else deadline
    return runtime.replace(capability_args=caps or {}, cni_args=cni_args, deadline=deadline)


def add(config: NetworkConfigList, runtime: RuntimeConf, meanwhile: Any = None, **changes: Any) -> dict[str, Any]:
    return delegate.add_list(config, changed(runtime, **changes), meanwhile)


def delete(config: NetworkConfigList, runtime: RuntimeConf, *, cached_result: Any = None, **changes: Any) -> None:
    delegate.delete_list(config, changed(runtime, **changes), cached_result=cached_result)


def check(config: NetworkConfigList, runtime: RuntimeConf, *, cached_result: Any = None, **changes: Any) -> None:
    delegate.check_list(config, changed(runtime, **changes), cached_result=cached_result)


class TestAdd:
    def test_each_plugin_gets_the_result_of_the_one_before(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        last = {"cniVersion": "1.1.0", "interfaces": [{"name": "second"}]}
        assert add(network(), runtime) == {**last, "interfaces": [{"name": "second"}]}
        (first, _, request), (second, _, next_request) = plugins.requests()
        assert (first, second) == ("first", "second")
        assert request == {"type": "first", "name": "net", "cniVersion": "1.1.0"}
        assert next_request == {
            "type": "second",
            "name": "net",
            "cniVersion": "1.1.0",
            "prevResult": {"interfaces": [{"name": "first"}], "cniVersion": "1.1.0"},
        }

    def test_the_environment_is_the_attachment_s(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        add(network(), runtime)
        for call in plugins.calls():
            environ = call["environ"]
            names = ("COMMAND", "CONTAINERID", "NETNS", "IFNAME", "ARGS", "PATH")
            told = [environ[f"CNI_{name}"] for name in names]
            assert told == ["ADD", "cid", "/run/netns/x", "net1", "A=b;IgnoreUnknown=1", str(plugins.directory)]

    def test_name_and_version_are_overwritten_in_place(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        """Integers beyond 2^53 and the order of keys survive too, unlike in Go's maps."""
        written = {"cniVersion": "0.2.0", "zeta": 9007199254740993, "type": "first", "name": "own", "alpha": [1.0, {}]}
        add(network(plugins=[written]), runtime)
        text = plugins.calls()[0]["stdin"]
        assert text == '{"cniVersion":"1.1.0","zeta":9007199254740993,"type":"first","name":"net","alpha":[1.0,{}]}'

    def test_a_single_configuration(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        config = cniconfig.parse('{"cniVersion":"0.3.1","type":"first","ipam":{"type":"x"}}', name="net-a")
        assert add(config, runtime)["cniVersion"] == "0.3.1"
        request = plugins.requests()[0][2]
        assert request == {"cniVersion": "0.3.1", "type": "first", "ipam": {"type": "x"}, "name": "net-a"}

    def test_capability_args_go_where_they_are_declared(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        config = network(
            plugins=[
                {"type": "first", "capabilities": {"mac": True, "ips": False}},
                {"type": "second", "runtimeConfig": {"mac": "written"}},
            ]
        )
        add(config, runtime, caps={"mac": "02:00:00:00:00:01", "ips": ["10.0.0.1"], "bandwidth": None})
        first, second = (request for _, _, request in plugins.requests())
        assert first["runtimeConfig"] == {"mac": "02:00:00:00:00:01"}
        assert first["capabilities"] == {"mac": True, "ips": False}
        assert second["runtimeConfig"] == {"mac": "written"}

    def test_no_runtime_config_when_there_is_nothing_to_give(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        add(network(plugins=[{"type": "first", "capabilities": {"mac": True}}]), runtime, caps={"ips": ["10.0.0.1"]})
        assert "runtimeConfig" not in plugins.requests()[0][2]

    def test_cni_args_are_merged_per_key(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        written = {"type": "first", "args": {"cni": {"kept": 1, "ip": "old"}, "other": [2]}}
        config = network(plugins=[written, {"type": "second"}])
        add(config, runtime, cni_args={"ip": "new"})
        first, second = (request for _, _, request in plugins.requests())
        assert first["args"] == {"cni": {"kept": 1, "ip": "new"}, "other": [2]}
        assert second["args"] == {"cni": {"ip": "new"}}
        assert config.plugins[0].conf == written, "the configuration itself is never changed"

    def test_a_written_prev_result_is_not_passed_on(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        add(network(plugins=[{"type": "first", "prevResult": {"ips": []}}]), runtime)
        assert "prevResult" not in plugins.requests()[0][2]

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("printed", ["0.2.0", "0.4.0", "1.0.0"])
    def test_results_are_of_the_configuration_s_version(
        self, plugins: Plugins, runtime: RuntimeConf, version: str, printed: str
    ) -> None:
        address = {"ip4": {"ip": "10.0.0.1/24"}} if printed == "0.2.0" else {"ips": [{"address": "10.0.0.1/24"}]}
        plugins.tell("first", "ADD", stdout=json.dumps({"cniVersion": printed, **address}))
        result = add(network(version, plugins=[{"type": "first"}]), runtime)
        assert result["cniVersion"] == version
        assert result["ips"][0]["address"] == "10.0.0.1/24"

    def test_unknown_keys_of_a_result_are_kept(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        printed = {"cniVersion": "1.1.0", "vendor": {"id": 2**60}}
        plugins.tell("first", "ADD", stdout=json.dumps(printed))
        assert add(network(plugins=[{"type": "first"}]), runtime) == printed

    def test_null_is_an_empty_result(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("first", "ADD", stdout="null")
        assert add(network(plugins=[{"type": "first"}]), runtime) == {"cniVersion": "1.1.0"}

    @pytest.mark.parametrize(
        "stdout", ["", "ok", "[]", '{"cniVersion":"1.2.0"}', '{"ips":[{"address":"x"}]}', "\udcff"]
    )
    def test_rubbish_after_exit_0(self, plugins: Plugins, runtime: RuntimeConf, stdout: str) -> None:
        plugins.tell("first", "ADD", stdout=stdout)
        with pytest.raises(PluginError) as caught:
            add(network(), runtime)
        error = caught.value
        assert (error.plugin, error.command, error.code) == ("first", "ADD", DECODE_FAILURE)
        assert error.msg.startswith('plugin type="first" name="net" failed (add): its output is not a CNI result: ')
        assert len(plugins.calls()) == 1

    def test_output_beyond_the_limit_is_no_result(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("first", "ADD", stdout={"repeat": "{}" + " " * 9_998, "times": 300})
        with pytest.raises(PluginError, match="the result has 2097152 bytes"):
            add(network(), runtime)

    def test_a_failure_stops_and_keeps_its_code(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("first", "ADD", exit=1, stdout='{"code":107,"msg":"no bridge","details":"br0"}')
        with pytest.raises(PluginError) as caught:
            add(network(), runtime)
        error = caught.value
        assert (error.plugin, error.command, error.code) == ("first", "ADD", 107)
        assert error.msg == 'plugin type="first" name="net" failed (add): no bridge'
        assert error.details == "br0"
        assert [kind for kind, _, _ in plugins.requests()] == ["first"]

    def test_a_missing_plugin_is_noticed_before_any_is_run(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        with pytest.raises(PluginError) as caught:
            add(network(plugins=[{"type": "first"}, {"type": "absent"}]), runtime)
        assert (caught.value.plugin, caught.value.command, caught.value.code) == ("absent", "ADD", IO_FAILURE)
        assert caught.value.msg.startswith('plugin type="absent" name="net" failed (add): failed to find plugin "abs')
        assert plugins.calls() == []

    def test_the_deadline_is_for_all_together(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("second", "ADD", hang=30)
        with pytest.raises(PluginError) as caught:
            add(network(), runtime, deadline=time.monotonic() + 0.2)
        assert (caught.value.plugin, caught.value.code) == ("second", TRY_AGAIN_LATER)


RESULT = {"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.1/24"}]}


class TestDelete:
    def test_backward_with_the_final_result_for_each(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        delete(network(), runtime, cached_result=RESULT, caps={"mac": "x"}, cni_args={"a": 1})
        assert [(kind, verb) for kind, verb, _ in plugins.requests()] == [("second", "DEL"), ("first", "DEL")]
        for _, _, request in plugins.requests():
            assert request["prevResult"] == RESULT
            assert request["args"] == {"cni": {"a": 1}}

    @pytest.mark.parametrize(("version", "gets_it"), [("0.3.1", False), ("0.4.0", True), ("1.0.0", True)])
    def test_prev_result_since_0_4_0(self, plugins: Plugins, runtime: RuntimeConf, version: str, gets_it: bool) -> None:  # noqa: FBT001
        delete(network(version), runtime, cached_result=RESULT)
        for _, _, request in plugins.requests():
            assert ("prevResult" in request) is gets_it
            assert not gets_it or request["prevResult"]["cniVersion"] == version

    @pytest.mark.parametrize("cached", [None, {"cniVersion": "9.0.0"}, {"ips": 1}])
    def test_without_a_usable_result(
        self, plugins: Plugins, runtime: RuntimeConf, cached: dict[str, Any] | None
    ) -> None:
        delete(network(), runtime, cached_result=cached)
        assert ["prevResult" in request for _, _, request in plugins.requests()] == [False, False]

    def test_the_first_error_stops(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("second", "DEL", exit=1, stdout='{"code":11,"msg":"busy"}')
        with pytest.raises(PluginError) as caught:
            delete(network(), runtime)
        assert (caught.value.plugin, caught.value.command, caught.value.code) == ("second", "DEL", 11)
        assert caught.value.msg == 'plugin type="second" name="net" failed (delete): busy'
        assert len(plugins.calls()) == 1

    def test_stdout_does_not_matter_on_success(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("first", "DEL", stdout="gone")
        delete(network(), runtime)

    def test_a_missing_plugin_is_an_error(self, runtime: RuntimeConf) -> None:
        with pytest.raises(PluginError) as caught:
            delete(network(plugins=[{"type": "absent"}]), runtime)
        assert (caught.value.command, caught.value.code) == ("DEL", IO_FAILURE)


class TestCheck:
    def test_forward_as_in_add_with_the_final_result(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        config = network(plugins=[{"type": "first", "capabilities": {"mac": True}}, {"type": "second"}])
        check(config, runtime, cached_result=RESULT, caps={"mac": "x"}, cni_args={"a": 1})
        (first, verb, request), (second, _, _) = plugins.requests()
        assert (first, verb, second) == ("first", "CHECK", "second")
        assert request["runtimeConfig"] == {"mac": "x"}
        assert request["prevResult"] == RESULT

    @pytest.mark.parametrize("config", [network("0.3.1"), network("1.1.0", disableCheck=True)])
    def test_skipped(self, plugins: Plugins, runtime: RuntimeConf, config: NetworkConfigList) -> None:
        check(config, runtime)
        assert plugins.calls() == []

    def test_the_first_error_stops(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("first", "CHECK", exit=1, stderr="the link is gone")
        with pytest.raises(PluginError, match=r"failed \(check\): netplugin failed"):
            check(network(), runtime)
        assert len(plugins.calls()) == 1


class TestGc:
    def test_each_plugin_gets_name_version_and_the_living(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        delegate.gc_list(network(), of_node(runtime), valid=[("a", "eth0"), ("b", "net1")])
        living = [{"containerID": "a", "ifname": "eth0"}, {"containerID": "b", "ifname": "net1"}]
        assert plugins.requests()[0] == (
            "first",
            "GC",
            {
                "type": "first",
                "name": "net",
                "cniVersion": "1.1.0",
                "cni.dev/valid-attachments": living,
                "cni.dev/attachments": living,
            },
        )
        environ = plugins.calls()[1]["environ"]
        assert [environ[f"CNI_{name}"] for name in ("CONTAINERID", "NETNS", "IFNAME", "ARGS")] == [""] * 4

    def test_all_plugins_are_asked_and_all_errors_reported(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("first", "GC", exit=1, stdout='{"code":107,"msg":"one","details":"more"}')
        plugins.tell("second", "GC", exit=1, stdout='{"code":108,"msg":"two"}')
        with pytest.raises(PluginError) as caught:
            delegate.gc_list(network(), of_node(runtime), valid=())
        error = caught.value
        assert (error.plugin, error.command, error.code) == ("first", "GC", 107)
        assert error.msg == 'plugin type="first" name="net" failed (GC): one'
        assert error.details == 'more\nplugin type="second" name="net" failed (GC): two'

    @pytest.mark.parametrize("config", [network("1.0.0"), network("1.1.0", disableGC=True)])
    def test_skipped(self, plugins: Plugins, runtime: RuntimeConf, config: NetworkConfigList) -> None:
        delegate.gc_list(config, of_node(runtime), valid=())
        assert plugins.calls() == []


class TestStatus:
    def test_in_order_and_without_the_attachment(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        delegate.status_list(network(), of_node(runtime))
        assert [kind for kind, _, _ in plugins.requests()] == ["first", "second"]
        assert plugins.requests()[0][2] == {"type": "first", "name": "net", "cniVersion": "1.1.0"}
        assert plugins.calls()[0]["environ"]["CNI_CONTAINERID"] == ""

    def test_the_first_error_keeps_its_code_and_names_the_plugin(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        plugins.tell("first", "STATUS", exit=1, stdout='{"code":50,"msg":"not yet"}')
        with pytest.raises(PluginError) as caught:
            delegate.status_list(network(), of_node(runtime))
        text = 'plugin type="first" name="net" failed (status): not yet'
        assert (caught.value.code, caught.value.msg) == (PLUGIN_NOT_AVAILABLE, text)
        assert len(plugins.calls()) == 1

    def test_older_than_1_1_0_is_not_asked(self, plugins: Plugins, runtime: RuntimeConf) -> None:
        delegate.status_list(network("1.0.0"), of_node(runtime))
        assert plugins.calls() == []


CNI_BIN = Path("/usr/lib/cni")


@pytest.fixture
def netns(tmp_path: Path) -> Iterator[str]:
    """Yield the path of a new network namespace."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not (CNI_BIN / "bridge").exists():
        pytest.skip("needs Debian's containernetworking-plugins in /usr/lib/cni")
    name = f"nadmit-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS[:3])
def test_debian_s_plugins(netns: str, tmp_path: Path, version: str) -> None:
    """ptp with host-local and tuning is attached, checked and detached twice, and leaves nothing."""
    ipam = {"type": "host-local", "subnet": "10.213.0.0/24", "dataDir": str(tmp_path / "ipam")}
    plugins = [{"type": "ptp", "ipam": ipam}, {"type": "tuning", "capabilities": {"mac": True}}]
    config = network(version, name="ptp-net", plugins=plugins)
    runtime = RuntimeConf(
        container_id="cid",
        netns=netns,
        ifname="net1",
        path=(str(CNI_BIN),),
        environ={"PATH": os.environ["PATH"]},
        deadline=time.monotonic() + 20,
    )

    def run(*words: str) -> str:
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    result = add(config, runtime, caps={"mac": "02:00:00:00:00:07"})
    assert result["cniVersion"] == version
    assert result["ips"][0]["address"].startswith("10.213.0.")
    assert "02:00:00:00:00:07" in run("ip", "-n", Path(netns).name, "-o", "link", "show", "net1")
    check(config, runtime, caps={"mac": "02:00:00:00:00:07"}, cached_result=result)
    for _ in range(2):
        delete(config, runtime, caps={"mac": "02:00:00:00:00:07"}, cached_result=result)
    on_the_host = [made["name"] for made in result["interfaces"] if not made.get("sandbox")]
    assert on_the_host
    assert not [name for name in on_the_host if Path(f"/sys/class/net/{name}").exists()]
    assert not list((tmp_path / "ipam" / "ptp-net").glob("10.*"))

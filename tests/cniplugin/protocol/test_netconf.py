"""This plugin's own configuration: every key, its default, and its wrong values (node.md 1.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cniplugin.cnierrors import CniError
from cniplugin.protocol import netconf
from cniplugin.protocol.netconf import NetConf

DELEGATE = {"cniVersion": "0.4.0", "name": "cluster", "plugins": [{"type": "bridge"}]}
MINIMAL = {"cniVersion": "1.1.0", "name": "net", "type": "nadmit", "clusterNetwork": "/etc/cni/net.d/10-a.conflist"}


def parse(**changes: Any) -> NetConf:
    conf, warnings = netconf.parse({**MINIMAL, **changes})
    assert warnings == ()
    return conf


def warned(**changes: Any) -> str:
    _, [warning] = netconf.parse({**MINIMAL, **changes})
    return warning


def refused(**changes: Any) -> CniError:
    with pytest.raises(CniError) as caught:
        netconf.parse({**MINIMAL, **changes})
    assert caught.value.code == 7
    return caught.value


def test_the_defaults() -> None:
    assert parse() == NetConf(
        name="net",
        cni_version="1.1.0",
        cluster_network="/etc/cni/net.d/10-a.conflist",
        delegates=(),
        default_networks=(),
        status_networks=(),
        system_namespaces=("kube-system",),
        multus_namespace="kube-system",
        namespace_isolation=None,
        global_namespaces=None,
        kubeconfig="",
        conf_dir="/etc/cni/multus/net.d",
        bin_dir="/opt/cni/bin",
        record_dir="/var/lib/cni/nadmit",
        multus_dir="/var/lib/cni/multus",
        readiness_indicator_file="",
        auxiliary_cni_chain_name="",
        kubelet_dir="/var/lib/kubelet",
        device_info_dir="/var/run/k8s.cni.cncf.io/devinfo",
        deadline_s=30,
        log_file="/var/log/nadmit.log",
        has_log_file=False,
        log_level="verbose",
        log_to_stderr=True,
        log_options={},
        capabilities=frozenset(),
        runtime_config={},
        on_api_unavailable="Fail",
        valid_attachments=None,
    )


RIGHT: list[tuple[str, Any, str, Any]] = [
    ("clusterNetwork", "net-a", "cluster_network", "net-a"),
    ("defaultNetworks", ["a", "/b"], "default_networks", ("a", "/b")),
    ("statusNetworks", ["a"], "status_networks", ("a",)),
    ("systemNamespaces", [], "system_namespaces", ()),
    ("systemNamespaces", ["a", "b"], "system_namespaces", ("a", "b")),
    ("multusNamespace", "infra", "multus_namespace", "infra"),
    ("multusNamespace", "", "multus_namespace", "kube-system"),
    ("namespaceIsolation", True, "namespace_isolation", True),
    ("strict", True, "strict", True),
    ("globalNamespaces", "a, b ,,c", "global_namespaces", ("a", "b", "c")),
    ("globalNamespaces", "", "global_namespaces", ("default",)),
    ("kubeconfig", "/k", "kubeconfig", "/k"),
    ("kubeconfig", "", "kubeconfig", ""),
    ("confDir", "/c", "conf_dir", "/c"),
    ("confDir", "", "conf_dir", "/etc/cni/multus/net.d"),
    ("binDir", "/b", "bin_dir", "/b"),
    ("recordDir", "/r", "record_dir", "/r"),
    ("kubeletDir", "/var/snap/kubelet", "kubelet_dir", "/var/snap/kubelet"),
    ("kubeletDir", "", "kubelet_dir", "/var/lib/kubelet"),
    ("deviceInfoDir", "/d", "device_info_dir", "/d"),
    ("readinessindicatorfile", "/f", "readiness_indicator_file", "/f"),
    ("auxiliaryCNIChainName", "chain", "auxiliary_cni_chain_name", "chain"),
    ("deadline", 0.5, "deadline_s", 0.5),
    ("deadline", 3600, "deadline_s", 3600),
    ("logFile", "/l", "log_file", "/l"),
    ("logFile", "", "log_file", ""),
    ("logFile", "", "has_log_file", True),
    ("logLevel", "debug", "log_level", "debug"),
    ("logLevel", "DEBUG", "log_level", "debug"),
    ("logLevel", "", "log_level", "verbose"),
    ("logToStderr", False, "log_to_stderr", False),
    ("logOptions", {"maxAge": 1, "maxSize": 2, "maxBackups": 0, "compress": True}, "log_options", None),
    ("logOptions", {"maxAge": -1, "maxBackups": None}, "log_options", {"maxAge": 0}),
    ("capabilities", {"portMappings": True, "mac": False}, "capabilities", frozenset({"portMappings"})),
    ("onApiUnavailable", "DefaultNetwork", "on_api_unavailable", "DefaultNetwork"),
    ("runtimeConfig", {"portMappings": []}, "runtime_config", None),
    ("cni.dev/valid-attachments", [{"containerID": "a", "ifname": "eth0"}], "valid_attachments", (("a", "eth0"),)),
    ("cni.dev/attachments", [], "valid_attachments", ()),
]


@pytest.mark.parametrize(("key", "value", "field", "read"), RIGHT)
def test_a_key_that_is_right(key: str, value: Any, field: str, read: Any) -> None:
    assert getattr(parse(**{key: value}), field) == (value if read is None else read)


WRONG: list[tuple[str, Any, str]] = [
    ("clusterNetwork", 7, "clusterNetwork: this value is not allowed: 7; allowed: a string"),
    ("defaultNetworks", "a", 'defaultNetworks: this value is not allowed: "a"; allowed: a list of strings'),
    ("defaultNetworks", ["a", 1], "defaultNetworks[1]: this value is not allowed: 1; allowed: a list of strings"),
    ("systemNamespaces", [[]], "systemNamespaces[0]: this value is not allowed: a list; allowed: a list of strings"),
    ("multusNamespace", "a.b", 'multusNamespace: this value is not allowed: "a.b"; allowed: lower case letters'),
    ("multusNamespace", 1, "multusNamespace: this value is not allowed: 1; allowed: lower case letters"),
    ("namespaceIsolation", "true", 'namespaceIsolation: this value is not allowed: "true"; allowed: true or false'),
    (
        "globalNamespaces",
        ["a"],
        "globalNamespaces: this value is not allowed: a list; allowed: namespaces in one string",
    ),
    ("kubeconfig", "k", 'kubeconfig: this value is not allowed: "k"; allowed: an absolute path'),
    ("confDir", {}, "confDir: this value is not allowed: an object; allowed: an absolute path"),
    ("binDir", "/a\0", 'binDir: this value is not allowed: "/a\\u0000"; allowed: an absolute path'),
    ("recordDir", "../r", 'recordDir: this value is not allowed: "../r"; allowed: an absolute path'),
    ("kubeletDir", "kubelet", 'kubeletDir: this value is not allowed: "kubelet"; allowed: an absolute path'),
    ("deviceInfoDir", 1, "deviceInfoDir: this value is not allowed: 1; allowed: an absolute path"),
    (
        "readinessindicatorfile",
        False,
        "readinessindicatorfile: this value is not allowed: false; allowed: an absolute path",
    ),
    ("auxiliaryCNIChainName", 1, "auxiliaryCNIChainName: this value is not allowed: 1; allowed: a string"),
    ("deadline", 0, "deadline: this value is not allowed: 0; allowed: seconds, a number above 0, at most 3600"),
    ("deadline", 3601, "deadline: this value is not allowed: 3601; "),
    ("deadline", True, "deadline: this value is not allowed: true; "),
    ("deadline", "30s", 'deadline: this value is not allowed: "30s"; '),
    ("logFile", 1, "logFile: this value is not allowed: 1; allowed: a string"),
    ("logLevel", [], "logLevel: this value is not allowed: a list; "),
    ("logToStderr", 1, "logToStderr: this value is not allowed: 1; allowed: true or false"),
    ("logOptions", [], "logOptions: this value is not allowed: a list; allowed: an object"),
    (
        "logOptions",
        {"maxAge": "5"},
        'logOptions.maxAge: this value is not allowed: "5"; allowed: an integer',
    ),
    ("logOptions", {"compress": 1}, "logOptions.compress: this value is not allowed: 1; allowed: true or false"),
    ("capabilities", {"mac": "x"}, 'capabilities.mac: this value is not allowed: "x"; allowed: true or false'),
    ("runtimeConfig", [], "runtimeConfig: this value is not allowed: a list; allowed: an object"),
    ("prevResult", "x", 'prevResult: this value is not allowed: "x"; allowed: an object'),
    (
        "cni.dev/valid-attachments",
        {},
        "cni.dev/valid-attachments: this value is not allowed: an object; allowed: a list of objects",
    ),
    (
        "cni.dev/valid-attachments",
        [{"containerID": "a"}],
        "cni.dev/valid-attachments[0]: this value is not allowed: an object; ",
    ),
    (
        "cni.dev/valid-attachments",
        [7],
        "cni.dev/valid-attachments[0]: this value is not allowed: 7; allowed: an object with",
    ),
    ("retryDeleteOnError", "x", 'retryDeleteOnError: this value is not allowed: "x"; allowed: true or false'),
    ("cniDir", 1, "cniDir: this value is not allowed: 1; allowed: a string"),
    (
        "onApiUnavailable",
        "fail",
        'onApiUnavailable: this value is not allowed: "fail"; allowed: Fail, DefaultNetwork',
    ),
]


@pytest.mark.parametrize(("key", "value", "said"), WRONG)
def test_a_key_that_is_wrong(key: str, value: Any, said: str) -> None:
    assert refused(**{key: value}).msg.startswith(said)


def test_the_tables_know_every_key() -> None:
    """Every key has a case in the tables."""
    read = {key for key, (field, _) in netconf._KEYS.items() if field != "_"}
    tested = {key for key, *_ in RIGHT} | {"cniVersion", "name", "delegates", "cniDir"}
    assert read == tested


@pytest.mark.parametrize("key", sorted(netconf._KEYS.keys() - {"clusterNetwork", "name", "cniVersion"}))
def test_null_is_absent(key: str) -> None:
    assert parse(**{key: None}) == parse()


class TestTogether:
    def test_delegates(self) -> None:
        conf, _ = netconf.parse({"cniVersion": "1.1.0", "name": "net", "delegates": [DELEGATE, {"type": "macvlan"}]})
        assert [delegate.name for delegate in conf.delegates] == ["cluster", "net"]
        assert conf.delegates[0].cni_version == "0.4.0"

    def test_integers_of_delegates_are_kept(self) -> None:
        conf, _ = netconf.parse({"name": "net", "delegates": [{"type": "bridge", "id": 2**63 + 1}]})
        assert conf.delegates[0].conf["id"] == 2**63 + 1

    @pytest.mark.parametrize("delegates", [[DELEGATE], [{}], 7])
    def test_both(self, delegates: Any) -> None:
        """As in Multus, which does not read `delegates` then."""
        conf, [warning] = netconf.parse({**MINIMAL, "delegates": delegates})
        assert warning == 'delegates: "clusterNetwork" is set too and names the default network; remove one'
        assert (conf.delegates, conf.cluster_network) == ((), MINIMAL["clusterNetwork"])

    @pytest.mark.parametrize("delegates", [None, []])
    def test_neither(self, delegates: Any) -> None:
        got = refused(clusterNetwork="", delegates=delegates)
        assert got.msg.startswith('delegates: neither "delegates" nor "clusterNetwork" is set')

    def test_an_empty_list_beside_cluster_network(self) -> None:
        assert parse(delegates=[]).delegates == ()

    @pytest.mark.parametrize(
        ("delegates", "said"),
        [
            ({}, "delegates: this value is not allowed: an object; allowed: a list of CNI configurations"),
            ([7], "delegates[0]: this value is not allowed: 7; allowed: a CNI configuration"),
            ([DELEGATE, {}], 'delegates[1]: there is neither "type" nor "plugins"; allowed: '),
            ([{"type": "/bin/sh"}], "delegates[0].type: the type is a path, which could run any program of the node: "),
            ([{"plugins": [{"type": "a", "Type": "b"}]}], "delegates[0].plugins[0].Type: keys are case-sensitive"),
            ([{"type": "nadmit"}], 'delegates[0]: plugin "nadmit" attaches all networks of a pod, so it cannot be a'),
            ([DELEGATE, {"plugins": [{"type": "a"}, {"type": "multus-shim"}]}], 'delegates[1]: plugin "multus-shim"'),
            ([{"type": "flannel", "delegate": {"type": "multus"}}], 'delegates[0]: plugin "multus" attaches all'),
        ],
    )
    def test_delegates_that_are_wrong(self, delegates: Any, said: str) -> None:
        with pytest.raises(CniError) as caught:
            netconf.parse({"name": "net", "delegates": delegates})
        assert caught.value.code == 7
        assert caught.value.msg.startswith(said)

    def test_a_chain_needs_a_path(self) -> None:
        got = refused(clusterNetwork="net-a", auxiliaryCNIChainName="chain")
        assert got.msg == (
            "auxiliaryCNIChainName: clusterNetwork must be the path of a file or directory, beside which the chain is"
            ': "chain"'
        )

    def test_all_problems_are_reported_in_order(self) -> None:
        got = refused(deadline=-1, confDir="x", logToStderr=1)
        lines = [got.msg, *got.details.split("\n")]
        assert [line.partition(":")[0] for line in lines] == ["deadline", "confDir", "logToStderr"]


class TestWarnings:
    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ("clusterNetworks", '"clusterNetworks": unknown key; did you mean "clusterNetwork"?'),
            ("readinessIndicator", '"readinessIndicator": unknown key; did you mean "readinessindicatorfile"?'),
            ("zzz", '"zzz": unknown key'),
            ("daemonSocketDir", "daemonSocketDir: this key is for Multus' daemon or installer and has no effect here"),
            ("cniDir", "cniDir: this is Multus' directory, from which its pods are detached; ours is recordDir"),
        ],
    )
    def test_keys_without_effect(self, key: str, said: str) -> None:
        assert warned(**{key: "x"}) == said

    @pytest.mark.parametrize(("value", "directory"), [("/multus", "/multus"), ("", "/var/lib/cni/multus")])
    def test_the_directory_of_multus(self, value: str, directory: str) -> None:
        conf, _ = netconf.parse({**MINIMAL, "cniDir": value})
        assert conf.multus_dir == directory

    @pytest.mark.parametrize("value", [True, False])
    def test_retry_is_always_on(self, value: bool) -> None:  # noqa: FBT001
        assert warned(retryDeleteOnError=value).startswith(
            "retryDeleteOnError: the plugin always keeps a record until its DEL"
        )

    @pytest.mark.parametrize(
        ("key", "value", "field", "read", "said"),
        [
            ("systemNamespaces", [""], "system_namespaces", (), "systemNamespaces[0]: the item is empty and has no effect"),
            ("defaultNetworks", [None, "a"], "default_networks", ("a",), "defaultNetworks[0]: the item is empty"),
            ("statusNetworks", ["a", ""], "status_networks", ("a",), "statusNetworks[1]: the item is empty"),
            ("systemNamespaces", ["A", "b"], "system_namespaces", ("b",), "systemNamespaces: no namespace can have this"),
            ("globalNamespaces", "a, B", "global_namespaces", ("a",), 'globalNamespaces: no namespace can have this name: "B"'),
            ("globalNamespaces", "B", "global_namespaces", (), "globalNamespaces: no namespace can have this name"),
            ("logLevel", "warn", "log_level", "verbose", 'logLevel: unknown level "warn"; allowed: debug, verbose, error'),
            ("logFile", "l", "log_file", "/var/log/nadmit.log", 'logFile: not an absolute path: "l"; the log is /var/log/'),
            ("logFile", "l", "has_log_file", False, "logFile: not an absolute path"),
            ("logOptions", {"maxage": 1}, "log_options", {"maxAge": 1}, 'logOptions.maxAge: this key is written "maxage"'),
            ("logOptions", {"maxages": 1}, "log_options", {}, 'logOptions.maxages: unknown key; did you mean "maxAge"?'),
        ],
    )  # fmt: skip
    def test_a_value_that_multus_accepts(self, key: str, value: Any, field: str, read: Any, said: str) -> None:
        conf, [warning] = netconf.parse({**MINIMAL, key: value})
        assert getattr(conf, field) == read
        assert warning.startswith(said)


class TestLetterCase:
    """encoding/json of Go reads a key in any letter case, also with U+017F and U+212A."""

    @pytest.mark.parametrize("written", ["KubeConfig", "KUBECONFIG", "\u212aubeconfig"])
    def test_another_letter_case(self, written: str) -> None:
        conf, [warning] = netconf.parse({**MINIMAL, written: "/k"})
        assert conf.kubeconfig == "/k"
        assert warning.startswith("kubeconfig: this key is written ")
        assert warning.endswith('; write "kubeconfig"')

    def test_a_wrong_value_is_named_by_the_right_key(self) -> None:
        assert refused(KubeConfig="k").msg == 'kubeconfig: this value is not allowed: "k"; allowed: an absolute path'

    @pytest.mark.parametrize("keys", [("kubeconfig", "KubeConfig"), ("KubeConfig", "KUBECONFIG")])
    def test_two_spellings(self, keys: tuple[str, str]) -> None:
        got = refused(**dict(zip(keys, ("/a", "/b"), strict=True)))
        assert got.msg.startswith("kubeconfig: this key is there twice with different values, also as ")
        conf, warnings = netconf.parse({**MINIMAL, **dict.fromkeys(keys, "/a")})
        assert conf.kubeconfig == "/a"
        assert {warning.partition(":")[0] for warning in warnings} == {"kubeconfig"}

    def test_null_is_no_spelling(self) -> None:
        conf, [_] = netconf.parse({**MINIMAL, "kubeconfig": None, "KubeConfig": "/k"})
        assert conf.kubeconfig == "/k"

    def test_the_keys_that_the_runtime_sets(self) -> None:
        conf, [warning] = netconf.parse({**MINIMAL, "CNIVersion": "0.4.0"})
        assert conf.cni_version == "1.1.0"
        assert warning.startswith('cniVersion: the runtime sets this key, so "CNIVersion" has no effect')

    def test_the_default_network(self) -> None:
        conf, _ = netconf.parse({"name": "net", "Delegates": [DELEGATE]})
        assert conf.delegates[0].name == "cluster"
        conf, _ = netconf.parse({"name": "net", "clusternetwork": "/a"})
        assert conf.cluster_network == "/a"

    def test_keys_of_others_are_passed_over(self) -> None:
        parse(**{"example.com/key": 1, "ipam": {}, "dns": {}, "type": "multus", "args": {}, "cniVersions": ["1.0.0"]})


class TestCleanUp:
    def test_a_problem_of_an_unused_key_is_a_warning(self) -> None:
        broken = {"name": "net", "deadline": 9, "confDir": 7, "delegates": [{}], "KubeConfig": "/k"}
        reading = netconf.read(broken)
        conf, warnings = reading.conf, reading.check("DEL")
        assert conf == NetConf(name="net", cni_version="0.1.0", deadline_s=9, kubeconfig="/k")
        assert [warning.partition(":")[0] for warning in warnings] == ["kubeconfig", "confDir", "delegates[0]"]

    @pytest.mark.parametrize("key", netconf.NEEDED_WITH_RECORDS)
    def test_a_problem_of_a_used_key_is_refused(self, key: str) -> None:
        """With a wrong directory, DEL would find no record and succeed without detaching."""
        with pytest.raises(CniError, match=f"^{key}: "):
            netconf.read({"name": "net", "confDir": 7, key: "x"}).check("DEL")

    def test_also_in_another_letter_case(self) -> None:
        assert netconf.read({"name": "net", "recorddir": "/r"}).conf.record_dir == "/r"
        with pytest.raises(CniError, match=r"^recordDir: this key is there twice with different values"):
            netconf.read({"name": "net", "recorddir": "/r", "recordDir": "/s"}).check("DEL")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(sorted(netconf._KEYS)) | st.text(max_size=8), JSON, max_size=5))
def test_any_configuration_is_read_or_refused(conf: dict[str, Any]) -> None:
    whole = {**json.loads(json.dumps(conf)), "name": "net", "cniVersion": "1.1.0"}
    for command in ("ADD", "DEL"):
        try:
            netconf.read(whole).check(command)
        except CniError as error:
            assert error.code == 7
            assert error.msg

"""The process (CNI 2): parameters, exit codes, errors, VERSION."""

from __future__ import annotations

import json
import os
import threading

import pytest

from conformance.clauses import MUST, PRACTICE, SHOULD, clause
from conformance.rig.node import ADD, CHECK, DEL, GC, Case

CNI = "cni-1.1"
VERSIONS = ("0.3.1", "0.4.0", "1.0.0")


@clause(CNI, "2.VERSION", MUST)
@clause(CNI, "5.version", MUST)
def test_version(case: Case) -> None:
    """VERSION answers with `cniVersion` and `supportedVersions`."""
    answer = case.version().succeeds()
    assert isinstance(answer["cniVersion"], str)
    assert all(isinstance(text, str) for text in answer["supportedVersions"])


@clause(CNI, "5.version", MUST)
@pytest.mark.parametrize("version", VERSIONS)
def test_version_answers_in_the_version_asked(case: Case, version: str) -> None:
    """`cniVersion` of the answer is that of the input."""
    assert case.version(version).succeeds()["cniVersion"] == version


@clause(CNI, "5.version", SHOULD)
@pytest.mark.parametrize("version", [*VERSIONS, "1.1.0"])
def test_supported_versions(case: Case, version: str) -> None:
    """The plugin supports the version."""
    assert version in case.version().succeeds()["supportedVersions"]


@clause(CNI, "2.VERSION", MUST)
def test_version_calls_no_delegate(case: Case) -> None:
    """VERSION is about the plugin alone."""
    case.version().succeeds()
    assert case.calls() == []


@clause(CNI, "2.VERSION", PRACTICE)
def test_version_without_the_api_server(case: Case) -> None:
    """VERSION asks no API server."""
    case.api.requests.clear()
    case.version().succeeds()
    assert [request for request in case.api.requests if not request.is_watch] == []


@clause(CNI, "2.errors", MUST)
def test_an_unknown_command(case: Case) -> None:
    """An unknown operation is an error, with a non-zero exit code."""
    case.call("NONE").fails()


@clause(CNI, "2.parameters", MUST)
def test_no_command(case: Case) -> None:
    """Without CNI_COMMAND nothing is attached. NB: Go's plugins say what they are, and exit with 0."""
    assert case.call(ADD, None, CNI_COMMAND=None).code in {0, 1}
    assert case.calls() == []


@clause(CNI, "2.ADD", MUST)
@pytest.mark.parametrize("name", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"])
def test_add_needs_its_parameters(case: Case, name: str) -> None:
    """ADD without a required parameter is an error, and attaches nothing."""
    case.call(ADD, None, **{name: None}).fails()
    assert case.calls(ADD) == []


@clause(CNI, "2.DEL", MUST)
@pytest.mark.parametrize("name", ["CNI_CONTAINERID", "CNI_IFNAME"])
def test_del_needs_its_parameters(case: Case, name: str) -> None:
    """DEL without a required parameter is an error."""
    case.call(DEL, None, **{name: None}).fails()


@clause(CNI, "2.CHECK", MUST)
@pytest.mark.parametrize("name", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"])
def test_check_needs_its_parameters(case: Case, name: str) -> None:
    """CHECK without a required parameter is an error."""
    case.add().succeeds()
    made = case.configuration(prevResult=case.last_result)
    case.call(CHECK, made, **{name: None}).fails()


@clause(CNI, "2.GC", MUST)
def test_gc_needs_its_parameter(case: Case) -> None:
    """GC without CNI_PATH is an error, and asks no delegate."""
    gone = dict.fromkeys(("CNI_PATH", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"))
    case.call(GC, case.configuration(**{"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}), **gone).fails()
    assert case.calls() == []


@clause(CNI, "2.ADD", PRACTICE)
def test_the_namespace_of_the_host(case: Case) -> None:
    """ADD to the namespace of the plugin itself, that of the node, is an error, as in all plugins of CNI."""
    case.call(ADD, None, CNI_NETNS=f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net").fails()
    assert case.calls(ADD) == []


@clause(CNI, "5.error", SHOULD)
def test_the_code_of_a_missing_parameter(case: Case) -> None:
    """A missing parameter is error 4, and the message names it."""
    outcome = case.call(ADD, None, CNI_IFNAME=None)
    assert outcome.fails()["code"] == 4
    assert "CNI_IFNAME" in outcome.text()


@clause(CNI, "2.parameters", MUST)
@pytest.mark.parametrize("name", ["", "-first", "a/b", "a b"], ids=["empty", "hyphen", "slash", "space"])
def test_container_ids_that_are_not_valid(case: Case, name: str) -> None:
    """A container ID begins with a letter or digit, and has letters, digits, `_`, `.` and `-`."""
    case.call(ADD, None, CNI_CONTAINERID=name).fails()
    assert case.calls(ADD) == []


@clause(CNI, "2.parameters", MUST)
@pytest.mark.parametrize("name", ["a" * 64, "A.b_c-1"])
def test_container_ids_that_are_valid(case: Case, name: str) -> None:
    """A valid container ID reaches the delegates as it is."""
    case.call(ADD, None, CNI_CONTAINERID=name).succeeds()
    assert case.calls(ADD)[0].environ["CNI_CONTAINERID"] == name
    case.call(DEL, None, CNI_CONTAINERID=name).succeeds()


@clause(CNI, "2.parameters", MUST)
@pytest.mark.parametrize("name", ["a234567890123456", "a/b", ".", "a:b"])
def test_interface_names_that_are_not_valid(case: Case, name: str) -> None:
    """A name that the kernel refuses is an error of ADD."""
    case.call(ADD, None, CNI_IFNAME=name).fails()


@clause(CNI, "2.overview", MUST)
@pytest.mark.parametrize("text", ["", "{", "[]", "null"], ids=["empty", "cut", "list", "null"])
def test_input_that_is_no_configuration(case: Case, text: str) -> None:
    """Input that is no JSON object is an error."""
    case.call(ADD, text).fails()
    assert case.calls(ADD) == []


@clause(CNI, "5.error", SHOULD)
def test_the_code_of_input_that_cannot_be_decoded(case: Case) -> None:
    """Input that cannot be decoded is error 6."""
    assert case.call(ADD, "{").fails()["code"] == 6


@clause(CNI, "5.error", SHOULD)
def test_the_code_of_a_version_that_is_not_known(case: Case) -> None:
    """A version that the plugin does not know is error 1."""
    assert case.add(cniVersion="9.9.9").fails()["code"] == 1


@clause(CNI, "5.error", SHOULD)
def test_the_keys_of_an_error(case: Case) -> None:
    """An error has `cniVersion`, `code` and `msg`."""
    case.pod("none")
    error = case.add().fails()
    assert isinstance(error.get("code"), int), f"the error has no code: {error}"
    assert isinstance(error.get("msg"), str), f"the error has no msg: {error}"
    assert isinstance(error.get("cniVersion"), str), f"the error has no cniVersion: {error}"


@clause(CNI, "5.error", PRACTICE)
def test_an_error_of_a_delegate_names_the_network(case: Case) -> None:
    """The error of a delegate has the name of the definition, which is what the user of the pod knows."""
    case.define("lan", case.config("one", name="another-name"))
    case.delegates.script("one", ADD, {"error": {"code": 100, "msg": "told to fail"}})
    case.pod("lan")
    outcome = case.add()
    outcome.fails()
    assert "told to fail" in outcome.text()
    assert "lan" in outcome.text().replace("another-name", "")


@clause(CNI, "5.error", PRACTICE)
def test_an_error_names_the_network(case: Case) -> None:
    """The error of a network that is missing has its name."""
    case.pod("a-missing-network")
    outcome = case.add()
    outcome.fails()
    assert "a-missing-network" in outcome.text()


@clause(CNI, "2.overview", MUST)
def test_stdout_has_the_result_alone(case: Case) -> None:
    """Stdout is one JSON value, also if a delegate writes to stderr."""
    case.delegates.script("cluster", ADD, {"stderr": "a line of a log\n"})
    outcome = case.add()
    outcome.succeeds()
    assert json.loads(outcome.out)


@clause(CNI, "4.procedure", SHOULD)
def test_stderr_of_a_delegate(case: Case) -> None:
    """Stderr of a delegate comes out at the stderr of the plugin."""
    case.delegates.script("cluster", ADD, {"stderr": "a line of a log\n"})
    assert "a line of a log" in case.add().err


@clause(CNI, "4.procedure", SHOULD)
def test_delegates_are_looked_up_in_cni_path(case: Case) -> None:
    """A plugin in the second folder of CNI_PATH is found."""
    other = case.node.work / "other-plugins"
    other.mkdir(exist_ok=True)
    (case.node.bin_dir / "cluster").replace(other / "cluster")
    outcome = case.call(ADD, None, CNI_PATH=f"{case.node.bin_dir}:{other}")
    outcome.succeeds()
    case.call(DEL, None, CNI_PATH=f"{case.node.bin_dir}:{other}").succeeds()


@clause(CNI, "2.parameters", MUST)
def test_cni_args_reach_the_default_network(case: Case) -> None:
    """The pairs of CNI_ARGS reach the delegate of the default network."""
    args = case.environ(ADD)["CNI_ARGS"]
    case.call(ADD, None, CNI_ARGS=f"{args};COLOR=blue").succeeds()
    assert case.the_call(ADD, "cluster").args["COLOR"] == "blue"


@clause(CNI, "2.errors", MUST)
def test_a_failure_has_a_code_and_an_error(case: Case) -> None:
    """A delegate's error makes the plugin fail, with an error of its own."""
    case.delegates.script("cluster", ADD, {"error": {"code": 127, "msg": "out of addresses"}})
    outcome = case.add()
    outcome.fails()
    assert "out of addresses" in outcome.text()


@clause(CNI, "4.procedure", PRACTICE)
def test_the_code_of_a_delegate(case: Case) -> None:
    """The error code of a delegate reaches the runtime, which acts on 11 (try again later)."""
    case.delegates.script("cluster", ADD, {"error": {"code": 11, "msg": "try again"}})
    assert case.add().fails()["code"] == 11

"""Faults of a good webhook, for the profiles `admission` and `injection`: each changes one text of one file."""

from __future__ import annotations

from typing import NamedTuple


class WebhookFault(NamedTuple):
    """`before` is in `file` once. `test` is a test that notices the fault, as its name is in reports."""

    name: str
    file: str
    before: str
    after: str
    test: str


_WIRE = "webhook/review/wire.py"
_APP = "webhook/serving/app.py"
_EVALUATE = "webhook/admission/evaluate.py"
_ANNOTATION = "cniplugin/netspec/annotation.py"
_NAMES = "cniplugin/netspec/names.py"
_CONFIG = "cniplugin/netspec/cniconfig.py"
_SCHEDULING = "webhook/admission/mutation/scheduling.py"
_MUTATION = "webhook/admission/mutation/podmutation.py"
_NETINFO = "webhook/admission/mutation/netinfo.py"

FAULTS = (
    # The envelope
    WebhookFault(
        "the uid in capitals",
        _WIRE,
        "(_HEAD, _encode(request.uid), rest)",
        "(_HEAD, _encode(request.uid.upper()), rest)",
        "admission/test_envelope.py::test_the_answer_has_the_uid_of_the_request[definitions]",
    ),
    WebhookFault(
        "a refusal without a status",
        _WIRE,
        '{"allowed": False, "status": _status(request, decision)}',
        '{"allowed": False}',
        "admission/test_envelope.py::test_a_refusal_has_a_message[pods]",
    ),
    WebhookFault(
        "a status that is no error",
        _WIRE,
        '"code": decision.code,',
        '"code": 200,',
        "admission/test_envelope.py::test_a_refusal_is_a_review_with_status_200[definitions]",
    ),
    WebhookFault(
        "any version of the API",
        _WIRE,
        "if review.api_version != API_VERSION or review.kind != KIND:",
        "if review.kind != KIND:",
        "admission/test_envelope.py::test_a_review_of_another_version_is_not_answered_in_v1[pods]",
    ),
    WebhookFault(
        "any method but GET",
        _APP,
        'if method != "POST":',
        'if method == "GET":',
        "admission/test_envelope.py::test_another_method_is_refused[pods-PUT]",
    ),
    WebhookFault(
        "no parameters of the content type",
        _APP,
        'content_type == b"application/json" or content_type.split(b";")[0].strip().lower() == b"application/json"',
        'content_type == b"application/json"',
        "admission/test_envelope.py::test_the_content_type_may_have_parameters[definitions]",
    ),
    WebhookFault(
        "a body of at most 1 MiB",
        "webhook/serving/http.py",
        "max_body_bytes: int = 8 * MIB",
        "max_body_bytes: int = MIB",
        "admission/test_envelope.py::test_the_largest_objects_of_an_api_server_are_answered[pods]",
    ),
    WebhookFault(
        "updates are not judged",
        _EVALUATE,
        'if request.operation in {"CREATE", "UPDATE"} and',
        'if request.operation == "CREATE" and',
        "admission/test_envelope.py::test_an_update_to_something_wrong_is_refused[definitions]",
    ),
    WebhookFault(
        "a dry run is allowed",
        _EVALUATE,
        'if request.operation in {"CREATE", "UPDATE"} and request.object is not None:',
        'if request.operation in {"CREATE", "UPDATE"} and request.object is not None and not request.is_dry_run:',
        "admission/test_envelope.py::test_a_dry_run_gets_the_same_verdict[pods-refusal]",
    ),
    WebhookFault(
        "an unchanged definition is judged again",
        "webhook/admission/checks/definitions.py",
        "if old is not None and _judged_parts(old, keys) == _judged_parts(new, keys):",
        "if old is not None and old is new:",
        "admission/test_envelope.py::test_an_update_that_leaves_the_fault_is_allowed[definitions-a label]",
    ),
    # Definitions
    WebhookFault(
        "a name may not begin with a digit",
        _NAMES,
        'return bool(text) and text[0] != "-"',
        'return bool(text) and text[0] not in "-0123456789"',
        "admission/test_definitions.py::test_every_label_is_a_name[9-net]",
    ),
    WebhookFault(
        "a plugin of a list needs no type",
        _CONFIG,
        'if isinstance(plugin, dict) and "type" not in plugin:',
        'if isinstance(plugin, dict) and "type" not in plugin and index < 0:',
        "admission/test_broken_definitions.py::test_a_plugin_that_no_runtime_can_load[no type-list]",
    ),
    WebhookFault(
        "a type may be a path",
        _CONFIG,
        'return (_error("cni-type-path", join(path, key), detail, value=name, allowed=_ALLOWED_TYPE),)',
        "return ()",
        "admission/test_broken_definitions.py::test_a_plugin_that_no_runtime_can_load[type a path-one plugin]",
    ),
    # Selections
    WebhookFault(
        "empty items are skipped",
        _ANNOTATION,
        'for index, item in enumerate(text.split(","))',
        'for index, item in enumerate(filter(trim, text.split(",")))',
        "admission/test_broken_selections.py::test_the_comma_form[a comma at the end]",
    ),
    WebhookFault(
        "an interface of 16 bytes",
        _NAMES,
        "IFNAMSIZ = 16",
        "IFNAMSIZ = 17",
        "admission/test_broken_selections.py::test_an_interface_in_the_comma_form[16 characters]",
    ),
    WebhookFault(
        "a mac of 8 bytes",
        _NAMES,
        "return _is_hardware_address(text, size=6)",
        "return _is_hardware_address(text, size=8)",
        "admission/test_selections.py::test_a_key_of_the_json_form[mac]",
    ),
    WebhookFault(
        "a prefix of any length",
        _NAMES,
        "return is_ip(address) and _is_decimal(length) and int(length) <= longest",
        "return is_ip(address) and _is_decimal(length)",
        "admission/test_broken_selections.py::test_a_key_of_the_json_form[a prefix of 33]",
    ),
    # Injection
    WebhookFault(
        "one device for all networks",
        _SCHEDULING,
        "if number == highest), str(count))",
        'if number == highest), "1")',
        "injection/test_resources.py::test_the_first_container_gets_what_the_networks_need[the same network twice]",
    ),
    WebhookFault(
        "limits without requests",
        _SCHEDULING,
        "        if number != highest:\n",
        '        if number != highest and key == "limits":\n',
        "injection/test_patches.py::test_requests_and_limits_of_a_device_are_equal[one network]",
    ),
    WebhookFault(
        "the last container gets the devices",
        _SCHEDULING,
        "return ordinary[0] if ordinary else None",
        "return ordinary[-1] if ordinary else None",
        "injection/test_resources.py::test_the_first_container_gets_what_the_networks_need[one]",
    ),
    WebhookFault(
        "devices of other containers do not count",
        _SCHEDULING,
        "        if resource not in settled:\n",
        "        if resource:\n",
        "injection/test_resources.py::test_a_resource_of_another_container_is_not_asked_for_again",
    ),
    WebhookFault(
        "a contradiction is silent",
        _SCHEDULING,
        "if own.get(key, value) != value:",
        "if own.get(key, value) is None:",
        "injection/test_scheduling.py::test_a_contradiction_is_refused_or_told[pod]",
    ),
    WebhookFault(
        "the selector of the pod goes",
        _SCHEDULING,
        'pod = podspec.put(pod, ("spec", "nodeSelector", key), value)',
        'pod = podspec.put(pod, ("spec", "nodeSelector"), {key: value})',
        "injection/test_scheduling.py::test_the_selector_of_the_pod_stays[other]",
    ),
    WebhookFault(
        "mounted over another mount",
        _NETINFO,
        "    if _has_mount(container):\n",
        "    if _has_mount(container, by_name=True):\n",
        "injection/test_scheduling.py::test_a_path_that_is_taken_is_not_mounted_over",
    ),
    WebhookFault(
        "mounted again at each call",
        _NETINFO,
        "    if _has_mount(container):\n",
        "    if container is None:\n",
        "injection/test_patches.py::test_a_second_call_changes_nothing[one network]",
    ),
    WebhookFault(
        "hugepages in bytes",
        _NETINFO,
        '"divisor": "1Mi"',
        '"divisor": "1"',
        "injection/test_scheduling.py::test_requests_and_limits_of_hugepages_are_files[1Gi-1G]",
    ),
    WebhookFault(
        "a label in capitals gives nothing",
        "webhook/admission/model/injection.py",
        'return labels.get(label, "").lower() == "true"',
        'return labels.get(label, "") == "true"',
        "injection/test_settings.py::test_a_label_gives_a_network[True]",
    ),
    WebhookFault(
        "a patch without its type",
        _WIRE,
        '        response["patchType"] = "JSONPatch"\n',
        "",
        "injection/test_patches.py::test_the_patch_applies[one network]",
    ),
    WebhookFault(
        "devices for pods in the network of the node",
        _MUTATION,
        "    if podspec.is_host_network(annotated):\n",
        "    if annotated is None:\n",
        "injection/test_resources.py::test_a_pod_in_the_network_of_its_node_gets_no_device",
    ),
)

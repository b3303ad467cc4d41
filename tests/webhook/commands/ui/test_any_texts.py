"""Whatever authors write into the texts of their objects, every question about the cluster has an answer."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import JSONResponse

from tests.browser import worlds
from webhook.commands.ui import clusteranswers, networkanswer, podanswer, singlefile
from webhook.commands.ui.clusterview import ClusterView
from webhook.commands.ui.copiedobjects import CopiedObjects
from webhook.commands.ui.findingsanswer import Findings
from webhook.report.topology import mapsvg, maptext
from webhook.trees.documents import Document
from webhook.trees.positions import Source

from .test_server import SETTINGS

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["10.1.0.5/24", "blue/lan", "lan"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "namespace", "type", "ipam", "plugins", "ips", "mac", "interface", "subnet", "device-info"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
HALF = '[{"name": "blue/\\ud800", "interface": "\\ud800", "ips": ["\\ud800"], "mac": "\\ud800"}]'
"""Half a pair of surrogates, which is no text."""

_TEXT = st.one_of(st.text(max_size=30), _JSON.map(json.dumps), st.sampled_from([worlds.ATTACK, "lan", "[" * 500, HALF]))


def _object(kind: str, name: str, annotations: dict[str, str], **more: Any) -> dict[str, Any]:
    versions = {"NetworkAttachmentDefinition": "k8s.cni.cncf.io/v1"}
    metadata = {"name": name, "namespace": "blue", "annotations": annotations}
    return {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata, **more}


@settings(max_examples=60)
@given(config=_TEXT, resource=_TEXT, asked=_TEXT, status=_TEXT, message=_TEXT, node=_TEXT)
def test_every_question_has_an_answer(
    config: str, resource: str, asked: str, status: str, message: str, node: str
) -> None:
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}},
        _object("NetworkAttachmentDefinition", "lan", {worlds.RESOURCE: resource}, spec={"config": config}),
        _object(
            "Pod",
            "web",
            {worlds.ASKED: asked, worlds.STATUS: status},
            spec={"nodeName": node, "containers": [{"name": "c"}]},
            status={"phase": "Pending"},
        ),
        _object(
            "Event",
            "web.1",
            {},
            involvedObject={"kind": "Pod", "namespace": "blue", "name": "web"},
            reason="FailedCreatePodSandBox",
            message=message,
        ),
    ]
    documents = [Document(Source("any", ""), one, 0, 0) for one in objects]
    origin = CopiedObjects(documents, title="any", namespace="", network_namespace="kube-system")
    view, findings = ClusterView(1, origin.moment(), SETTINGS), Findings(origin)
    network = {"namespace": "blue", "name": "lan"}
    given_answers = [
        clusteranswers.overview(view, origin.title, is_live=False),
        clusteranswers.find(view, {"q": "web"}),
        clusteranswers.namespace(view, {"namespace": "blue"}),
        clusteranswers.can_attach(view, {"namespace": "blue", "network": "lan"}),
        networkanswer.network(view, network, findings),
        podanswer.pod(view, {"namespace": "blue", "name": "web"}, origin),
        findings.answer(view, {}),
    ]
    assert all(JSONResponse(one).body for one in given_answers)
    made = singlefile.render(maptext.to_json(view.segments, (), ()))
    assert made.encode().count(b"</script>") == 3
    assert mapsvg.render(view.segments).endswith("</svg>")

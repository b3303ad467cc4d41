"""What the page shows about one pod: what it asks for and has, what the webhook says now, and what keeps it from it."""

from __future__ import annotations

from typing import Any

from cniplugin.netspec.errors import SpecErrors, render
from cniplugin.netspec.plan import plan
from webhook.commands.why.verdicts import Asking
from webhook.plugindata.refusals import is_refusal
from webhook.report.diagnosis import poddiagnosis, rendering
from webhook.report.diagnosis.objectset import Json, ObjectSet
from webhook.report.diagnosis.podstatus import reference_of, selections_of
from webhook.report.diagnosis.world import World

from . import judged
from .clusteranswers import Question, QuestionError, attachment_json, unpainted
from .clusterview import ClusterView, Origin


def pod(view: ClusterView, question: Question, origin: Origin) -> dict[str, Any]:
    """Return everything about one pod. Raises QuestionError if there is none, and ClusterError."""
    namespace, name = question.get("namespace", ""), question.get("name", "")
    read = origin.read_pod(namespace, name)
    if read is None:
        raise QuestionError(f'there is no pod "{name}" in namespace "{namespace}"', 404)
    moment = view.moment
    unread = {**read.unread, **moment.unread}
    asking = view.asking if read.snapshot is None else view.asking_about(read.snapshot)
    objects = ObjectSet([*moment.definitions.values(), *read.objects], unread)
    one = objects.get("Pod", namespace, name)
    if one is None:
        raise QuestionError(f'there is no pod "{name}" in namespace "{namespace}"', 404)
    world = World(
        objects=objects,
        judge=(lambda _one: None) if view.lacking else asking.judge,
        rights=(lambda _namespace, _name: ()) if view.lacking else asking.rights,
        records=lambda _namespace, _name, _uid: (),
        is_refusal=is_refusal,
        network_namespace=view.settings.network_namespace,
    )
    found = poddiagnosis.diagnose(one, world)
    return {
        "namespace": namespace,
        "name": name,
        "why": rendering.to_json(found),
        "text": rendering.render_text(found, unpainted),
        "explained": judged.summaries(found.explain),
        "plan": _plan(one, asking),
        "verdict": None if view.lacking else judged.judge(one, asking.webhook),
        "attachments": [attachment_json(each) for each in view.by_pod.get((namespace, name), ())],
        "lacking": list(view.lacking),
    }


def _plan(one: Json, asking: Asking) -> dict[str, Any]:
    """Return which networks a node attaches, under which names and with what; or why it attaches none."""
    context = asking.context
    selections = selections_of(one, context.network_namespace)
    try:
        made = plan(
            selections.networks,
            context.cluster.network,
            default=selections.default,
            attached_by=context.configuration.attached_by,
        )
    except SpecErrors as errors:
        return {"attachments": [], "problems": [render(error) for error in (*selections.problems, *errors)]}
    return {
        "attachments": [
            {
                "network": reference_of(each.element),
                "interface": each.interface,
                "default": each.is_default,
                "requests": {key: str(value) for key, value in each.runtime_config.items()},
            }
            for each in made.attachments
        ],
        "problems": [render(problem) for problem in selections.problems],
    }

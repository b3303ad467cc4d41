"""A plan as JSON for programs, of which docs/plan.schema.json is the schema."""

from __future__ import annotations

import json
from typing import Any

from .planned import ChangePlan, ObjectChange, PodEffect, summary_of
from .podeffects import EFFECTS, KEPT, NEW, Effect


def render_json(plan: ChangePlan) -> str:
    """Return the plan as one JSON object, with every workload that is not as before."""
    return json.dumps(value_of(plan), indent=2, ensure_ascii=False)


def value_of(plan: ChangePlan) -> dict[str, Any]:
    """Return the plan as plain JSON."""
    counts = {kind: plan.number_of(kind) for kind in EFFECTS if kind not in {KEPT, NEW}}
    counts |= {KEPT: (plan.kept, plan.kept_pods), NEW: (plan.new, 0)}
    return {
        "summary": summary_of(plan),
        "breaks": plan.is_breaking,
        "changes": plan.is_changing,
        "nothingChanges": plan.is_nothing,
        "counts": {kind: {"workloads": makers, "pods": pods} for kind, (makers, pods) in counts.items()},
        "judged": plan.judged,
        "objects": list(map(_change, plan.changes)),
        "effects": list(map(_effect, plan.effects)),
        "notes": list(plan.notes),
        "unread": list(plan.unread),
    }


def _change(one: ObjectChange) -> dict[str, Any]:
    return {
        "change": one.what,
        "kind": one.kind,
        "namespace": one.namespace,
        "name": one.name,
        "where": one.where,
        "refused": bool(one.refusals),
        "refusals": list(one.refusals),
        "warnings": list(one.warnings),
        "fields": [{"path": field.path, "before": field.before, "after": field.after} for field in one.fields],
    }


def _effect(one: PodEffect) -> dict[str, Any]:
    maker = one.maker
    return {
        "effect": one.effect.kind,
        "kind": maker.kind,
        "namespace": maker.namespace,
        "name": maker.name,
        "template": maker.place,
        "pods": one.running,
        **_details(one.effect),
    }


def _details(effect: Effect) -> dict[str, Any]:
    return {
        "reasons": [{"rule": one.rule, "field": one.field, "text": one.text} for one in effect.reasons],
        "admittedButNotAttachable": effect.is_unplanned,
        "missingNetworks": list(effect.missing),
        "differences": [
            {"area": one.area, "network": one.network, "path": one.path, "before": one.before, "after": one.after}
            for one in effect.differences
        ],
        "newWarnings": list(effect.warnings),
    }

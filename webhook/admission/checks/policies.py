"""Access policies and their configuration are readable, and their authors are warned of likely mistakes.

Fields restricted: `metadata.name` and all of `spec` of NetworkAttachmentPolicy and NetworkAttachmentPolicyConfig.
Values allowed: those that `access.reading` reads without a problem: those that the schema of the CRDs allows, less a
few that a schema cannot exclude. Operations: CREATE, UPDATE that changes the spec; never DELETE, so that a mistake can
be removed. Exempt: nobody; RBAC decides who may write them. Example refusal: `spec.attachments[0].limits.ips.cidrs[1]:
this value is not allowed: "10.1.0.0"; allowed: a CIDR such as 10.1.0.0/16 or 2001:db8::/64`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cniplugin.access.lints.lints import EVERY_NETWORK, lint
from cniplugin.access.model.policyrules import RULES_MAX
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config
from cniplugin.access.reading.reader import SECTION
from cniplugin.netspec import names
from cniplugin.netspec.errors import SpecError
from webhook.admission.model.limitsettings import ReviewLimits, policy_problem
from webhook.admission.model.requests import ALLOWED, Decision, Request
from webhook.admission.view.decisioncontext import DecisionContext
from webhook.admission.wording import answers, policytext

READ_RULES_MAX = 4 * RULES_MAX
"""Rules of one list that are read to report their problems. A longer list has the one problem that it is too long."""


def check(request: Request, context: DecisionContext) -> Decision:
    """Judge a policy that is written; lints look at the other policies of the cluster as well."""
    if _is_unchanged(request):
        return ALLOWED
    if (too_large := _too_large(request, context.configuration.limits)) is not None:
        return answers.invalid(request, [too_large])
    policy = read_policy(_plain(request))
    others = (other for other in context.cluster.policies.policies if other.name != policy.name)
    is_open = context.rules.config.posture == "Open"  # then an Allow opens nothing, and only limits
    lints = (one for one in lint(policy, others) if not (is_open and one.name == EVERY_NETWORK))
    warnings = [policytext.lint_warning(one) for one in lints]
    problems = [*_name_problems(request), *_placed(policy.problems)]
    if problems:
        return answers.invalid(request, problems, warnings=warnings)
    return Decision(warnings=tuple(warnings))


def check_config(request: Request, context: DecisionContext) -> Decision:
    """Judge the configuration that is written."""
    if _is_unchanged(request):
        return ALLOWED
    if (too_large := _too_large(request, context.configuration.limits)) is not None:
        return answers.invalid(request, [too_large])
    config, problems = read_config(_plain(request))
    if problems:
        return answers.invalid(request, list(_placed(problems)))
    is_half = config.baseline.masters is not None and config.baseline.addresses is None
    return Decision(warnings=(policytext.pools_unlimited(),)) if is_half else ALLOWED


def _is_unchanged(request: Request) -> bool:
    """NB: labels and finalizers of an object that was stored before this check, or by an older release, must change."""
    new, old = request.object, request.old_object
    return new is None or (old is not None and new.spec == old.spec)


def _too_large(request: Request, limits: ReviewLimits) -> SpecError | None:
    """Return the problem of a spec that is too large to be read. NB: each rule takes 20 us to read."""
    spec = request.object.spec if request.object else None
    for key in ("attachments", "definitions"):
        rules = spec.get(key) if isinstance(spec, dict) else None
        if isinstance(rules, list) and len(rules) > READ_RULES_MAX:
            return SpecError(
                rule="policy-field",
                source=f"spec.{key}",
                detail=f"{len(rules)} items",
                allowed=f"0 to {RULES_MAX} items",
                section=SECTION,
            )
    return policy_problem(spec, limits)


def _plain(request: Request) -> dict[str, Any]:
    spec = request.object.spec if request.object else None
    return {"metadata": {"name": request.object_name}, "spec": spec}


def _name_problems(request: Request) -> list[SpecError]:
    name = request.object_name
    return (
        [] if request.has_generated_name or names.is_subdomain(name) else [answers.object_name(name, request.kind.kind)]
    )


def _placed(problems: Iterable[SpecError]) -> Iterable[SpecError]:
    """Yield problems with their path as the source: paths in these kinds begin at the object."""
    return (problem.replace(source=problem.path, path="") for problem in problems)

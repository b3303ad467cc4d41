"""Access policies and their configuration say what can be read, and what is seldom meant is reported.

Fields restricted: `metadata.name` and all of `spec` of NetworkAttachmentPolicy and NetworkAttachmentPolicyConfig.
Values allowed: what `access.reading` and `access.configuration` read without a problem, which is the schema of the
CRDs and a little more that a schema cannot say. Operations: CREATE, UPDATE that changes the spec; never DELETE, which
is the way out of a mistake. Exempt: nobody; who may write them is for RBAC to say.
Example refusal: `spec.attachments[0].limits.ips.cidrs[1]: this value is not allowed: "10.1.0.0"; allowed: a CIDR such
as 10.1.0.0/16 or 2001:db8::/64`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cniplugin.access.lints.lints import lint
from cniplugin.access.model.policyrules import RULES_MAX
from cniplugin.access.reading.policies import read_policy
from cniplugin.access.reading.policyconfig import read_config
from cniplugin.access.reading.reader import SECTION
from cniplugin.netspec import names
from cniplugin.netspec.errors import SpecError
from webhook.admission.model.limitsettings import DEFAULTS, ReviewLimits, policy_problem
from webhook.admission.model.requests import ALLOWED, Decision, Request
from webhook.admission.view.listers import Cluster
from webhook.admission.wording import messages

READ_RULES_MAX = 4 * RULES_MAX
"""Rules of one list that are read to report their other problems. That there are too many is always reported."""


def check(request: Request, cluster: Cluster, *, limits: ReviewLimits = DEFAULTS) -> Decision:
    """Judge a policy that is written; lints look at the other policies of the cluster as well."""
    if _is_as_it_was(request):
        return ALLOWED
    if (too_large := _too_large(request, limits)) is not None:
        return messages.invalid(request, [too_large])
    policy = read_policy(_plain(request))
    others = (other for other in cluster.policies.policies if other.name != policy.name)
    warnings = [messages.remark(found) for found in lint(policy, others)]
    problems = [*_name_problems(request), *_placed(policy.problems)]
    if problems:
        return messages.invalid(request, problems, warnings=warnings)
    return Decision(warnings=tuple(warnings))


def check_config(request: Request, *, limits: ReviewLimits = DEFAULTS) -> Decision:
    """Judge the configuration that is written."""
    if _is_as_it_was(request):
        return ALLOWED
    if (too_large := _too_large(request, limits)) is not None:
        return messages.invalid(request, [too_large])
    config, problems = read_config(_plain(request))
    if problems:
        return messages.invalid(request, list(_placed(problems)))
    is_half = config.baseline.masters is not None and config.baseline.addresses is None
    return Decision(warnings=(messages.pools_unlimited(),)) if is_half else ALLOWED


def _is_as_it_was(request: Request) -> bool:
    """NB: what was stored before this check, or by an earlier release, must stay open to labels and finalizers."""
    new, old = request.object, request.old_object
    return new is None or (old is not None and new.spec == old.spec)


def _too_large(request: Request, limits: ReviewLimits) -> SpecError | None:
    """Return that a spec has too much in it to be read. NB: rules are read however many there are, 20 us each."""
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
    is_right = name.endswith("*") or names.is_subdomain(name)  # a star: the name is still to be generated
    return [] if is_right else [messages.object_name(name, request.kind.kind)]


def _placed(problems: Iterable[SpecError]) -> Iterable[SpecError]:
    """Yield problems whose source is their place: paths of these kinds begin at the object, not in a text of it."""
    return (problem.replace(source=problem.path, path="") for problem in problems)

"""Who applies the files: without an author, what a rule says of authors is not judged; with one, it is."""

from __future__ import annotations

import pytest

from .trees import GOOD, check, network, rules, write

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue}\n"
MACVLAN = '{"type": "macvlan", "master": "eth1", "ipam": {"type": "dhcp"}}'


def policy(*definitions: str) -> str:
    rows = "".join(f"  - {one}\n" for one in definitions)
    return (
        "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicy\nmetadata: {name: writers}\n"
        f"spec:\n  definitions:\n{rows}"
    )


def config(text: str) -> str:
    return (
        "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicyConfig\nmetadata: {name: cluster}\n"
        f"spec:\n  definitions: {text}\n"
    )


DENY_OTHERS = "{name: others, action: Deny, exceptAuthors: {users: [bob]}}"
DENY_BOB = "{name: bob, action: Deny, authors: {users: [bob]}}"
ALLOW_BOB = "{name: bob, action: Allow, authors: {users: [bob]}, config: {masters: [eth1]}}"
ALLOW_BOB_ETH2 = "{name: bob, action: Allow, authors: {users: [bob]}, config: {masters: [eth2]}}"
ALLOW_ALL_ETH2 = "{name: all, action: Allow, config: {masters: [eth2]}}"
DENY_ETH1 = "{name: eth1, action: Deny, config: {masters: [eth1]}}"
BASELINE, RESTRICTED = "{levels: {enforce: Baseline}}", "{levels: {enforce: Restricted}}"


@pytest.mark.parametrize(
    ("files", "unknown", "bob", "eve"),
    [
        # rules about authors alone
        ([policy(DENY_OTHERS)], "", "", "DefinitionDenyRule"),
        ([policy(DENY_BOB)], "", "DefinitionDenyRule", ""),
        ([config("{default: Deny}")], "", "DefinitionDefaultDeny", "DefinitionDefaultDeny"),
        ([config("{default: Deny}"), policy(ALLOW_BOB)], "", "", "DefinitionDefaultDeny"),
        ([policy(ALLOW_BOB_ETH2)], "", "NotWithinDefinitionRule", ""),
        # what the configuration holds
        ([policy(DENY_ETH1)], "DefinitionDenyRule", "DefinitionDenyRule", "DefinitionDenyRule"),
        ([policy(ALLOW_ALL_ETH2)], "NotWithinDefinitionRule", "NotWithinDefinitionRule", "NotWithinDefinitionRule"),
        ([policy(ALLOW_ALL_ETH2, ALLOW_BOB)], "", "", "NotWithinDefinitionRule"),
        ([config(BASELINE)], "DefinitionLevel", "DefinitionLevel", "DefinitionLevel"),
        ([config(BASELINE), policy(ALLOW_BOB)], "", "", "DefinitionLevel"),
        ([config(RESTRICTED), policy(ALLOW_BOB)], "", "", "DefinitionLevel"),
        ([config(RESTRICTED)], "DefinitionLevel", "DefinitionLevel", "DefinitionLevel"),
    ],
)
def test_rules_about_authors(files: list[str], unknown: str, bob: str, eve: str) -> None:
    write({"all.yaml": "---\n".join([NAMESPACE, network("lan", MACVLAN), *files])})

    def refused(*words: str) -> str:
        return next((rule for level, rule in rules("all.yaml", *words) if level == "error"), "")

    assert (refused(), refused("--as", "bob"), refused("--as", "eve")) == (unknown, bob, eve)


def test_level_restricted_without_an_author_judges_the_content_alone() -> None:
    write(
        {"all.yaml": "---\n".join([NAMESPACE, network("lan", GOOD.replace("bridge", "loopback")), config(RESTRICTED)])}
    )
    result = check("-v", "all.yaml")
    assert result.exit_code == 0
    assert "passed over: 1 rule about authors (-v lists them)" in result.stdout
    assert '  level Restricted of namespace "blue"' in result.stderr.splitlines()
    assert check("--as", "eve", "all.yaml").exit_code == 1


def test_rules_that_did_not_count_are_listed_once() -> None:
    networks = "---\n".join(network(f"n{number}") for number in range(3))
    write({"all.yaml": "---\n".join([NAMESPACE, networks, policy(DENY_OTHERS, ALLOW_BOB)])})
    result = check("-v", "all.yaml")
    assert result.stderr.splitlines()[:3] == [
        "passed over: 2 rules about authors",
        "  NetworkAttachmentPolicy writers, rule bob (Allow)",
        "  NetworkAttachmentPolicy writers, rule others (Deny)",
    ]
    assert "authors" not in check("-v", "--as", "bob", "all.yaml").stderr


def test_a_group_alone_is_an_author() -> None:
    write(
        {
            "all.yaml": "---\n".join(
                [NAMESPACE, network("lan"), policy("{name: o, action: Deny, exceptAuthors: {groups: [net]}}")]
            )
        }
    )
    assert check("--as-group", "net", "all.yaml").exit_code == 0
    assert check("--as-group", "dev", "all.yaml").exit_code == 1


def test_a_network_of_the_nodes_file_needs_no_author() -> None:
    text = network("lan").partition("spec:")[0]
    write({"all.yaml": "---\n".join([NAMESPACE, text, policy(ALLOW_BOB)])})
    assert [level for level, _ in rules("all.yaml")] == ["warning"]


def test_labels_of_namespaces_are_judged_with_an_author_only() -> None:
    text = NAMESPACE.replace("{name: blue}", "{name: blue, labels: {nadmit.io/definitions-enforce: Baseline}}")
    write({"all.yaml": "---\n".join([text, config("{}").replace("definitions: {}", "namespaceLabels: {mode: Deny}")])})
    assert (check("all.yaml").exit_code, check("--as", "eve", "all.yaml").exit_code) == (0, 1)

"""Comments that keep findings out: what they reach, and what is told of those that are of no use."""

from __future__ import annotations

import pytest

from .trees import GOOD, RENAMED, check, findings, network, pod, rules, summary, write

TWO_KEYS = '{"type": "bridge", "IPMasq": true, "isGatway": true, "ipam": {"type": "dhcp"}}'
"""A configuration with the warnings NAD105 and NAD104."""


def left(text: str) -> list[str]:
    """Return the rules of the findings about a file."""
    write({"a.yaml": text})
    return [rule for _, rule in rules("a.yaml")]


def test_the_configuration_has_what_the_tests_suppress() -> None:
    assert sorted(left(network("a", TWO_KEYS))) == ["NAD104", "NAD105"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  config: |", "  config: |  # nadmit: ignore NAD104,NAD105"),
        ("  config: |", "  config: |  # nadmit: ignore NAD104, nad105 the vendor writes it so"),
        ("  config: |", "  # nadmit: ignore NAD104 , NAD105 the vendor writes it so\n  config: |"),
        ("  config: |", "  #nadmit: ignore NAD104,NAD105\n\n  # another comment\n  config: |"),
        ("spec:", "# nadmit: ignore NAD104,NAD105 why\nspec:"),
        ("spec:", "spec: # nadmit:ignore NAD104,NAD105"),
        ("apiVersion", "# nadmit: ignore NAD104,NAD105 the whole object\napiVersion"),
        ("apiVersion", "---\n# x\n# nadmit: ignore NAD104,NAD105 the whole object\n\napiVersion"),
        ("apiVersion", "# nadmit: ignore NAD104\n# nadmit: ignore NAD105\napiVersion"),
        ("apiVersion", "# nadmit: ignore-file NAD104,NAD105 a vendor's file\n---\napiVersion"),
    ],
)
def test_a_comment_reaches_what_is_below_its_line(before: str, after: str) -> None:
    assert left(network("a", TWO_KEYS).replace(before, after, 1)) == []
    assert summary(check("a.yaml")).endswith("0 warnings; suppressed: 2 by comments")
    assert check("--strict", "a.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("metadata", "# nadmit: ignore NAD104 why\nmetadata"),
        ("kind", "kind: NetworkAttachmentDefinition # nadmit: ignore NAD104 why\nx-kind"),
        ("spec:", "x:\n  # nadmit: ignore NAD104 why\n  y: 1\nspec:"),
    ],
)
def test_a_comment_reaches_nothing_else(before: str, after: str) -> None:
    assert sorted(left(network("a", TWO_KEYS).replace(before, after, 1))) == ["NAD104", "NAD105", "unused-suppression"]


def test_a_comment_reaches_one_document_only() -> None:
    text = f"# nadmit: ignore NAD104,NAD105 why\n{network('a', TWO_KEYS)}---\n{network('b', TWO_KEYS)}"
    write({"a.yaml": text})
    assert {one["object"] for one in findings("a.yaml")} == {"networkattachmentdefinition blue/b"}


def test_the_items_of_a_list_in_the_column_of_its_key_are_below_it() -> None:
    policy = (
        "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicy\nmetadata: {name: labels}\nspec:\n"
        "  # nadmit: ignore everything,denies-everything the whole cluster is meant\n  attachments:\n"
        "  - name: lan\n    action: Deny\n    networks:\n    - names: ['*']\n"
    )
    assert left(policy) == []


def test_the_item_of_a_list_is_reached_alone() -> None:
    policy = (
        "apiVersion: access.nadmit.io/v1alpha1\nkind: NetworkAttachmentPolicy\nmetadata: {name: labels}\nspec:\n"
        "  attachments:\n"
        "  # nadmit: ignore everything meant\n  - name: lan\n    action: Deny\n    networks: [{names: ['*']}]\n"
        "  - name: wan\n    action: Deny\n    networks: [{namespaces: ['*']}]\n"
    )
    write({"a.yaml": policy})
    assert [one["line"] for one in findings("a.yaml") if one["rule"] == "everything"] == [12]


def test_an_error_is_kept_out_and_the_exit_code_follows() -> None:
    write(
        {
            "a.yaml": pod("a", "b").replace(
                "metadata:", "# nadmit: ignore network-not-found made by a controller\nmetadata:"
            )
        }
    )
    assert (check("a.yaml").exit_code, findings("a.yaml")) == (0, [])


def test_an_unreadable_document_can_be_kept_out() -> None:
    write(
        {
            "a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a, name: b} # nadmit: ignore yaml-duplicate-key why\n",
            "b.yaml": pod("b"),
        }
    )
    assert check(".").exit_code == 0


@pytest.mark.parametrize(
    ("comment", "rule", "text"),
    [
        ("ignore NAD104,NAD303 x", "unused-suppression", "the comment suppresses nothing: no NAD303 is found here; remove it"),
        ("ignore-file NAD104,NAD303 x", "unused-suppression", "no NAD303 is found in this file; remove it"),
        ("ignore NAD104,NAD1O5 x", "suppression-comment", 'there is no such code: "NAD1O5"; did you mean "NAD105"? allowed'),
        ("ignore NAD104,config-nam x", "suppression-comment", 'did you mean "config-name"?'),
        ("ignore", "suppression-comment", "the comment names no code; write # nadmit: ignore NAD105 reason"),
        ("ignroe NAD104", "suppression-comment", '"ignroe" is not a comment for nadmit; did you mean "ignore"?'),
    ],
)  # fmt: skip
def test_a_comment_of_no_use_is_a_warning_at_its_place(comment: str, rule: str, text: str) -> None:
    write({"a.yaml": f"# nadmit: {comment}\n{network('a', TWO_KEYS)}"})
    (found,) = (one for one in findings("a.yaml") if one["rule"] == rule)
    assert (found["level"], found["line"], found["column"]) == ("warning", 1, 1)
    assert text in found["message"]
    assert check("--strict", "a.yaml").exit_code == 1


@pytest.mark.parametrize(
    "text",
    [
        "# nadmit: see docs/check.md",
        "# nadmitted: ignore NAD104",
        "x: 'a#nadmit: ignore NAD104'",
        "# see nadmit: ignore",
    ],
)
def test_other_comments_are_none(text: str) -> None:
    assert left(f"{text}\n{network('a', GOOD)}") == []


def test_a_skipped_code_and_a_file_that_cannot_be_read_make_no_comment_unused() -> None:
    write({"a.yaml": f"# nadmit: ignore NAD303 x\n{network('a', GOOD)}"})
    assert findings("--skip", "NAD303", "a.yaml") == []
    write({"a.yaml": f"# nadmit: ignore NAD303 x\n{network('a', GOOD)}---\napiVersion: v1\nkind: Pod\nmetadata: ["})
    assert [rule for _, rule in rules("a.yaml")] == ["yaml-syntax"]


def test_comments_of_standard_input_and_crlf_count() -> None:
    text = network("a", RENAMED).replace("spec:", "spec: # nadmit: ignore config-name why").replace("\n", "\r\n")
    assert check("-", given=text).stdout.endswith("0 warnings; suppressed: 1 by comments\n")

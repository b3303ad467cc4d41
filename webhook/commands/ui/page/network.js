// One network: who may, who does, its addresses, and its definition explained.

import { badge, counted, facts, h, link, section, table } from "./dom.js";
import { networkLink, pathOf, userLink } from "./links.js";

/** Return the view of a network, from the answer of the server. */
export function networkView(one) {
  return [
    h(
      "div",
      { class: "head" },
      h(
        "p",
        { class: "trail" },
        link("#/map", "Map"),
        h("span", { "aria-hidden": "true" }, " / "),
        link(pathOf("namespace", one.namespace), one.namespace),
      ),
      h("h1", { tabindex: "-1" }, one.name),
      h(
        "p",
        { class: "badges" },
        one.defined === false ? badge("bad", "no such definition") : verdictBadge(one),
        countBadge(one),
        link(`#/can-attach?network=${encodeURIComponent(one.network)}`, "May a pod attach to it?", { class: "action" }),
      ),
    ),
    facts([
      [
        "Segment",
        one.segment.kind === "definition"
          ? one.defined === null
            ? "not known"
            : "one of its own"
          : link(`#/map?segment=${encodeURIComponent(one.segment.title)}`, one.segment.title),
      ],
      [
        "Plugins",
        (one.plugins ?? [])
          .map((plugin) => (plugin.ipam ? `${plugin.type} with ${plugin.ipam}` : plugin.type))
          .join(", "),
      ],
      [
        "Same segment",
        one.beside.length
          ? h(
              "ul",
              { class: "inline" },
              one.beside.slice(0, 20).map((name) => h("li", {}, networkLink(name))),
            )
          : "",
      ],
    ]),
    section("What is wrong", wrong(one)),
    section("Findings of the last stock-taking", findingsOf(one)),
    section("Who may attach", rightsOf(one)),
    section("Who is attached", attachments(one.attachments), asking(one)),
    section("Addresses", addresses(one.addresses)),
    section("What it touches on a node", touches(one)),
    section(
      "Definition",
      one.onDisk
        ? h("p", {}, "Its configuration is a file on the nodes.")
        : one.config
          ? h("pre", { tabindex: "0", "aria-label": "Configuration" }, one.config)
          : null,
    ),
  ];
}

function asking(one) {
  if (!one.asking.length) return null;
  return facts([
    [
      "Asks for it",
      h(
        "ul",
        { class: "inline" },
        one.asking.map((user) => h("li", {}, userLink(user))),
      ),
    ],
  ]);
}

function verdictBadge(one) {
  if (one.defined === null) return badge("warn", "definition not readable");
  if (!one.verdict) return badge("plain", "not judged");
  if (!one.verdict.allowed) return badge("bad", "would be refused now");
  return one.verdict.warnings.length
    ? badge("warn", counted(one.verdict.warnings.length, "warning"))
    : badge("good", "no finding");
}

function countBadge(one) {
  const pods = new Set(one.attachments.pods.map((each) => `${each.namespace}/${each.pod}`)).size;
  const more = one.attachments.count > one.attachments.pods.length ? `more than ${pods} pods` : counted(pods, "pod");
  return badge("plain", more);
}

function wrong(one) {
  const found = (one.problems ?? []).map((text) => h("p", { class: "finding bad" }, text));
  return [...found, ...verdictParts(one.verdict)];
}

/** Return a verdict of the webhook: the refusal as kubectl shows it, warnings, and each rule explained. */
export function verdictParts(verdict) {
  if (!verdict) return [];
  return [
    verdict.allowed
      ? null
      : h("pre", { class: "refusal", tabindex: "0", "aria-label": "What kubectl shows" }, verdict.text),
    ...verdict.warnings.map((one) =>
      h("p", { class: "finding warn" }, one.field ? [h("code", {}, one.field), " "] : null, one.text),
    ),
    ...explanations(verdict.explained),
  ].filter(Boolean);
}

/** Return what `nadmit explain` says about rules. */
export function explanations(explained) {
  return explained.map((rule) =>
    h(
      "details",
      {},
      h("summary", {}, h("code", {}, rule.code), " ", rule.title),
      h("p", {}, rule.meaning),
      h("p", {}, h("strong", {}, "Fix: "), rule.fix),
    ),
  );
}

const STATES = {
  yes: ["good", "may attach"],
  "within limits": ["warn", "within limits"],
  no: ["bad", "may not attach"],
};

function rightsOf(one) {
  if (one.lacking.length) return one.lacking.map((text) => h("p", { class: "finding warn" }, text));
  return one.rights.map((group) => {
    const [state, text] = STATES[group.state];
    const names = group.namespaces.map((name) => h("li", {}, link(pathOf("namespace", name), name)));
    const list = h("ul", { class: "inline" }, names);
    return h(
      "div",
      { class: "right" },
      h("p", {}, badge(state, text), " ", h("strong", {}, counted(group.namespaces.length, "namespace"))),
      group.namespaces.length > 12
        ? h(
            "details",
            {},
            h("summary", {}, `${group.namespaces.slice(0, 4).join(", ")} and ${group.namespaces.length - 4} more`),
            list,
          )
        : list,
      h("p", { class: "quiet" }, group.reason ? `${group.reason}. ` : "", "Decided by: ", group.decided),
    );
  });
}

/** Return the table of attachments. */
export function attachments(found, { withNetwork = false, none = "No pod." } = {}) {
  if (!found.count) return h("p", { class: "quiet" }, none);
  const rows = found.pods.map((one) => [
    link(pathOf("pod", one.namespace, one.pod), `${one.namespace}/${one.pod}`),
    withNetwork ? networkLink(one.network) : userLink(one),
    one.interface,
    h("span", { class: "mono" }, one.addresses.join(" ")),
    h("span", { class: "mono" }, one.mac || one.devices.join(" ")),
    one.node,
    one.leaving ? badge("warn", "leaving") : one.phase,
  ]);
  const heads = [
    "Pod",
    withNetwork ? "Network" : "Workload",
    "Interface",
    "Addresses",
    "MAC or device",
    "Node",
    "Phase",
  ];
  return [
    table("Pods that are attached", heads, rows),
    found.count > rows.length
      ? h(
          "p",
          { class: "quiet" },
          `The first ${rows.length} of ${found.count.toLocaleString("en")}. Search finds every pod by its name.`,
        )
      : null,
  ];
}

function addresses(found) {
  if (found.unknown) return h("p", { class: "quiet" }, `Not known: ${found.unknown}.`);
  const spans = (list) =>
    h(
      "ul",
      { class: "inline mono" },
      list.slice(0, 24).map((one) => h("li", {}, one.first === one.last ? one.first : `${one.first} – ${one.last}`)),
      list.length > 24 ? h("li", {}, `and ${list.length - 24} more`) : null,
    );
  return [
    facts([
      ["IPAM", found.ipam],
      ["Ranges", spans(found.ranges)],
      [`Free: ${BigInt(found.count).toLocaleString("en")}`, spans(found.free)],
    ]),
    found.usedCount
      ? h(
          "details",
          {},
          h(
            "summary",
            {},
            `${counted(found.usedCount, "address").replace("addresss", "addresses")} in use or asked for`,
          ),
          table(
            "Addresses in use",
            ["Address", "By"],
            found.used.map((one) => [h("span", { class: "mono" }, one.address), one.by]),
          ),
        )
      : h("p", { class: "quiet" }, "None is in use."),
    ...found.notes.map((text) => h("p", { class: "quiet" }, text)),
  ];
}

function touches(one) {
  const found = one.touches ?? [];
  return found.length
    ? table(
        "What the definition touches",
        ["What", "Value", "Where", "Plugin"],
        found.map((each) => [
          each.kind,
          h("span", { class: "mono" }, each.value),
          h("code", {}, each.path),
          each.plugin,
        ]),
      )
    : null;
}

/** Level of a finding -> its colour. */
export const LEVELS = { error: "bad", warning: "warn", info: "plain" };

function findingsOf(one) {
  const lines = one.findings.map((each) =>
    h("li", {}, badge(LEVELS[each.level], each.level), h("p", {}, each.message)),
  );
  return lines.length ? h("ul", { class: "found" }, lines) : null;
}

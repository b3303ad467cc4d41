// A namespace, a pod, a workload: the rules in force, what is asked for, what is there, and why.

import { badge, counted, facts, h, link, section, table } from "./dom.js";
import { networkLink, pathOf, splitReference, userLink } from "./links.js";
import { attachments, explanations, verdictParts } from "./network.js";

/** Return the list of namespaces. */
export function namespacesView(map) {
  const networks = new Map();
  const pods = new Map();
  for (const segment of map.segments)
    for (const network of segment.networks) {
      const own = network.network.split("/")[0];
      networks.set(own, (networks.get(own) ?? 0) + 1);
      for (const user of network.users) pods.set(user.namespace, (pods.get(user.namespace) ?? 0) + user.pods);
    }
  const rows = map.namespaces.map((name) => [
    link(pathOf("namespace", name), name),
    h("span", { class: "number" }, networks.get(name) ?? 0),
    h("span", { class: "number" }, pods.get(name) ?? 0),
  ]);
  return [
    h(
      "div",
      { class: "head" },
      h("h1", { tabindex: "-1" }, "Namespaces"),
      h("p", { class: "count" }, counted(rows.length, "namespace")),
    ),
    table("Namespaces", ["Namespace", "Networks of its own", "Attachments of its pods"], rows),
  ];
}

/** Return the view of a namespace. */
export function namespaceView(one) {
  const labels = Object.entries(one.labels).map(([key, value]) => h("li", {}, `${key}=${value}`));
  return [
    h(
      "div",
      { class: "head" },
      h("p", { class: "trail" }, link("#/namespaces", "Namespaces"), h("span", { "aria-hidden": "true" }, " / ")),
      h("h1", { tabindex: "-1" }, one.namespace),
      h(
        "p",
        { class: "badges" },
        one.exists ? null : badge("warn", "no such namespace is known"),
        link(`#/can-attach?namespace=${encodeURIComponent(one.namespace)}`, "May its pods attach to …?", {
          class: "action",
        }),
      ),
    ),
    facts([["Labels", labels.length ? h("ul", { class: "inline mono" }, labels) : ""]]),
    section(
      "What its pods may attach to",
      one.lacking.map((text) => h("p", { class: "finding warn" }, text)),
      allowed(one),
    ),
    section(
      "Its own networks",
      one.networks.length
        ? h(
            "ul",
            { class: "inline" },
            one.networks.map((name) => h("li", {}, networkLink(name))),
          )
        : h("p", { class: "quiet" }, "None."),
    ),
    section("What its pods are attached to", attachments(one.attachments, { withNetwork: true })),
    one.text
      ? section("The same as text", h("pre", { tabindex: "0", "aria-label": "Output of nadmit rules" }, one.text))
      : null,
  ];
}

function allowed(one) {
  if (!one.allowed) return null;
  const rows = one.allowed.map((each) => [
    networkLink(each.network),
    each.state === "yes" ? badge("good", "yes") : badge("warn", each.state),
    h(
      "ul",
      { class: "stack" },
      each.grants.map((grant) => h("li", {}, grant.asks, h("span", { class: "quiet" }, ` — ${grant.decided}`))),
    ),
    each.trials.length ? each.trials.map((text) => badge("warn", text)) : "",
  ]);
  const refused = one.refusedCount
    ? h("p", { class: "quiet" }, `${counted(one.refusedCount, "other network")} would be refused.`)
    : null;
  return [
    rows.length
      ? table(
          "Networks that pods of the namespace may attach to",
          ["Network", "Attach", "May ask for, and who decided", "On trial"],
          rows,
        )
      : h("p", {}, "Nothing."),
    refused,
  ];
}

/** Return the view of a pod. */
export function podView(one) {
  const why = one.why;
  const state = why.fine ? "good" : why.known ? "bad" : "warn";
  return [
    h(
      "div",
      { class: "head" },
      h(
        "p",
        { class: "trail" },
        link(pathOf("namespace", one.namespace), one.namespace),
        h("span", { "aria-hidden": "true" }, " / "),
      ),
      h("h1", { tabindex: "-1" }, one.name),
      h("p", { class: "badges" }, badge(state, `${why.stage}: ${why.message}`)),
    ),
    section(
      "Why",
      why.fix ? h("p", {}, h("strong", {}, "Fix: "), why.fix) : null,
      why.failure ? h("p", { class: "finding bad" }, why.failure.text) : null,
      explanations(one.explained),
      why.unread.map((text) => h("p", { class: "finding warn" }, text)),
      h(
        "details",
        {},
        h("summary", {}, "As nadmit why says it"),
        h("pre", { tabindex: "0", "aria-label": "Output of nadmit why" }, one.text),
      ),
    ),
    section("What it asks for", plan(one.plan)),
    section(
      "What it has",
      attachments({ count: one.attachments.length, pods: one.attachments }, { withNetwork: true, none: "Nothing." }),
    ),
    section(
      "If it were created now",
      one.lacking.map((text) => h("p", { class: "finding warn" }, text)),
      one.verdict
        ? [
            h(
              "p",
              {},
              one.verdict.allowed
                ? badge("good", "the webhook would allow it")
                : badge("bad", "the webhook would refuse it"),
            ),
            verdictParts(one.verdict),
          ]
        : null,
    ),
  ];
}

function plan(found) {
  const problems = found.problems.map((text) => h("p", { class: "finding bad" }, text));
  if (!found.attachments.length)
    return problems.length ? problems : h("p", { class: "quiet" }, "No network besides the default one.");
  const rows = found.attachments.map((one) => [
    one.interface,
    networkLink(one.network),
    one.default ? "in place of the default network" : "",
    h(
      "span",
      { class: "mono" },
      Object.entries(one.requests)
        .map(([key, value]) => `${key}: ${value}`)
        .join(", "),
    ),
  ]);
  return [table("The plan of the pod", ["Interface", "Network", "Place", "Asks for"], rows), problems];
}

/** Return the view of a workload. */
export function workloadView(one, namespace, workload) {
  return [
    h(
      "div",
      { class: "head" },
      h(
        "p",
        { class: "trail" },
        link(pathOf("namespace", namespace), namespace),
        h("span", { "aria-hidden": "true" }, " / "),
      ),
      h("h1", { tabindex: "-1" }, workload),
      h("p", { class: "count" }, counted(one.count, "attachment")),
    ),
    section("Its pods", attachments(one, { withNetwork: true })),
  ];
}

/** Return what a search has found. */
export function searchView(text, map, found) {
  const word = text.toLowerCase();
  const networks = map.segments
    .flatMap((one) => one.networks)
    .filter((one) => one.network.toLowerCase().includes(word));
  const workloads = new Map();
  for (const segment of map.segments)
    for (const network of segment.networks)
      for (const user of network.users) {
        const key = `${user.namespace} ${user.workload}`;
        if (key.toLowerCase().includes(word) && !user.workload.startsWith("pod/")) workloads.set(key, user);
      }
  const namespaces = (map.namespaces ?? []).filter((name) => name.includes(word));
  const group = (title, all, make) =>
    all.length
      ? section(
          `${title} · ${all.length.toLocaleString("en")}`,
          h(
            "ul",
            { class: "hits" },
            all.slice(0, 20).map((one) => h("li", {}, make(one))),
          ),
        )
      : null;
  const parts = [
    found?.who
      ? section("Who has it", h("pre", { tabindex: "0", "aria-label": "Output of nadmit who" }, found.who))
      : null,
    group("Networks", networks, (one) => networkLink(one.network)),
    group("Namespaces", namespaces, (name) => link(pathOf("namespace", name), name)),
    group("Workloads", [...workloads.values()], userLink),
    group("Pods", found?.pods ?? [], (name) => link(pathOf("pod", ...splitReference(name)), name)),
  ].filter(Boolean);
  const count = networks.length + namespaces.length + workloads.size + (found?.count ?? 0);
  return {
    count,
    parts: [
      h(
        "div",
        { class: "head" },
        h("h1", { tabindex: "-1" }, `Search: ${text}`),
        h("p", { class: "count" }, counted(count, "hit")),
      ),
      parts.length ? parts : h("p", { class: "empty" }, "Nothing has this name or this address."),
    ],
  };
}

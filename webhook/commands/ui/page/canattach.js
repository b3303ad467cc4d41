// May pods attach to a network? The answer of nadmit can-attach, and what the user of a refused pod reads.

import { announce, badge, h, section } from "./dom.js";
import { ask } from "./data.js";
import { explanations, verdictParts } from "./network.js";

const FIELDS = [
  ["namespace", "Namespace of the pod", "team-a", true],
  ["network", "Network", "NAME or NAMESPACE/NAME", true],
  ["labels", "Labels of the pod", "app=web,tier=db", false],
  ["serviceAccount", "Service account", "default", false],
  ["ips", "Addresses that it asks for", "10.1.0.5/24", false],
  ["mac", "MAC address", "02:00:00:00:00:01", false],
  ["interface", "Interface", "net1", false],
  ["default-route", "Gateway of the default route", "10.1.0.1", false],
];

/** Show the form, and the answer to the question in the address. */
export function showCanAttach(main, map, question, { go }) {
  const answer = h("div", { class: "answer", id: "answer" });
  const lists = h(
    "div",
    { hidden: true },
    listOf("namespace", map.namespaces),
    listOf(
      "network",
      map.segments.flatMap((one) => one.networks.map((each) => each.network)),
    ),
  );
  const field = ([name, label, hint, required]) =>
    h(
      "div",
      { class: "field" },
      h("label", { for: `ask-${name}` }, label, required ? h("span", { class: "quiet" }, " (required)") : null),
      h("input", {
        id: `ask-${name}`,
        name,
        value: question[name] ?? "",
        placeholder: hint,
        required,
        autocomplete: "off",
        spellcheck: "false",
        list: required ? `known-${name}` : false,
      }),
    );
  const isMore = FIELDS.some(([name, , , required]) => !required && question[name]) || question.default === "true";
  const check = h("input", {
    type: "checkbox",
    id: "ask-default",
    name: "default",
    value: "true",
    checked: question.default === "true",
  });
  const form = h(
    "form",
    { class: "card form", "aria-label": "May a pod attach to a network" },
    h("div", { class: "grid" }, FIELDS.filter((one) => one[3]).map(field)),
    h(
      "details",
      { open: isMore },
      h("summary", {}, "More about the pod, and what it asks for"),
      h("div", { class: "grid" }, FIELDS.filter((one) => !one[3]).map(field)),
      h(
        "p",
        { class: "check" },
        check,
        h("label", { for: "ask-default" }, "in place of the cluster's default network"),
      ),
    ),
    h("button", { type: "submit", class: "primary" }, "Ask"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()));
    go(`#/can-attach?${new URLSearchParams(given)}`, { quietly: true });
    showAnswer(answer, given);
  });
  main.replaceChildren(
    h(
      "div",
      { class: "head" },
      h("h1", { tabindex: "-1" }, "May pods attach?"),
      h(
        "p",
        { class: "count" },
        "The answer of the rules in force, and the text that a user would read. Nothing is created.",
      ),
    ),
    form,
    lists,
    answer,
  );
  if (question.namespace && question.network) showAnswer(answer, question);
  return {};
}

function listOf(name, values) {
  return h(
    "datalist",
    { id: `known-${name}` },
    values.slice(0, 3000).map((value) => h("option", { value })),
  );
}

async function showAnswer(answer, question) {
  try {
    const found = await ask("can-attach", question);
    answer.replaceChildren(...partsOf(found));
    announce(found.text.split("\n")[0]);
  } catch (error) {
    answer.replaceChildren(h("p", { class: "finding bad", role: "alert" }, error.message));
  }
}

function partsOf(found) {
  const verdict = found.verdict;
  const refused = verdict && !verdict.allowed;
  return [
    section(
      "Answer",
      h(
        "p",
        { class: "badges" },
        badge(found.allowed ? "good" : "bad", found.allowed ? "yes, they may attach" : "no, they may not attach"),
      ),
      found.note ? h("p", { class: "finding warn" }, found.note) : null,
      h("pre", { tabindex: "0", "aria-label": "Output of nadmit can-attach" }, found.text),
    ),
    section(
      "What the user reads",
      refused ? verdictParts(verdict) : h("p", {}, "A pod that asks for it is created."),
      !refused && verdict ? [verdictParts({ ...verdict, explained: [] }), explanations(verdict.explained)] : null,
    ),
  ].filter(Boolean);
}

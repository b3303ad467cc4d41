// What a stock-taking finds: everything that exists, judged as if it were created now, and what only all of it shows.

import { announce, badge, counted, h } from "./dom.js";
import { ask } from "./data.js";
import { objectLink } from "./links.js";
import { LEVELS, explanations } from "./network.js";

const FINDINGS_SHOWN = 50;

/** Show the findings. The first time, and when the button is pressed, the whole cluster is read. */
export function showFindings(main, question) {
  const summary = h("p", { class: "count" }, "Taking stock: everything is read and judged. That takes some seconds.");
  const list = h("div", {});
  const again = h("button", { type: "button" }, "Take stock again");
  const choices = Object.keys(LEVELS).map((one) => h("option", { value: one }, one));
  const level = h("select", { id: "finding-level" }, h("option", { value: "" }, "all"), choices);
  const text = h("input", {
    id: "finding-text",
    type: "search",
    autocomplete: "off",
    placeholder: "rule, object, text",
    value: question.text ?? "",
  });
  let taken = null;

  const draw = () => {
    if (!taken) return;
    const word = text.value.toLowerCase();
    const found = taken.findings.filter(
      (one) => (!level.value || one.level === level.value) && findingText(one).includes(word),
    );
    const number = (name) => found.filter((one) => one.level === name).length;
    const counts = [
      counted(number("error"), "error"),
      counted(number("warning"), "warning"),
      `${number("info")} for information`,
    ];
    summary.textContent = `${counts.join(", ")}. Taken at ${new Date(taken.taken).toLocaleTimeString()}${taken.old ? "; objects have changed since" : ""}.`;
    announce(summary.textContent);
    list.replaceChildren(
      ...taken.unread.map((right) => h("p", { class: "finding warn" }, right)),
      ...groupsOf(found).map((group) => findingCard(group, taken.explained)),
    );
    performance.mark("findings shown");
    if (!found.length) list.append(h("p", { class: "empty" }, noFindingText(taken)));
  };
  const take = async (asked) => {
    again.disabled = true;
    try {
      taken = await ask("findings", asked);
      draw();
    } catch (error) {
      summary.textContent = "";
      list.replaceChildren(h("p", { class: "finding bad", role: "alert" }, error.message));
    }
    again.disabled = false;
  };
  again.addEventListener("click", () => {
    summary.textContent = "Taking stock.";
    announce("Taking stock.");
    take({ again: "true" });
  });
  level.addEventListener("input", draw);
  text.addEventListener("input", draw);
  main.replaceChildren(
    h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Findings"), summary),
    h(
      "form",
      { class: "filters", "aria-label": "Filters of the findings", onsubmit: (event) => event.preventDefault() },
      h("div", { class: "field" }, h("label", { for: "finding-text" }, "Filter"), text),
      h("div", { class: "field" }, h("label", { for: "finding-level" }, "Level"), level),
      h("div", { class: "end" }, again),
    ),
    list,
  );
  take({});
  return { renew: () => take({}) };
}

function findingText(one) {
  const names = [one.object, ...one.others].map((each) => `${each.kind} ${each.namespace}/${each.name}`);
  return [one.rule, one.message, ...names].join(" ").toLowerCase();
}

function groupsOf(found) {
  const groups = new Map();
  for (const one of found) {
    const key = `${one.level} ${one.rule}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(one);
  }
  return [...groups.values()];
}

function findingCard(group, explained) {
  const [{ level, rule }] = group;
  const known = explained[rule];
  return h(
    "section",
    { class: "card" },
    h(
      "h2",
      {},
      badge(LEVELS[level], level),
      " ",
      known ? known.title : rule,
      h("span", { class: "quiet" }, ` · ${group.length}`),
    ),
    h("ul", { class: "found" }, group.slice(0, FINDINGS_SHOWN).map(findingLine)),
    group.length > FINDINGS_SHOWN
      ? h("p", { class: "quiet" }, `The first ${FINDINGS_SHOWN} of ${group.length}; a filter finds the others.`)
      : null,
    known ? explanations([{ ...known, title: "explained" }]) : null,
  );
}

function findingLine(one) {
  const todo = one.fix ? h("p", { class: "quiet" }, `To do: ${one.fix}`) : null;
  return h("li", {}, objectLink(one.object), h("p", {}, one.message), todo);
}

function noFindingText(taken) {
  if (taken.findings.length) return "No finding matches.";
  return taken.unread.length ? "No finding in what could be read." : "Nothing is wrong.";
}

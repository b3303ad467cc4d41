// The map: filters, the picture, and a table with the same content.

import { announce, badge, counted, h, link, table } from "./dom.js";
import { countWorkloads, drawGraph, isDetailed, podsOf } from "./graph.js";
import { networkLink, userLink } from "./links.js";

const ROWS_FIRST = 100;

/** Return the segments that filters leave, each with the networks that they leave. */
export function filtered(map, { text, kind, namespace, segment }) {
  const word = (text ?? "").toLowerCase();
  const found = [];
  for (const one of map.segments) {
    if ((kind && one.segment.kind !== kind) || (segment && one.segment.title !== segment)) continue;
    const whole = !word || one.segment.title.toLowerCase().includes(word);
    const networks = one.networks.filter(
      (network) =>
        (!namespace ||
          network.network.startsWith(`${namespace}/`) ||
          network.users.some((user) => user.namespace === namespace)) &&
        (whole || textOf(network).includes(word)),
    );
    if (networks.length) found.push({ segment: one.segment, networks });
  }
  return found;
}

function textOf(network) {
  const users = network.users.map((user) => `${user.namespace}/${user.workload}`);
  return [network.network, ...network.types, ...network.ipam, ...users].join(" ").toLowerCase();
}

/** Show the map. Returns what the page calls later: `recolour` after a switch of the theme, `end` before another view. */
export function showOverview(main, map, question, { go, isTable, setTable }) {
  const state = { text: "", kind: "", namespace: "", segment: "", ...question };
  const count = h("p", { class: "count", id: "count" });
  const stage = h("div", { class: "stage" });
  let drawn = null;
  let kept = null;

  const draw = () => {
    const segments = filtered(map, state);
    const networks = segments.reduce((sum, one) => sum + one.networks.length, 0);
    const said = `${counted(networks, "network")} on ${counted(segments.length, "segment")}, ${counted(countWorkloads(segments), "workload")}`;
    count.textContent = said;
    announce(said);
    drawn?.end();
    drawn = null;
    stage.replaceChildren();
    stage.style.height = "";
    stage.classList.toggle("plain", isTable() || !segments.length);
    if (!segments.length) stage.append(h("p", { class: "empty" }, noNetworkText(map)));
    else if (isTable()) stage.append(tableOf(segments, draw));
    else drawn = picture(stage, segments, go, kept);
    kept = null;
  };

  const redraw = delayed(draw, 150);
  const control = (name, label, element) => {
    element.id = `filter-${name}`;
    element.value = state[name];
    const changed = () => {
      state[name] = element.value;
      redraw();
    };
    element.addEventListener("input", changed);
    return h("div", { class: "field" }, h("label", { for: element.id }, label), element);
  };
  const kinds = [...new Set(map.segments.map((one) => one.segment.kind))];
  const toggle = h("div", { class: "switch", role: "group", "aria-label": "Show the map as" });
  for (const [value, title] of [
    [false, "Picture"],
    [true, "Table"],
  ]) {
    const button = h("button", { type: "button", "aria-pressed": String(isTable() === value) }, title);
    button.addEventListener("click", () => {
      setTable(value);
      for (const other of toggle.children) other.setAttribute("aria-pressed", String(other === button));
      draw();
    });
    toggle.append(button);
  }

  main.replaceChildren(
    h(
      "div",
      { class: "head" },
      state.segment
        ? [
            h("p", { class: "trail" }, link("#/map", "Map"), h("span", { "aria-hidden": "true" }, " / ")),
            h("h1", { tabindex: "-1" }, state.segment),
          ]
        : h("h1", { tabindex: "-1" }, "Map"),
      count,
    ),
    h(
      "form",
      { class: "filters", "aria-label": "Filters of the map", onsubmit: (event) => event.preventDefault() },
      control(
        "text",
        "Filter",
        h("input", { type: "search", placeholder: "name, plugin, workload", autocomplete: "off" }),
      ),
      control("namespace", "Namespace", choice("all", map.namespaces ?? namespacesOf(map))),
      state.segment ? null : control("kind", "Segment", choice("all kinds", kinds)),
      toggle,
    ),
    stage,
  );
  draw();
  return {
    recolour: () => drawn?.recolour(),
    end: () => drawn?.end(),
    renew: (newer) => {
      map = newer;
      kept = drawn?.view() ?? null;
      draw();
    },
  };
}

function noNetworkText(map) {
  if (map.segments.length) return "No network matches. Clear a filter to see more.";
  return map.unread.length
    ? "No network in what could be read."
    : "There are no networks: there is no NetworkAttachmentDefinition, and no pod has one.";
}

function choice(none, names) {
  return h(
    "select",
    {},
    h("option", { value: "" }, none),
    names.map((name) => h("option", { value: name }, name)),
  );
}

function namespacesOf(map) {
  const found = new Set();
  for (const { networks } of map.segments)
    for (const { network, users } of networks) {
      found.add(network.split("/")[0]);
      for (const user of users) found.add(user.namespace);
    }
  return [...found].sort();
}

function delayed(call, pause) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, pause);
  };
}

function picture(stage, segments, go, kept) {
  const canvas = h("div", {
    class: "canvas",
    tabindex: "0",
    role: "application",
    "aria-label": "Picture of the map. The table has the same content.",
    "aria-describedby": "keys",
  });
  const detailed = isDetailed(segments);
  const keys = h(
    "p",
    { class: "keys", id: "keys" },
    detailed ? "" : "A circle is a segment, its size the number of pods. ",
    h("kbd", {}, "↑"),
    h("kbd", {}, "↓"),
    " choose ",
    h("kbd", {}, "Enter"),
    " open ",
    h("kbd", {}, "+"),
    h("kbd", {}, "−"),
    h("kbd", {}, "0"),
    " zoom",
  );
  stage.append(canvas, keys);
  const drawn = drawGraph(canvas, segments, { open: go, say: announce });
  if (kept) drawn.look(kept);
  stage.append(
    h(
      "div",
      { class: "zoom", role: "group", "aria-label": "Zoom" },
      h("button", { type: "button", "aria-label": "Zoom in", onclick: () => drawn.zoom(1.25) }, "+"),
      h("button", { type: "button", "aria-label": "Zoom out", onclick: () => drawn.zoom(0.8) }, "−"),
      h("button", { type: "button", "aria-label": "Show all", onclick: () => drawn.fit() }, "◻"),
    ),
  );
  performance.mark("map drawn");
  return drawn;
}

function segmentText(segment, isDefined) {
  if (isDefined === null) return h("span", { class: "quiet" }, "not known: its definition may not be read");
  return segment.kind === "definition" ? h("span", { class: "quiet" }, "its own") : segment.title;
}

function tableOf(segments, redraw, first = ROWS_FIRST) {
  const all = segments.flatMap(({ segment, networks }) => networks.map((network) => ({ segment, network })));
  const rows = all.slice(0, first).map(({ segment, network }) => {
    const users = network.users.slice(0, 4);
    const more =
      network.users.length > 4 ? h("span", { class: "quiet" }, ` and ${network.users.length - 4} more`) : null;
    return [
      networkLink(network.network),
      network.defined === false ? badge("bad", "no such definition") : segmentText(segment, network.defined),
      [...network.types, ...network.ipam].join(", "),
      network.users.length
        ? [
            h(
              "ul",
              { class: "inline" },
              users.map((user) => h("li", {}, userLink(user), user.pods ? null : " asks for it")),
            ),
            more,
          ]
        : h("span", { class: "quiet" }, "no pod"),
      h("span", { class: "number" }, podsOf(network).toLocaleString("en")),
    ];
  });
  const made = h(
    "div",
    {},
    table("Networks, their segments and who is on them", ["Network", "Segment", "Plugins", "Workloads", "Pods"], rows),
  );
  if (all.length > first) {
    const more = h(
      "button",
      { type: "button", class: "more" },
      `Show ${Math.min(500, all.length - first)} more of ${all.length - first}`,
    );
    more.addEventListener("click", () => made.replaceWith(tableOf(segments, redraw, first + 500)));
    made.append(more);
  }
  performance.mark("map drawn");
  return made;
}

// The picture of the map, by cytoscape.js. Few networks are drawn whole: segments, their networks, the workloads on them.
// Many are drawn as one circle for each segment; its size is the number of pods, and a click opens its neighbourhood.

import { embedded } from "./data.js";
import { pathOf, podWords, splitReference } from "./links.js";

export const DETAIL_MAX = { networks: 60, workloads: 120 };

const MARGIN = 40;
const HEIGHT_MIN = 430;
const HEIGHT_MAX = 2600;
const CELL = 88;
const WIDTH = { segment: 170, network: 190, workload: 210 };

/** Return how many different workloads are on networks. */
export function countWorkloads(segments) {
  const found = new Set();
  for (const { networks } of segments)
    for (const { users } of networks) for (const user of users) found.add(`${user.namespace} ${user.workload}`);
  return found.size;
}

/** Say whether these segments are few enough to be drawn whole. */
export function isDetailed(segments) {
  const networks = segments.reduce((sum, one) => sum + one.networks.length, 0);
  return networks <= DETAIL_MAX.networks && countWorkloads(segments) <= DETAIL_MAX.workloads;
}

/** Return the number of pods on a segment. */
export function podsOn(segment) {
  return segment.networks.reduce((sum, network) => sum + podsOf(network), 0);
}

/** Return the number of pods on a network. */
export function podsOf(network) {
  return network.users.reduce((sum, user) => sum + user.pods, 0);
}

/** Draw segments into an element, which must have a size. `open(path)` is called when a node is opened. */
export function drawGraph(container, segments, { open, say }) {
  const detailed = isDetailed(segments);
  const cy = cytoscape({
    container,
    elements: detailed ? detailOf(segments) : circlesOf(segments),
    style: styleOf(),
    layout: { name: "preset" },
    minZoom: 0.05,
    maxZoom: 2.5,
    autoungrabify: true,
    boxSelectionEnabled: false,
    selectionType: "single",
    textureOnViewport: !detailed,
    hideEdgesOnViewport: !detailed,
  });
  detailed ? layOutColumns(cy) : layOutCircles(cy);
  fit(cy);
  // The wheel scrolls the page, which is as long as the picture; with Ctrl, or two fingers, it zooms.
  container.addEventListener("wheel", (event) => event.ctrlKey || event.stopPropagation(), { capture: true });
  cy.on("tap", "node", (event) => choose(cy, event.target, open));
  cy.on("mouseover", "node", (event) => highlight(cy, event.target));
  cy.on("mouseout", "node", () => highlight(cy, cy.$(":selected")));
  container.onkeydown = (event) => walk(cy, event, { open, say });
  let width = cy.width();
  const sizes = new ResizeObserver(() => {
    if (container.clientWidth === width) return;
    width = container.clientWidth;
    fit(cy);
  });
  sizes.observe(container);
  return {
    recolour: () => cy.style(styleOf()),
    fit: () => fit(cy),
    zoom: (factor) => zoom(cy, factor),
    end: () => {
      sizes.disconnect();
      cy.destroy();
    },
    view: () => ({ zoom: cy.zoom(), pan: { ...cy.pan() } }),
    look: ({ zoom: level, pan }) => cy.viewport({ zoom: level, pan }),
    counts: { nodes: cy.nodes().length, edges: cy.edges().length, detailed },
    frame: (done) => cy.one("render", done).forceRender(),
  };
}

/** Make the stage as high as the picture, within limits, and show all of it; never larger than it is. */
function fit(cy) {
  const box = cy.elements().boundingBox({ includeOverlays: false });
  cy.resize();
  const scale = Math.min(1, (cy.width() - 2 * MARGIN) / box.w);
  cy.container().parentElement.style.height = `${Math.min(HEIGHT_MAX, Math.max(HEIGHT_MIN, box.h * scale + 2 * MARGIN))}px`;
  cy.resize();
  cy.fit(undefined, MARGIN);
  if (cy.zoom() > 1) {
    cy.zoom(1);
    cy.center();
  }
}

function choose(cy, node, open) {
  const path = node.data("path");
  if (path) open(path);
}

function highlight(cy, nodes) {
  cy.batch(() => {
    cy.elements().removeClass("dim lit");
    if (nodes.empty()) return;
    const near = nodes.union(nodes.predecessors()).union(nodes.successors());
    near.addClass("lit");
    cy.elements().difference(near).addClass("dim");
  });
}

function zoom(cy, factor) {
  cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
}

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/** Move the selection with the arrow keys, open with Enter, zoom with + and -. Tab leaves the picture as usual. */
function walk(cy, event, { open, say }) {
  const nodes = cy.nodes("[order]").sort((one, other) => one.data("order") - other.data("order"));
  if (event.key in STEPS && nodes.nonempty()) {
    const chosen = cy.$("node:selected");
    const at = chosen.empty() ? -1 : nodes.indexOf(chosen[0]);
    const next = nodes[(Math.max(at, STEPS[event.key] > 0 ? -1 : 0) + STEPS[event.key] + nodes.length) % nodes.length];
    cy.nodes().unselect();
    next.select();
    highlight(cy, next);
    const box = next.renderedBoundingBox();
    if (box.x1 < 0 || box.y1 < 0 || box.x2 > cy.width() || box.y2 > cy.height()) cy.center(next);
    say(next.data("said"));
  } else if (event.key === "Enter" && cy.$("node:selected").nonempty()) {
    choose(cy, cy.$("node:selected"), open);
  } else if (event.key === "+" || event.key === "-") {
    zoom(cy, event.key === "+" ? 1.25 : 0.8);
  } else if (event.key === "0") {
    fit(cy);
  } else if (event.key === "Escape") {
    cy.nodes().unselect();
    highlight(cy, cy.collection());
    return;
  } else {
    return;
  }
  event.preventDefault();
}

// Few networks: three columns

function detailOf(segments) {
  const found = [];
  const workloads = new Map();
  let order = 0;
  segments.forEach(({ segment, networks }, number) => {
    const root = `segment ${number}`;
    const alone = segment.kind === "definition";
    if (!alone)
      found.push({
        data: {
          id: root,
          label: `${segment.name || "default route"}\n${segment.kind}${segment.vlan ? `, VLAN ${segment.vlan}` : ""}`,
          kind: "segment",
          order: order++,
          path: `#/map?segment=${encodeURIComponent(segment.title)}`,
          said: `Segment ${segment.title}`,
        },
      });
    for (const network of networks) {
      const id = `network ${network.network}`;
      const [namespace, name] = splitReference(network.network);
      found.push({
        data: {
          id,
          label: namespace ? `${name}\n${namespace}` : name,
          kind: network.defined === false ? "missing" : "network",
          order: order++,
          path: namespace ? pathOf("network", namespace, name) : null,
          said: `Network ${network.network}, ${podsOf(network)} pods${alone ? "" : `, on ${segment.title}`}`,
        },
      });
      if (!alone) found.push({ data: { id: `${root} ${id}`, source: root, target: id } });
      for (const user of network.users) {
        const key = `workload ${user.namespace} ${user.workload}`;
        if (!workloads.get(key)?.pods) workloads.set(key, user);
        const use = user.pods ? "use" : "asked";
        found.push({ data: { id: `${id} ${key}`, source: id, target: key, kind: use } });
      }
    }
  });
  for (const [id, user] of workloads) {
    const [kind, name] = user.workload.split("/");
    const pods = kind === "pod" && user.pods ? "pod" : podWords(user);
    found.push({
      data: {
        id,
        label: `${name}\n${user.namespace} · ${pods}`,
        kind: "workload",
        order: order++,
        path: embedded
          ? null
          : kind === "pod"
            ? pathOf("pod", user.namespace, name)
            : pathOf("workload", user.namespace, user.workload),
        said: `Workload ${user.workload} of namespace ${user.namespace}, ${podWords(user)}`,
      },
    });
  }
  return found;
}

/** Put each kind into a column, in rows of its own. A parent stands at the middle of what hangs on it. */
function layOutColumns(cy) {
  const row = 62;
  const columns = { segment: 0, network: 270, missing: 270, workload: 560 };
  let next = 0;
  const place = (node) => {
    if (node.scratch("y") !== undefined) return node.scratch("y");
    const below = node.outgoers("node").filter((one) => one.scratch("y") === undefined);
    const rows = below.map(place);
    const y = rows.length ? (rows[0] + rows.at(-1)) / 2 : row * next++;
    node.scratch("y", y);
    return y;
  };
  cy.nodes()
    .roots()
    .forEach((root) => {
      place(root);
      next += 0.35;
    });
  cy.nodes().positions((node) => ({ x: columns[node.data("kind")], y: node.scratch("y") }));
  cy.edges().updateStyle(); // how they bend follows from the positions
}

// Many networks: circles

function circlesOf(segments) {
  return segments.map((one, number) => {
    const { segment, networks } = one;
    const pods = podsOn(one);
    const alone = segment.kind === "definition";
    return {
      data: {
        id: `segment ${number}`,
        label: circleLabel(segment),
        kind: "circle",
        group: segment.kind,
        order: number,
        size: 12 + Math.min(36, 2.4 * Math.sqrt(pods)),
        path: alone
          ? pathOf("network", ...networks[0].network.split("/"))
          : `#/map?segment=${encodeURIComponent(segment.title)}`,
        said: `${segment.title}: ${networks.length} networks, ${pods} pods`,
      },
    };
  });
}

/** Return the last part of a name, then the part before it or the VLAN; each is cut, because circles stand close. */
function circleLabel(segment) {
  const parts = (segment.name || "default route").split("/");
  const below = segment.vlan ? `VLAN ${segment.vlan}` : parts.slice(0, -1).join("/");
  return [parts.at(-1), below]
    .filter(Boolean)
    .map((text) => (text.length > 12 ? `${text.slice(0, 11)}…` : text))
    .join("\n");
}

/** Put the circles of each kind into a block of rows, one block below the other, with its title. */
function layOutCircles(cy) {
  const across = Math.max(4, Math.floor((cy.width() - 2 * MARGIN) / CELL));
  const groups = [...new Set(cy.nodes().map((node) => node.data("group")))];
  let top = 0;
  for (const group of groups) {
    const nodes = cy.nodes().filter((node) => node.data("group") === group);
    const rows = Math.ceil(nodes.length / across);
    cy.add({
      data: { id: `title ${group}`, label: titleOf(group, nodes.length), kind: "title" },
      position: { x: 0, y: top },
    });
    nodes
      .layout({
        name: "grid",
        cols: across,
        rows,
        condense: false,
        fit: false,
        boundingBox: { x1: -CELL / 2, y1: top + 22, w: across * CELL, h: rows * CELL },
        sort: (one, other) => other.data("size") - one.data("size") || one.data("order") - other.data("order"),
      })
      .run();
    top += rows * CELL + 74;
  }
}

function titleOf(group, count) {
  const title = group === "definition" ? "alone on its segment" : group;
  return `${title} · ${count}`;
}

/** Return how an edge bends so that it leaves and arrives level, in the terms of cytoscape: along and off its line. */
function bend(edge) {
  const from = edge.source();
  const to = edge.target();
  const across = to.position("x") - WIDTH[widthOf(to)] / 2 - from.position("x") - WIDTH[widthOf(from)] / 2;
  const down = to.position("y") - from.position("y");
  const length = Math.hypot(across, down) || 1;
  const along = (across * across) / (2 * length * length);
  const off = (across * down) / (2 * length);
  return { weights: [along, 1 - along], distances: [-off, off] };
}

function widthOf(node) {
  return node.data("kind") === "missing" ? "network" : node.data("kind");
}

// Colours are those of the style sheet

function styleOf() {
  const css = getComputedStyle(document.documentElement);
  const colour = (name) => css.getPropertyValue(`--${name}`).trim();
  const font = css.getPropertyValue("--sans").trim();
  const box = (width, height) => ({
    shape: "round-rectangle",
    width,
    height,
    "text-max-width": width - 20,
    "text-wrap": "wrap",
    "text-overflow-wrap": "anywhere",
    "text-valign": "center",
    "text-halign": "center",
  });
  return [
    {
      selector: "node",
      style: {
        label: "data(label)",
        "font-family": font,
        "font-size": 12,
        "line-height": 1.35,
        color: colour("ink"),
        "background-color": colour("raised"),
        "border-width": 1,
        "border-color": colour("line-strong"),
        "overlay-opacity": 0,
      },
    },
    {
      selector: 'node[kind = "segment"]',
      style: { ...box(WIDTH.segment, 46), "background-color": colour("tint"), "border-width": 0, "font-weight": 600 },
    },
    {
      selector: 'node[kind = "network"]',
      style: { ...box(WIDTH.network, 46), "border-color": colour("accent"), "border-width": 1.5, "font-weight": 600 },
    },
    {
      selector: 'node[kind = "missing"]',
      style: {
        ...box(WIDTH.network, 46),
        "border-color": colour("bad"),
        "border-style": "dashed",
        color: colour("bad"),
      },
    },
    { selector: 'node[kind = "workload"]', style: box(WIDTH.workload, 46) },
    {
      selector: 'node[kind = "circle"]',
      style: {
        width: "data(size)",
        height: "data(size)",
        "background-color": colour("accent-soft"),
        "border-color": colour("accent"),
        "text-valign": "bottom",
        "text-margin-y": 6,
        "font-size": 10,
        "text-wrap": "wrap",
        "text-max-width": 90,
        "min-zoomed-font-size": 7,
      },
    },
    {
      selector: 'node[kind = "title"]',
      style: {
        width: 1,
        height: 1,
        "background-opacity": 0,
        "border-width": 0,
        "text-halign": "right",
        "text-valign": "center",
        "font-size": 14,
        "font-weight": 600,
        color: colour("quiet"),
        events: "no",
      },
    },
    {
      selector: "edge",
      style: {
        width: 1.25,
        "line-color": colour("line-strong"),
        "curve-style": "unbundled-bezier",
        "edge-distances": "endpoints",
        "source-endpoint": "50% 0%",
        "target-endpoint": "-50% 0%",
        "control-point-weights": (edge) => bend(edge).weights,
        "control-point-distances": (edge) => bend(edge).distances,
      },
    },
    { selector: 'edge[kind = "asked"]', style: { "line-style": "dashed" } },
    { selector: ".dim", style: { opacity: 0.25 } },
    { selector: "edge.lit", style: { "line-color": colour("accent"), width: 2 } },
    { selector: "node:selected", style: { "border-width": 3, "border-color": colour("accent") } },
  ];
}

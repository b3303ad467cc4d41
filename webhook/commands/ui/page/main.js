// The page: its addresses, the header, and the view that an address shows. Every view is in the part behind the #.

import { announce, badge, h, link } from "./dom.js";
import { ask, embedded, follow } from "./data.js";
import { podWords } from "./links.js";
import { startTheme } from "./theme.js";
import { showOverview } from "./overview.js";
import { networkView } from "./network.js";
import { namespacesView, namespaceView, podView, searchView, workloadView } from "./subjects.js";
import { showCanAttach } from "./canattach.js";
import { showFindings } from "./findings.js";

const main = document.getElementById("main");
const query = document.getElementById("query");
const live = document.getElementById("live");

const PAGES = embedded
  ? [["map", "Map"]]
  : [
      ["map", "Map"],
      ["namespaces", "Namespaces"],
      ["can-attach", "May attach?"],
      ["findings", "Findings"],
    ];

const state = { map: null, view: null, table: false, shown: "", address: null };

/** Split an address such as `#/network/blue/lan?x=1` into the name of its view, its parts and its question. */
function parse(hash) {
  const [path, question] = (hash.startsWith("#/") ? hash.slice(2) : "map").split("?");
  const [name, ...parts] = path.split("/").map(decode);
  return { name: name || "map", parts, question: Object.fromEntries(new URLSearchParams(question ?? "")) };
}

/** Decode a part of an address; one that is cut off, such as `%E0`, stays as it is. */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function go(hash, { quietly = false } = {}) {
  if (quietly) history.replaceState(null, "", hash);
  else location.hash = hash;
}

const VIEWS = {
  map: {
    title: ({ question }) => question.segment ?? "Map",
    show: ({ question }) =>
      showOverview(main, state.map, question, {
        go,
        isTable: () => state.table,
        setTable: (value) => {
          state.table = value;
        },
      }),
  },
  "can-attach": {
    title: () => "May pods attach?",
    show: ({ question }) => showCanAttach(main, state.map, question, { go }),
  },
  findings: { title: () => "Findings", show: ({ question }) => showFindings(main, question) },
  namespaces: { title: () => "Namespaces", load: async () => namespacesView(state.map) },
  network: {
    title: ({ parts }) => parts.join("/"),
    load: async ({ parts }) =>
      embedded
        ? embeddedNetwork(parts.join("/"))
        : networkView(await ask("network", { namespace: parts[0], name: parts[1] })),
  },
  namespace: {
    title: ({ parts }) => parts[0],
    load: async ({ parts }) => namespaceView(await ask("namespace", { namespace: parts[0] })),
  },
  pod: {
    title: ({ parts }) => parts.join("/"),
    load: async ({ parts }) => podView(await ask("pod", { namespace: parts[0], name: parts[1] })),
  },
  workload: {
    title: ({ parts }) => parts[1],
    load: async ({ parts }) =>
      workloadView(await ask("workload", { namespace: parts[0], workload: parts[1] }), ...parts),
  },
  search: {
    title: ({ question }) => `Search: ${question.q}`,
    load: async ({ question }) => {
      if (document.activeElement !== query) query.value = question.q ?? "";
      const found = searchView(question.q, state.map, embedded ? null : await ask("search", { q: question.q }));
      announce(`${found.count} hits`);
      return found.parts;
    },
  },
};

/** Show the view of the address. `again`: the same one, because the cluster has changed; the focus stays. */
async function show({ again = false } = {}) {
  const address = parse(location.hash);
  const isThere = !embedded || ["map", "network", "search"].includes(address.name);
  const view = (isThere && VIEWS[address.name]) || VIEWS.map;
  const isSearch = address.name === "search";
  if (!again) {
    state.view?.end?.();
    state.view = null;
    document.title = `${view.title(address)} · nadmit`;
    markPages(address.name);
  }
  const hash = location.hash;
  try {
    if (view.show) {
      if (!again) state.view = view.show(address);
      else state.view?.renew?.(state.map);
    } else {
      const parts = await whileBusy(view.load(address));
      if (hash !== location.hash) return; // another view was opened meanwhile
      replace(parts, { again });
    }
  } catch (error) {
    if (hash !== location.hash || again) return;
    main.replaceChildren(
      h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "This cannot be shown")),
      h("p", { class: "finding bad" }, error.message),
    );
  }
  if (!again && !isSearch && state.address !== null) main.querySelector("h1")?.focus({ preventScroll: true });
  if (!again) {
    scrollTo(0, 0);
    if (!isSearch) announce(document.title);
  }
  state.address = hash;
  performance.mark("view shown");
}

/** Show that an answer is on its way, unless it is there at once. */
async function whileBusy(answer) {
  const timer = setTimeout(() => main.setAttribute("aria-busy", "true"), 250);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
    main.removeAttribute("aria-busy");
  }
}

/** Put a view into the page. If it shows the same as before nothing changes; the focus stays on the same link. */
function replace(parts, { again }) {
  const made = h("div", {}, parts);
  if (again && made.innerHTML === state.shown) return;
  state.shown = made.innerHTML;
  const focused = again && main.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const opened = again ? [...main.querySelectorAll("details")].map((one) => one.open) : [];
  main.replaceChildren(...made.childNodes);
  main.querySelectorAll("details").forEach((one, number) => (one.open = opened[number] ?? false));
  if (focused) main.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function embeddedNetwork(reference) {
  for (const { segment, networks } of embedded.segments) {
    const one = networks.find((each) => each.network === reference);
    if (!one) continue;
    const [namespace, name] = reference.split("/");
    const rows = one.users.map((user) =>
      h("li", {}, `${user.namespace} ${user.workload}: ${podWords(user)}${user.nodes > 1 ? ` on ${user.nodes} nodes` : ""}`),
    );
    return [
      h(
        "div",
        { class: "head" },
        h("p", { class: "trail" }, link("#/map", "Map"), ` / ${namespace}`),
        h("h1", { tabindex: "-1" }, name),
        one.defined === false ? h("p", { class: "badges" }, badge("bad", "no such definition")) : null,
      ),
      h(
        "dl",
        { class: "facts" },
        h("dt", {}, "Segment"),
        h("dd", {}, segment.title),
        h("dt", {}, "Plugins"),
        h("dd", {}, [...one.types, ...one.ipam].join(", ")),
      ),
      h(
        "section",
        { class: "card" },
        h("h2", {}, "Who is attached"),
        rows.length ? h("ul", { class: "stack" }, rows) : h("p", { class: "quiet" }, "No pod."),
      ),
    ];
  }
  throw new Error(`this file has no network ${reference}`);
}

function markPages(name) {
  document
    .getElementById("pages")
    .replaceChildren(
      ...PAGES.map(([page, title]) => link(`#/${page}`, title, { "aria-current": page === name ? "page" : false })),
    );
}

function showNotices() {
  const notices = document.getElementById("notices");
  const { unread = [], problems = [], notes = [] } = state.map;
  notices.hidden = !unread.length && !problems.length && !notes.length;
  notices.replaceChildren(
    ...problems.map((text) => h("p", {}, badge("bad", "policy"), " ", text)),
    ...unread.map((text) => h("p", {}, badge("warn", "not readable"), " ", text)),
    ...notes.map((text) => h("p", {}, badge("plain", "note"), " ", text)),
  );
  const from = state.map.source;
  document
    .getElementById("foot")
    .replaceChildren(
      from
        ? `${from.title} · ${state.map.pods.toLocaleString("en")} pods · read-only`
        : "A copy, made by nadmit map. Read-only.",
    );
}

/** Load the map anew after changes, at most every two seconds, and show the view again. */
function renewer() {
  let isLoading = false;
  let isStale = false;
  const load = async () => {
    if (isLoading || document.hidden) {
      isStale = true;
      return;
    }
    isLoading = true;
    isStale = false;
    try {
      const map = await ask("map");
      const isSame = JSON.stringify({ ...map, version: 0 }) === JSON.stringify({ ...state.map, version: 0 });
      state.map = map;
      if (!isSame) showNotices();
      const { name } = parse(location.hash);
      if (!(isSame && VIEWS[name]?.show)) await show({ again: true });
    } catch {
      isStale = true; // the stream says so when the server is there again
    }
    setTimeout(() => {
      isLoading = false;
      if (isStale) load();
    }, 2000);
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isStale) load();
  });
  return load;
}

function startSearch() {
  let timer = 0;
  const search = () => {
    const text = query.value.trim();
    const hash = text ? `#/search?q=${encodeURIComponent(text)}` : "#/map";
    if (parse(location.hash).name === "search") history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
    show();
  };
  query.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 200);
  });
  document.getElementById("search").addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input, select, textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
    }
  });
}

function showLive(isLive) {
  live.textContent = isLive ? "live" : "not connected";
  live.dataset.state = isLive ? "on" : "off";
}

async function start() {
  startTheme(document.getElementById("theme"), () => state.view?.recolour?.());
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  try {
    state.map = await ask("map");
  } catch (error) {
    main.replaceChildren(h("p", { class: "finding bad", role: "alert" }, error.message));
    return;
  }
  showNotices();
  startSearch();
  await show();
  addEventListener("hashchange", () => show());
  if (state.map.source?.live) follow(renewer(), showLive);
  else if (!embedded) live.textContent = "a copy";
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
}

start();

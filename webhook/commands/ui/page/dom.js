// Elements. Texts of the cluster are hostile: they become text nodes and attributes, never markup.

/** Return an element. `props`: attributes; a function for `on...` is a listener, `class` is the class, false leaves out. */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === undefined || value === null) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Return a link to a view of this page. */
export function link(path, text, props = {}) {
  return h("a", { href: path, ...props }, text);
}

/** Return a number with its noun. */
export function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Return a section with its heading; nothing if there is no content. */
export function section(title, ...content) {
  const kept = content.flat(Infinity).filter(Boolean);
  return kept.length ? h("section", { class: "card" }, h("h2", {}, title), kept) : null;
}

/** Return a table. `rows` are lists of cells: texts or elements. The first column has the headings of its rows. */
export function table(caption, heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "hidden" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => h("th", { scope: "col" }, head)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map(([first, ...rest]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, first),
            rest.map((cell) => h("td", {}, cell)),
          ),
        ),
      ),
    ),
  );
}

/** Return terms with their descriptions; pairs without a value are left out. */
export function facts(pairs) {
  const kept = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return h(
    "dl",
    { class: "facts" },
    kept.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]),
  );
}

/** Return a word about a state, with a colour and a sign, so that the colour is not needed. */
export function badge(state, text) {
  const sign = { good: "✓", bad: "✕", warn: "!", plain: "" }[state];
  return h("span", { class: `badge ${state}` }, sign ? h("span", { "aria-hidden": "true" }, `${sign} `) : null, text);
}

/** Say something to a screen reader. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

// The addresses of views, and links to them.

import { embedded } from "./data.js";
import { counted, h, link } from "./dom.js";

/** Split namespace/name. The pool of devices of a driver has no namespace, and no page of its own. */
export function splitReference(reference) {
  const at = reference.indexOf("/");
  return at < 0 ? ["", reference] : [reference.slice(0, at), reference.slice(at + 1)];
}

/** Return the address of a view. */
export function pathOf(view, ...parts) {
  return `#/${view}/${parts.map(encodeURIComponent).join("/")}`;
}

/** Return a link to a network by its reference. */
export function networkLink(reference) {
  const [namespace, name] = splitReference(reference);
  return namespace ? link(pathOf("network", namespace, name), reference) : reference || "the default network";
}

/** Return how many pods of a workload a network has; a workload can ask for it before a pod has it. */
export function podWords(user) {
  return user.pods ? counted(user.pods, "pod") : "asks for it";
}

/** Return a link to a workload, or to the pod if it has no controller; a file has only their names. */
export function userLink(user) {
  if (embedded) return `${user.namespace} ${user.workload}`;
  const [kind, name] = user.workload.split("/");
  const path = kind === "pod" ? pathOf("pod", user.namespace, name) : pathOf("workload", user.namespace, user.workload);
  return link(path, `${user.namespace} ${user.workload}`);
}

/** Return an object with its kind; a link if it has a page. */
export function objectLink({ kind, namespace, name }) {
  const text = `${kind.toLowerCase()} ${namespace ? `${namespace}/${name}` : name}`;
  const view = { Pod: "pod", NetworkAttachmentDefinition: "network" }[kind];
  if (view) return link(pathOf(view, namespace, name), text);
  return kind === "Namespace" ? link(pathOf("namespace", name), text) : h("span", { class: "mono" }, text);
}

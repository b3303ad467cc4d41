// Where the page's data comes from: the server on this machine, or the file itself (nadmit map -o html).

const written = document.getElementById("data");

/** The map that is in this file; null if there is a server. */
export const embedded = written ? JSON.parse(written.textContent) : null;

/** Return what the server answers to a question. Throws an Error with a text for people. */
export async function ask(name, question = {}) {
  if (embedded) return embedded;
  const response = await fetch(`api/${name}?${new URLSearchParams(question)}`).catch(() => {
    throw new Error("nadmit ui does not answer; if it has ended, start it again, and open the address that it prints");
  });
  const value = await response.json().catch(() => ({ error: `the server answers ${response.status}` }));
  if (!response.ok) throw new Error(value.error);
  return value;
}

/** Call `onChange` after each change in the cluster, and `onState` with whether there is a connection. */
export function follow(onChange, onState) {
  if (embedded) return;
  let events = null;
  let seen = null;
  const listen = () => {
    events?.close();
    events = null;
    if (document.hidden) return; // a browser opens six connections to a server: six hidden tabs would block the seventh
    events = new EventSource("events");
    events.onopen = () => onState(true);
    events.onerror = () => onState(false);
    events.onmessage = (event) => {
      const { state } = JSON.parse(event.data);
      if (seen !== null && seen !== state) onChange();
      seen = state;
    };
  };
  document.addEventListener("visibilitychange", listen);
  listen();
}

// Puts the page together for any source.

import { DecodedPanel } from "./decoded_panel.js";
import { make } from "./dom.js";
import { MapPanel } from "./map_panel.js";
import { Session } from "./session.js";

/** @typedef {import("./source.js").Source} Source */

/**
 * Shows the page.
 * @param {Source} source
 * @param {HTMLElement} root Is emptied, and filled.
 * @returns {{session: Session, map: import("./map.js").MapView|null}}
 */
export function start(source, root) {
  const session = new Session(source);
  const { description } = source;
  document.title = `${description.name} · explorer`;
  const status = make("p", { class: "status", id: "status", role: "status", "aria-live": "polite" });
  status.hidden = true;
  session.on(["status"], () => {
    status.textContent = session.status;
    status.hidden = !session.status;
  });
  const map = session.codeDim ? new MapPanel(session) : null;
  root.replaceChildren(
    header(description),
    status,
    make(
      "main",
      {},
      map?.element ?? null,
      make("div", { class: "side" }, new DecodedPanel(session).element),
    ),
  );
  root.removeAttribute("aria-busy");
  void session.load();
  return { session, map: map?.map ?? null };
}

/**
 * @param {import("./source.js").Description} description
 * @returns {HTMLElement}
 */
function header(description) {
  const { variant, codeDim, prior, shape, kind, columns } = description;
  const size = kind === "image" ? `${shape[0]}×${shape[1]} pixels` : `${columns?.length ?? shape[0]} columns`;
  const facts = [
    variant,
    codeDim === null ? null : `${size} to ${codeDim} ${codeDim === 1 ? "number" : "numbers"}`,
    prior && `prior: ${prior}`,
    description.server && `served by ${description.server}`,
  ];
  return make(
    "header",
    {},
    make("h1", {}, description.name),
    make("p", {}, facts.filter(Boolean).join(" · ")),
  );
}

// Puts the page together for any source.

import { DecodedPanel } from "./decoded_panel.js";
import { make } from "./dom.js";
import { MapPanel } from "./map_panel.js";
import { OwnPanel } from "./own_panel.js";
import { PointsPanel, SelectionPanel } from "./points_panel.js";
import { Session } from "./session.js";
import { StylesPanel } from "./styles_panel.js";

/** @typedef {import("./source.js").Source} Source */

/**
 * Shows the page.
 * @param {Source} source
 * @param {HTMLElement} root Is emptied, and filled.
 * @returns {{session: Session, map: import("./map.js").MapView|null, painted: number}} `painted` is
 *   when the points were first drawn, in milliseconds after the page was asked for; 0 before.
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
  const { classes } = description;
  const hasStyles =
    classes && ((classes.decoded && source.decode) || (classes.sampled && source.sample));
  const panels = [
    new DecodedPanel(session),
    ...(hasStyles ? [new StylesPanel(session)] : []),
    ...(map ? [new SelectionPanel(session), new PointsPanel(session)] : []),
    ...(source.encode ? [new OwnPanel(session)] : []),
  ];
  root.replaceChildren(
    header(description),
    status,
    make(
      "main",
      {},
      map?.element ?? null,
      make("div", { class: "side" }, ...panels.map((panel) => panel.element)),
    ),
  );
  root.removeAttribute("aria-busy");
  const page = { session, map: map?.map ?? null, painted: 0 };
  // Two frames later the points that have come are on the screen.
  const note = () => requestAnimationFrame(() => requestAnimationFrame(() => (page.painted = performance.now())));
  session.addEventListener("points", note, { once: true });
  void session.load();
  return page;
}

/**
 * @param {import("./source.js").Description} description
 * @returns {HTMLElement}
 */
function header(description) {
  const { variant, codeDim, prior, shape, kind, columns } = description;
  const size = kind === "image" ? `${shape[0]}×${shape[1]} pixels` : `${columns?.length ?? shape.join("×")} columns`;
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

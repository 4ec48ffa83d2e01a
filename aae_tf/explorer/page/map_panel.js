// The map with its buttons, its legend and the choice of the plane.

import { choiceButtons, make, swatch } from "./dom.js";
import { MapView } from "./map.js";
import { OutputView } from "./output_view.js";
import { classColor } from "./palette.js";

/** @typedef {import("./session.js").Session} Session */

const MOST_LEGEND = 24;
// As in style.css.
const narrow = matchMedia("(max-width: 860px)");

export class MapPanel {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    const { codeDim } = session;
    this.surface = make("div", {
      class: "map",
      id: "map",
      tabindex: "0",
      role: "application",
      "aria-label":
        "Map of codes. Arrow keys move the ring, with Shift faster; plus and minus zoom, 0 shows " +
        "everything, Enter chooses the point under the ring.",
    });
    this.hint = make("p", { class: "hint" }, "Drag the ring: the picture follows.");
    this.caption = make("p", { class: "caption" });
    this.legend = make("ul", { class: "legend", "aria-label": "Colours of the points" });
    const modes = choiceButtons(
      "What dragging on the map does",
      [
        { value: "drag", text: "Move ring", title: "Drag: move the ring. Click: choose a point." },
        { value: "pan", text: "Move map", title: "Drag: move the map. Wheel or pinch: zoom." },
        { value: "select", text: "Select", title: "Drag a box around points (or hold Shift)." },
      ],
      (mode) => {
        this.map.mode = /** @type {"drag"|"pan"|"select"} */ (mode);
        this.surface.dataset.mode = mode;
        modes.choose(mode);
      },
    );
    modes.choose("drag");
    const zoom = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      make("button", { type: "button", "aria-label": label, title: label, onclick }, text);
    this.colorBy = make("select", { "aria-label": "Colour of the points", onchange: () => this.recolor() });
    this.colors = make("label", { class: "inline" }, "Colour ", this.colorBy);
    this.colors.hidden = true;
    const headsBack = make(
      "button",
      { type: "button", id: "heads-back", onclick: () => session.moveHead(0, null) },
      "Put heads back",
    );
    headsBack.hidden = true;
    this.toolbar = make(
      "div",
      { class: "toolbar" },
      modes.element,
      make(
        "div",
        { class: "choices" },
        zoom("+", "Zoom in", () => this.map.zoom(1.4)),
        zoom("−", "Zoom out", () => this.map.zoom(1 / 1.4)),
        zoom("Fit", "Show everything", () => this.map.fit()),
      ),
      codeDim > 2 ? this.planeChoice() : null,
      this.colors,
      headsBack,
    );
    this.element = make(
      "section",
      { class: "map-panel", "aria-label": "Map of codes" },
      this.toolbar,
      make("div", { class: "map-frame" }, this.surface, this.hint, this.inset()),
      this.caption,
      this.legend,
    );
    this.map = new MapView(this.surface, {
      onRing: (x, y) => {
        if (session.plane) session.setCode(session.plane.moved(session.code, x, y));
      },
      onPoint: (row) => session.choose(row),
      onBrush: (rows) => session.select(rows),
      onHead: (head, x, y) => {
        if (session.plane && session.heads) {
          session.moveHead(head, session.plane.moved(session.heads[head], x, y));
        }
      },
      onFrame: () => {
        session.frame = [...this.map.centre, this.map.half];
        session.link();
      },
    });
    // "plane" comes after the points; fitting at "points" again would undo the frame of a link.
    session.on(["plane"], () => this.project());
    session.on(["contours"], () => this.addContours());
    session.on(["code"], () => this.moveRing());
    session.on(["chosen"], () => this.mark());
    session.on(["selection"], () => this.fade());
    session.on(["way"], () => {
      this.map.path = session.way;
      this.map.redraw("above");
    });
    session.on(["heads"], () => {
      headsBack.hidden = !session.headsMoved;
      this.project(false);
    });
    session.addEventListener("code", () => (this.hint.hidden = true), { once: false });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolor());
  }

  /** @returns {HTMLElement|null} The picture once more, for screens on which it would be below. */
  inset() {
    const { session } = this;
    if (!session.source.decode) return null;
    const view = new OutputView(session.description, "Decoded output", { small: true });
    session.on(["output"], () => {
      if (narrow.matches) view.draw(session.output);
    });
    narrow.addEventListener("change", () => view.draw(session.output));
    return make("div", { class: "inset", "aria-hidden": "true" }, view.element);
  }

  /** @returns {HTMLElement} The choice of two axes, or of two principal axes. */
  planeChoice() {
    const { session } = this;
    const selects = [0, 1].map((which) =>
      make("select", {
        "aria-label": which ? "Axis that goes up" : "Axis that goes right",
        onchange: () => {
          const axes = selects.map((select) => Number(/** @type {HTMLSelectElement} */ (select).value));
          if (axes[0] === axes[1]) axes[1 - which] = session.axes[which];
          void session.setPlane(session.basisName, axes);
        },
      }),
    );
    const basis = make(
      "select",
      {
        "aria-label": "Axes of the map",
        onchange: (/** @type {Event} */ event) => {
          const { value } = /** @type {HTMLSelectElement} */ (event.target);
          void session.setPlane(/** @type {"axes"|"principal"} */ (value), value === "principal" ? [0, 1] : session.axes);
        },
      },
      make("option", { value: "axes" }, "coordinates"),
      make("option", { value: "principal" }, "principal axes"),
    );
    session.on(["plane"], () => {
      /** @type {HTMLSelectElement} */ (basis).value = session.basisName;
      selects.forEach((select, which) => {
        select.replaceChildren(
          ...session.shares.map((share, axis) =>
            make("option", { value: axis }, `${axis + 1} (${Math.round(100 * share)}%)`),
          ),
        );
        /** @type {HTMLSelectElement} */ (select).value = String(session.axes[which]);
      });
    });
    return make("div", { class: "plane" }, basis, selects[0], make("span", {}, "×"), selects[1]);
  }

  /** @param {boolean} fit Whether the view is to show everything. */
  project(fit = true) {
    const { session, map } = this;
    const { plane, points, heads } = session;
    if (!plane || !points) return;
    const before = map.names.join();
    const word = session.basisName === "principal" ? "principal axis" : "code";
    map.names = session.axes.map((axis) => `${word} ${axis + 1}`);
    map.places = plane.projectAll(this.shiftedCodes(), points.n);
    map.heads = (heads ?? []).map((head, k) => ({ place: plane.project(head), text: String(k) }));
    map.contours = session.contours;
    const wanted = before === "" ? session.linked.frame : null;
    this.recolor();
    this.moveRing();
    this.mark();
    if (wanted) map.setFrame(wanted.slice(0, 2), wanted[2]);
    else if (fit) map.fit();
    else map.redraw("ground", "points", "above");
    this.describe();
  }

  /** @returns {Float32Array} Codes, those of a cluster moved with its head. */
  shiftedCodes() {
    const { points, heads, description, codeDim } = this.session;
    if (!points || !heads || !this.session.headsMoved || !points.predicted) return points?.codes ?? new Float32Array(0);
    const codes = points.codes.slice();
    points.predicted.forEach((cluster, row) => {
      for (let i = 0; i < codeDim; i++) {
        codes[row * codeDim + i] += heads[cluster][i] - (description.heads?.[cluster][i] ?? 0);
      }
    });
    return codes;
  }

  addContours() {
    const isFirst = this.map.contours === null;
    this.map.contours = this.session.contours;
    // Contours that come later must not move a map that somebody has moved.
    if (isFirst && !this.session.linked.frame && this.hint.hidden === false) this.map.fit();
    else this.map.redraw("ground");
    this.describe();
  }

  moveRing() {
    const { plane, code } = this.session;
    if (!plane) return;
    this.map.ring = plane.project(code);
    this.map.redraw("above");
  }

  mark() {
    const { session, map } = this;
    const letters = session.chosen.length > 1 ? ["A", "B"] : ["A"];
    map.marks = session.chosen.map((row, i) => ({
      place: [map.places[2 * row], map.places[2 * row + 1]],
      text: letters[i],
    }));
    map.redraw("above");
  }

  fade() {
    const { selection, points } = this.session;
    if (!points) return;
    this.map.faded = selection.length ? new Uint8Array(points.n).fill(1) : null;
    for (const row of selection) if (this.map.faded) this.map.faded[row] = 0;
    this.map.redraw("points");
  }

  /** Colours the points by their class, or by what the model takes them for. */
  recolor() {
    const { points, description } = this.session;
    if (!points) return;
    const select = /** @type {HTMLSelectElement} */ (this.colorBy);
    const found = description.classes?.clusters ? "cluster found" : "class found";
    const choices = [
      ...(points.labels ? [["labels", "class"]] : []),
      ...(points.predicted ? [["predicted", found]] : []),
      ["none", "one colour"],
    ];
    if (select.options.length !== choices.length) {
      select.replaceChildren(...choices.map(([value, text]) => make("option", { value }, text)));
    }
    this.colors.hidden = choices.length < 2;
    const labels = select.value === "none" ? null : points[/** @type {"labels"|"predicted"} */ (select.value)];
    const given = select.value === "labels" && points.classNames.length ? points.classNames : null;
    const names = given ?? description.classes?.names ?? points.classNames;
    const count = Math.max(names.length, labels ? Math.max(...labels.subarray(0, 5000)) + 1 : 1, 1);
    // The last colour is that of points whose class is not known.
    const colors = Array.from({ length: count }, (_, label) => classColor(label, count));
    this.map.colors = [...colors, classColor(-1, count)];
    this.map.groups = Uint8Array.from({ length: points.n }, (_, row) => {
      if (!labels) return 0;
      return labels[row] < 0 ? count : labels[row] % 256;
    });
    this.map.redraw("ground", "points", "above");
    const counts = new Array(count + 1).fill(0);
    if (labels) for (const group of this.map.groups) counts[group]++;
    const entries = colors
      .map((color, label) => ({ color, name: names[label] ?? String(label), count: counts[label] }))
      .concat(counts[count] ? [{ color: classColor(-1, count), name: "not known", count: counts[count] }] : [])
      .filter((entry) => entry.count)
      .slice(0, MOST_LEGEND);
    this.legend.replaceChildren(
      ...entries.map((entry) => make("li", {}, swatch(entry.color), entry.name)),
    );
  }

  describe() {
    const { points, description, contours, codeDim } = this.session;
    if (!points) return;
    const masses = contours?.levels.map((level) => `${Math.round(100 * level.mass)}%`).reverse() ?? [];
    const lines = masses.length
      ? ` Lines: where ${masses.join(", ")} of the prior lies${description.prior ? `, ${description.prior}` : ""}.`
      : contours?.curve
        ? " Curve: the density of the prior; height of the points means nothing."
        : "";
    const projected =
      codeDim > 2
        ? " A point stands where its code projects to; its other coordinates may differ from the sliders'."
        : "";
    this.caption.textContent = points.n
      ? `${points.n.toLocaleString()} points: ${points.isData ? "codes of " : ""}${points.source}.${lines}${projected}`
      : `There are no points to show.${lines}`;
  }
}

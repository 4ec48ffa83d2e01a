// The chosen points: inputs beside reconstructions, neighbours, the way between two; and selections.

import { choiceButtons, make, numberText } from "./dom.js";
import { OutputView, takeRow } from "./output_view.js";
import { densePath, nearestRows, sphericalPath, spreadOf, straightPath } from "./paths.js";
import { rowSize } from "./source.js";

/** @typedef {import("./session.js").Session} Session */

const STEPS = 9;
const NEIGHBOURS = 6;
const WORDS = /** @type {Object<string, string>} */ ({
  straight: "straight",
  spherical: "about the origin",
  dense: "through dense codes",
});

export class PointsPanel {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.body = make(
      "div",
      { id: "chosen", tabindex: "-1" },
      make("p", { class: "caption" }, "Click a point of the map to see its input and its neighbours; click a second one for the way between both."),
    );
    this.element = make("section", { "aria-label": "Chosen points" }, make("h2", {}, "Points"), this.body);
    this.asked = 0;
    /** @type {Float32Array|null} Codes of the way that is on the map. */
    this.wayCodes = null;
    session.on(["chosen"], () => void this.show());
    session.on(["plane"], () => this.showWay(this.wayCodes));
  }

  async show() {
    const { session } = this;
    const { points, chosen } = session;
    if (!points || !chosen.length) return;
    const asked = ++this.asked;
    const row = chosen[chosen.length - 1];
    const code = session.codeOf(row);
    const neighbours = nearestRows(points.codes, points.n, code, NEIGHBOURS + 1).filter((each) => each !== row);
    const rows = [row, ...neighbours.slice(0, NEIGHBOURS)];
    const inputs = await session.ask(() => session.source.inputs(rows));
    const input = inputs && takeRow(session.description, inputs, 0).slice();
    const output = await this.reconstruct(row, input);
    const way = chosen.length > 1 ? await this.way() : null;
    // Another point may have been chosen meanwhile.
    if (asked !== this.asked) return;
    // Who pressed a button here by keyboard stays in the panel.
    const active = document.activeElement;
    const pressed = active && this.body.contains(active) ? active.textContent : null;
    this.body.replaceChildren(
      make("p", { class: "readout" }, this.describe(row)),
      comparison(session, input, output),
      ...(way ? way : []),
      make("h3", {}, `Nearest in the code`),
      this.neighbours(rows, inputs),
    );
    if (pressed === null) return;
    const same = [...this.body.querySelectorAll("button")].find(
      (button) => pressed && button.textContent === pressed,
    );
    (same ?? this.body).focus({ preventScroll: true });
  }

  /**
   * @param {number} row
   * @param {Float32Array|null} input
   * @returns {Promise<Float32Array|null>}
   */
  async reconstruct(row, input) {
    const { session } = this;
    const { source, points } = session;
    if (input && source.reconstruct) {
      const { reconstruct } = source;
      return session.ask(() => reconstruct(input, 1));
    }
    if (!source.decode || !points) return null;
    const { decode } = source;
    const label = points.labels?.[row] ?? points.predicted?.[row];
    return session.ask(() => decode(session.codeOf(row), 1, session.classRows(1, label)));
  }

  /**
   * @param {number} row
   * @returns {string}
   */
  describe(row) {
    const { points, description } = this.session;
    if (!points) return "";
    const label = points.labels?.[row] ?? -1;
    const found = points.predicted?.[row] ?? -1;
    const names = points.classNames.length ? points.classNames : (description.classes?.names ?? []);
    const parts = [`${points.isData ? "Row" : "Sample"} ${row}`];
    if (label >= 0) parts.push(`class ${names[label] ?? label}`);
    if (found >= 0 && description.classes) {
      parts.push(`taken for ${description.classes.clusters ? "cluster " : ""}${description.classes.names[found] ?? found}`);
    }
    return parts.join(" · ");
  }

  /** @returns {Promise<Node[]|null>} The way between both chosen points. */
  async way() {
    const { session } = this;
    const { source, points, chosen } = session;
    if (!source.decode || !points) return null;
    const [a, b] = chosen.map((row) => session.codeOf(row));
    const codes = {
      straight: () => straightPath(a, b, STEPS),
      spherical: () => sphericalPath(a, b, STEPS),
      dense: () => densePath(a, b, STEPS, points.codes, points.n),
    }[session.path]?.() ?? null;
    const buttons = choiceButtons(
      "Way between both points",
      Object.entries(WORDS).map(([value, text]) => ({ value, text })),
      (path) => session.setPath(path),
    );
    buttons.choose(session.path);
    const parts = [make("h3", {}, `From A to B, ${WORDS[session.path] ?? session.path}`), buttons.element];
    this.showWay(codes);
    if (!codes) {
      const reason =
        session.path === "dense"
          ? "No way through dense codes leads from A to B."
          : "This way is not defined: an end is the origin, or both are opposite.";
      return [...parts, make("p", { class: "missing" }, reason)];
    }
    const { decode } = source;
    const outputs = await session.ask(() => decode(codes, STEPS, session.classRows(STEPS)));
    if (!outputs) return parts;
    return [...parts, strip(session, outputs, codes, (i) => `Step ${i + 1} of ${STEPS} from A to B`, "strip")];
  }

  /** @param {Float32Array|null} codes */
  showWay(codes) {
    this.wayCodes = codes;
    const { plane, codeDim } = this.session;
    const places = [];
    for (let i = 0; codes && plane && i < STEPS; i++) {
      places.push(...plane.project(codes.subarray(i * codeDim, (i + 1) * codeDim)));
    }
    this.session.way = places;
    this.session.emit("way");
  }

  /**
   * @param {number[]} rows
   * @param {Float32Array|null} inputs
   * @returns {HTMLElement}
   */
  neighbours(rows, inputs) {
    const { session } = this;
    const { points, description, codeDim } = session;
    const code = session.codeOf(rows[0]);
    return make(
      "div",
      { class: "strip" },
      ...rows.slice(1).map((row, i) => {
        let square = 0;
        for (let k = 0; k < codeDim; k++) square += (points.codes[row * codeDim + k] - code[k]) ** 2;
        const distance = numberText(Math.sqrt(square));
        const name = `${this.describe(row)}, at distance ${distance}`;
        const button = make("button", { type: "button", title: name, "aria-label": name, onclick: () => session.choose(row) });
        if (inputs) {
          const view = new OutputView(description, name, { small: true });
          view.draw(takeRow(description, inputs, i + 1));
          button.append(view.element);
        }
        button.append(make("span", {}, distance));
        return button;
      }),
    );
  }
}

export class SelectionPanel {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    this.body = make("div", { id: "selection" });
    this.element = make("section", { "aria-label": "Selected points" }, make("h2", {}, "Selection"), this.body);
    this.element.hidden = true;
    session.on(["selection"], () => void this.show());
  }

  async show() {
    const { session } = this;
    const { selection, points, codeDim, source } = session;
    this.element.hidden = !selection.length;
    if (!selection.length || !points) return;
    const { mean, direction, deviation } = spreadOf(points.codes, codeDim, selection);
    const counts = new Map();
    const names = points.classNames;
    for (const row of selection) {
      const label = points.labels?.[row] ?? -1;
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    const shares = [...counts]
      .sort((x, y) => y[1] - x[1])
      .slice(0, 5)
      .map(([label, count]) => `${count} of ${label < 0 ? "unknown class" : `class ${names[label] ?? label}`}`);
    const deviations = Array.from({ length: codeDim }, (_, i) => {
      let square = 0;
      for (const row of selection) square += (points.codes[row * codeDim + i] - mean[i]) ** 2;
      return Math.sqrt(square / selection.length);
    });
    const list = (/** @type {ArrayLike<number>} */ values) => Array.from(values).slice(0, 8).map(numberText).join(", ");
    const children = [
      make("p", { class: "readout" }, `${selection.length} points${points.labels ? `: ${shares.join(", ")}` : ""}`),
      make("p", { class: "readout" }, `mean (${list(mean)}), standard deviation (${list(deviations)})`),
      make("button", { type: "button", onclick: () => session.select([]) }, "Clear the selection"),
    ];
    if (source.decode) {
      const steps = [-2, -1, 0, 1, 2];
      const codes = new Float32Array(steps.length * codeDim);
      steps.forEach((step, at) => {
        for (let i = 0; i < codeDim; i++) codes[at * codeDim + i] = mean[i] + step * deviation * direction[i];
      });
      const { decode } = source;
      const outputs = await session.ask(() => decode(codes, steps.length, session.classRows(steps.length)));
      if (outputs) {
        children.push(
          make("h3", {}, "The mean, and one and two standard deviations along the widest direction"),
          strip(session, outputs, codes, (i) => (steps[i] ? `Mean ${steps[i] > 0 ? "plus" : "minus"} ${Math.abs(steps[i])} sd` : "Mean"), "spread"),
        );
      }
    }
    if (session.selection === selection) this.body.replaceChildren(...children);
  }
}

/**
 * Input, reconstruction and error side by side.
 * @param {Session} session
 * @param {Float32Array|null} input
 * @param {Float32Array|null} output
 * @returns {HTMLElement}
 */
export function comparison(session, input, output) {
  const { description } = session;
  const figure = (/** @type {string} */ name, /** @type {(view: OutputView) => void} */ draw) => {
    const view = new OutputView(description, name);
    draw(view);
    return make("figure", {}, view.element, make("figcaption", {}, name));
  };
  const parts = [];
  if (input) parts.push(figure("Input", (view) => view.draw(input)));
  if (output) parts.push(figure(input ? "Reconstruction" : "Decoded", (view) => view.draw(output)));
  if (input && output) {
    const isTable = description.kind === "table";
    let half = 0;
    input.forEach((value, i) => (half += 0.5 * (value - output[i]) ** 2));
    const name = isTable ? "Error by column" : `Error, half its square ${numberText(half)}`;
    parts.push(figure(name, (view) => view.drawError(input, output)));
  }
  if (!input) parts.push(make("p", { class: "caption" }, "Samples of the prior have no input."));
  return make("div", { class: `comparison ${description.kind}` }, ...parts);
}

/**
 * Outputs in a row; a click decodes one on the map.
 * @param {Session} session
 * @param {Float32Array} outputs
 * @param {Float32Array} codes
 * @param {(i: number) => string} name
 * @param {string} id
 * @returns {HTMLElement}
 */
export function strip(session, outputs, codes, name, id) {
  const { description, codeDim } = session;
  const count = outputs.length / rowSize(description);
  return make(
    "div",
    { class: "strip", id },
    ...Array.from({ length: count }, (_, i) => {
      const view = new OutputView(description, name(i), { small: true });
      view.draw(takeRow(description, outputs, i));
      return make(
        "button",
        {
          type: "button",
          title: name(i),
          "aria-label": name(i),
          onclick: () => session.setCode(codes.slice(i * codeDim, (i + 1) * codeDim)),
        },
        view.element,
      );
    }),
  );
}

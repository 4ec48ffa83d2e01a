// What the ring decodes to, and everything that decides it: coordinates, class, seed.

import { choiceButtons, make, numberText } from "./dom.js";
import { OutputView } from "./output_view.js";
import { classColor } from "./palette.js";

/** @typedef {import("./session.js").Session} Session */

// Sliders that are shown before "all".
const FEW_SLIDERS = 8;
// Standard deviations of the codes that a slider reaches to either side.
const REACH = 3.5;

export class DecodedPanel {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    const { source, description } = session;
    this.view = new OutputView(description, "Decoded output");
    this.view.element.id = "decoded";
    this.readout = make("p", { class: "readout", id: "code", "aria-live": "off" });
    this.slice = make("p", { class: "caption" });
    this.sliders = make("div", { class: "sliders" });
    this.element = make(
      "section",
      { class: "decoded-panel", "aria-label": "Decoded output" },
      make("h2", {}, source.decode ? "The ring decodes to" : "Samples"),
      source.decode
        ? null
        : make(
            "p",
            { class: "missing" },
            "This export has no signature decode, so codes of the map cannot be turned into " +
              "outputs. Export encoder and decoder by aae-tf export.",
          ),
      source.decode || source.sample ? this.view.element : null,
      this.readout,
      this.classChips(),
      this.seedRow(),
      this.slice,
      this.sliders,
    );
    session.on(["output"], () => this.view.draw(session.output));
    session.on(["code", "plane", "points"], () => this.showCode());
    session.on(["plane", "points"], () => this.makeSliders());
  }

  showCode() {
    const { code } = this.session;
    const shown = [...code].slice(0, 8).map(numberText).join(", ");
    this.readout.textContent = `code = (${shown}${code.length > 8 ? ", …" : ""})`;
    this.moveSliders();
  }

  /** @returns {HTMLElement|null} */
  classChips() {
    const { session } = this;
    const { classes } = session.description;
    if (!classes) return null;
    const count = classes.names.length;
    const chips = classes.names.map((text, value) => ({ value, text, color: classColor(value, count) }));
    const kind = classes.clusters ? "Cluster" : "Class";
    // Where the decoder takes no class, a label says what is sampled, and "any" draws it.
    const any = classes.decoded ? [] : [{ value: -1, text: "any", color: "" }];
    const buttons = choiceButtons(
      classes.decoded ? `${kind} that is decoded` : `${kind} that is sampled`,
      [...any, ...chips],
      (label) => {
        session.setLabel(label);
        if (!classes.decoded && session.seed !== null) void session.sample(session.seed);
      },
    );
    buttons.element.classList.add("chips");
    buttons.element.id = "classes";
    buttons.choose(session.label);
    session.on(["label"], () => buttons.choose(session.label));
    if (!classes.decoded && !classes.sampled) return null;
    return make("div", { class: "row" }, make("span", { class: "name" }, kind), buttons.element);
  }

  /** @returns {HTMLElement|null} */
  seedRow() {
    const { session } = this;
    if (!session.source.sample) {
      return make("p", { class: "missing" }, "This export has no signature sample, so no seeds.");
    }
    const input = /** @type {HTMLInputElement} */ (
      make("input", { type: "number", id: "seed", min: "0", step: "1", value: session.seed ?? 0, "aria-label": "Seed" })
    );
    const sample = () => {
      const seed = Number(input.value);
      if (!Number.isInteger(seed) || seed < 0 || input.value === "") {
        session.say("Expected the seed to be an integer, 0 or more.");
        return;
      }
      if (session.status.startsWith("Expected the seed")) session.say("");
      void session.sample(seed);
    };
    const next = (/** @type {number} */ step) => () => {
      input.value = String(Math.max(0, Math.floor(Number(input.value)) + step));
      sample();
    };
    input.addEventListener("change", sample);
    // A style of the table has a seed of its own.
    session.on(["code"], () => {
      if (session.seed !== null && document.activeElement !== input) input.value = String(session.seed);
    });
    const copied = make("span", { class: "quiet", role: "status" });
    const share = make(
      "button",
      {
        type: "button",
        onclick: async () => {
          history.replaceState(null, "", `#${session.fragment()}`);
          try {
            await navigator.clipboard.writeText(location.href);
            copied.textContent = "Link copied.";
          } catch {
            copied.textContent = "Copy the address of this page: it shows this view.";
          }
        },
      },
      "Copy link",
    );
    return make(
      "div",
      { class: "row" },
      make("label", { class: "name", for: "seed" }, "Seed"),
      input,
      make("button", { type: "button", "aria-label": "Previous seed", onclick: next(-1) }, "‹"),
      make("button", { type: "button", "aria-label": "Next seed", onclick: next(1) }, "›"),
      make("button", { type: "button", id: "sample", onclick: sample }, "Sample"),
      share,
      copied,
    );
  }

  /** Makes a slider for each coordinate that the map does not show. */
  makeSliders() {
    const { session } = this;
    const { plane, points, codeDim } = session;
    this.inputs = new Map();
    if (!plane || codeDim < 3) return;
    const others = session.shares.map((_, axis) => axis).filter((axis) => !session.axes.includes(axis));
    if (session.basisName === "axes") others.sort((a, b) => session.shares[b] - session.shares[a]);
    const word = session.basisName === "principal" ? "principal axis" : "code";
    const rows = others.map((axis) => {
      const [low, high] = range(plane, points, axis);
      const input = /** @type {HTMLInputElement} */ (
        make("input", {
          type: "range",
          min: low,
          max: high,
          step: (high - low) / 400,
          "aria-label": `${word} ${axis + 1}`,
          oninput: () => session.setCode(plane.withCoordinate(session.code, axis, Number(input.value))),
        })
      );
      const value = make("output", {});
      this.inputs?.set(axis, { input, value });
      return make("label", { class: "slider" }, make("span", {}, `${word} ${axis + 1}`), input, value);
    });
    const more = rows.length > FEW_SLIDERS
      ? make("details", {}, make("summary", {}, `${rows.length - FEW_SLIDERS} more`), ...rows.slice(FEW_SLIDERS))
      : null;
    this.sliders.replaceChildren(...rows.slice(0, FEW_SLIDERS), ...(more ? [more] : []));
    this.moveSliders();
  }

  moveSliders() {
    const { session } = this;
    const { plane } = session;
    if (!plane || !this.inputs?.size) return;
    const parts = [];
    for (const [axis, { input, value }] of this.inputs) {
      const coordinate = plane.coordinate(session.code, axis);
      input.value = String(coordinate);
      value.textContent = numberText(coordinate);
      if (parts.length < 4) parts.push(`${axis + 1} at ${numberText(coordinate)}`);
    }
    const word = session.basisName === "principal" ? "principal axes" : "coordinates";
    const [x, y] = session.axes;
    const rest = this.inputs.size > parts.length ? `, and ${this.inputs.size - parts.length} more` : "";
    this.slice.textContent =
      `The map moves ${word} ${x + 1} and ${y + 1}. Held by the sliders: ${parts.join(", ")}${rest}.`;
  }
}

/**
 * Ends of a slider: what the points reach, at least one to either side.
 * @param {import("./plane.js").Plane} plane
 * @param {import("./source.js").Points|null} points
 * @param {number} axis
 * @returns {[number, number]}
 */
function range(plane, points, axis) {
  const n = points?.n ?? 0;
  const width = plane.origin.length;
  let [sum, squares] = [0, 0];
  for (let row = 0; row < n; row++) {
    const value = plane.coordinate(/** @type {any} */ (points).codes, axis, row * width);
    sum += value;
    squares += value * value;
  }
  const mean = n ? sum / n : 0;
  const deviation = n ? Math.sqrt(Math.max(squares / n - mean * mean, 0)) : 1;
  const reach = Math.max(REACH * deviation, 1e-3);
  return [mean - reach, mean + reach];
}

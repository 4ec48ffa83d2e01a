// Rows of one style, columns of classes.

import { NewestFirst } from "./newest_first.js";
import { make } from "./dom.js";
import { OutputView, takeRow } from "./output_view.js";

/** @typedef {import("./session.js").Session} Session */

const MOST_CLASSES = 20;
const SAMPLED_STYLES = 3;
// Milliseconds after the last move of the ring, so that the picture itself goes first.
const PAUSE = 120;

export class StylesPanel {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    const { description, source } = session;
    const classes = /** @type {NonNullable<typeof description.classes>} */ (description.classes);
    this.count = Math.min(classes.names.length, MOST_CLASSES);
    const kind = classes.clusters ? "cluster" : "class";
    const names = classes.names.slice(0, this.count);
    this.table = make("table", { class: "styles", id: "styles" });
    this.table.append(
      make("thead", {}, make("tr", {}, make("td", {}), ...names.map((name) => make("th", { scope: "col" }, name)))),
    );
    this.rows = make("tbody", {});
    this.table.append(this.rows);
    /** @type {OutputView[]} */
    this.ring = [];
    if (classes.decoded && source.decode) this.ring = this.addRow("ring", (label) => session.setLabel(label));
    this.sampled = classes.sampled && source.sample
      ? Array.from({ length: SAMPLED_STYLES }, (_, seed) =>
          this.addRow(`seed ${seed + 1}`, (label) => {
            session.setLabel(label);
            void session.sample(seed + 1);
          }),
        )
      : [];
    this.element = make(
      "section",
      { "aria-label": "Styles and classes" },
      make("h2", {}, `One style in every ${kind}`),
      make("div", { class: "scroll" }, this.table),
      make("p", { class: "caption" },
        this.ring.length
          ? `A row has one style, a column one ${kind}. The first row is the ring's code.`
          : `A row is one seed, a column one ${kind}.`),
    );
    const { decode } = source;
    this.decoder = new NewestFirst(
      (/** @type {Float32Array} */ code) => {
        const codes = new Float32Array(this.count * code.length);
        const total = classes.names.length;
        const rows = new Float32Array(this.count * total);
        for (let label = 0; label < this.count; label++) {
          codes.set(code, label * code.length);
          rows[label * total + label] = 1;
        }
        return /** @type {NonNullable<typeof decode>} */ (decode)(codes, this.count, rows);
      },
      (outputs) => this.ring.forEach((view, label) => view.draw(takeRow(description, outputs, label))),
      (error) => session.fail(error),
    );
    session.on(["output"], () => {
      if (!this.ring.length) return;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.decoder.request(session.code), PAUSE);
    });
    session.on(["points"], () => void this.sample());
  }

  /**
   * @param {string} name
   * @param {(label: number) => void} onChoose
   * @returns {OutputView[]}
   */
  addRow(name, onChoose) {
    const names = this.session.description.classes?.names ?? [];
    const views = Array.from({ length: this.count }, (_, label) =>
      new OutputView(this.session.description, `${name} as ${names[label]}`, { small: true }),
    );
    this.rows.append(
      make(
        "tr",
        {},
        make("th", { scope: "row" }, name),
        ...views.map((view, label) =>
          make("td", {}, make("button", { type: "button", title: names[label], onclick: () => onChoose(label) }, view.element)),
        ),
      ),
    );
    return views;
  }

  async sample() {
    const { session } = this;
    const { sample } = session.source;
    if (!sample || !this.sampled.length) return;
    const seeds = this.sampled.flatMap((_, row) => new Array(this.count).fill(row + 1));
    const labels = this.sampled.flatMap(() => Array.from({ length: this.count }, (_, label) => label));
    const drawn = await session.ask(() => sample(seeds, labels));
    if (!drawn) return;
    this.sampled.flat().forEach((view, at) => view.draw(takeRow(session.description, drawn.outputs, at)));
  }
}

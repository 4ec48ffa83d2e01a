// What the page is about at the moment: the code that is decoded, the plane, the chosen points.

import { NewestFirst } from "./newest_first.js";
import { Plane } from "./plane.js";
import { SourceError } from "./source.js";
import { readView, writeView } from "./url_state.js";

/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("./source.js").Points} Points */
/** @typedef {import("./source.js").Contours} Contours */

const RETRY = 1500;
const KEPT_LATENCIES = 2000;

/**
 * Tells what changes by events: "points", "plane", "code", "output", "label", "chosen",
 * "selection", "heads", "contours", "way", "status".
 */
export class Session extends EventTarget {
  /** @param {Source} source */
  constructor(source) {
    super();
    this.source = source;
    this.description = source.description;
    this.codeDim = source.description.codeDim ?? 0;
    const view = readView(location.hash, this.codeDim);
    this.linked = view;
    /** @type {Points|null} */
    this.points = null;
    /** @type {"axes"|"principal"} */
    this.basisName = view.basis ?? "axes";
    this.axes = view.axes ?? [0, 1].slice(0, this.codeDim);
    /** @type {Plane|null} */
    this.plane = null;
    /** @type {Map<string, Promise<import("./source.js").Basis>>} */
    this.bases = new Map();
    /** @type {number[]} */
    this.shares = [];
    /** @type {Contours|null} */
    this.contours = null;
    this.code = Float32Array.from(view.code ?? new Array(this.codeDim).fill(0));
    const classes = source.description.classes;
    /** Class that is decoded or sampled; -1: none is given. */
    this.label = view.label ?? (classes?.decoded ? 0 : -1);
    if (!classes || this.label >= classes.names.length) this.label = -1;
    /** @type {Float32Array|null} Probabilities in place of the label's, as `encode` gave them. */
    this.probabilities = null;
    /** @type {number|null} */
    this.seed = view.seed;
    /** @type {number[]} Rows of the chosen points, the last one last; two at most. */
    this.chosen = [];
    /** @type {number[]} */
    this.selection = [];
    this.path = ["spherical", "dense"].includes(view.path ?? "") ? view.path : "straight";
    /** @type {number[]} Places of the way on the map, x, y, x, y, ... */
    this.way = [];
    /** @type {number[]|null} */
    this.frame = view.frame;
    /** @type {Float32Array|null} */
    this.output = null;
    this.status = "";
    this.gone = false;
    /** @type {Float32Array[]|null} Where the heads are, which may be moved. */
    this.heads = source.description.heads?.map((head) => Float32Array.from(head)) ?? null;
    /** @type {number[]} Milliseconds from a move to its picture. */
    this.latencies = [];
    /** Is counted up by each sample, whose output an older request must not replace. */
    this.samples = 0;
    /** Is counted up by each move of the ring, which a sample asked for before must not undo. */
    this.moves = 0;
    this.decoder = new NewestFirst(
      (/** @type {{code: Float32Array, at: number, samples: number}} */ { code }) =>
        /** @type {NonNullable<Source["decode"]>} */ (this.source.decode)(code, 1, this.classRows(1)),
      (output, { at, samples }) => {
        this.back();
        if (samples !== this.samples) return;
        this.output = output;
        this.emit("output");
        this.latencies.push(performance.now() - at);
        if (this.latencies.length > KEPT_LATENCIES) this.latencies.shift();
      },
      (error) => this.fail(error),
    );
  }

  /** Loads the points and the plane. */
  async load() {
    this.decode();
    // Both are asked for at once; a failure is said where the axes are used.
    this.basisOf(this.basisName).catch(() => {});
    const points = await this.ask(() => this.source.points());
    if (!points) return;
    this.points = points;
    if (points.note) this.say(points.note);
    if (!this.linked.code && points.n) this.code = this.codeOf(0);
    await this.setPlane(this.basisName, this.axes);
    this.emit("points");
    if (!this.linked.code) this.decode();
    for (const row of this.linked.points ?? []) if (row >= 0 && row < points.n) this.choose(row, false);
  }

  /** @param {string} name */
  emit(name) {
    this.dispatchEvent(new Event(name));
  }

  /**
   * @param {string[]} names
   * @param {() => void} listener
   */
  on(names, listener) {
    for (const name of names) this.addEventListener(name, listener);
  }

  /**
   * @param {number} row
   * @returns {Float32Array}
   */
  codeOf(row) {
    const { codes } = /** @type {Points} */ (this.points);
    return codes.slice(row * this.codeDim, (row + 1) * this.codeDim);
  }

  /**
   * Changes the plane of the map.
   * @param {"axes"|"principal"} basis
   * @param {number[]} axes
   */
  async setPlane(basis, axes) {
    const found = await this.ask(() => this.basisOf(basis));
    if (!found) return;
    this.basisName = basis;
    this.axes = axes;
    this.plane = new Plane(found, axes);
    this.shares = found.shares;
    this.contours = null;
    this.emit("plane");
    this.link();
    // Contours take a second; the points need not wait for them.
    void this.source
      .contours(basis, axes)
      .then((contours) => {
        if (this.basisName !== basis || this.axes !== axes) return;
        this.contours = contours;
        this.emit("contours");
      })
      .catch((error) => this.fail(error));
  }

  /**
   * The axes of a basis, asked for once.
   * @param {"axes"|"principal"} name
   * @returns {Promise<import("./source.js").Basis>}
   */
  basisOf(name) {
    const known = this.bases.get(name);
    if (known) return known;
    const asked = this.source.basis(name);
    this.bases.set(name, asked);
    asked.catch(() => this.bases.delete(name));
    return asked;
  }

  /** @param {Float32Array} code */
  setCode(code) {
    this.code = code;
    this.moves++;
    this.emit("code");
    this.decode();
    this.link();
  }

  /** @param {number} label */
  setLabel(label) {
    this.label = label;
    this.probabilities = null;
    this.emit("label");
    this.decode();
    this.link();
  }

  /** Decodes the code as soon as the one before is decoded. */
  decode() {
    if (this.source.decode) {
      this.decoder.request({ code: this.code, at: performance.now(), samples: this.samples });
    }
  }

  /**
   * Class probabilities of rows of one class, where the decoder takes such.
   * @param {number} n
   * @param {number} [label]
   * @returns {Float32Array|null}
   */
  classRows(n, label) {
    const classes = this.description.classes;
    if (!classes?.decoded) return null;
    const count = classes.names.length;
    const rows = new Float32Array(n * count);
    for (let row = 0; row < n; row++) {
      if (label === undefined && this.probabilities) rows.set(this.probabilities, row * count);
      else rows[row * count + Math.max(label ?? this.label, 0)] = 1;
    }
    return rows;
  }

  /**
   * Chooses a point, beside the one that was chosen before it.
   * @param {number} row
   * @param {boolean} move Whether its code is decoded.
   */
  choose(row, move = true) {
    this.chosen = [...this.chosen.filter((each) => each !== row), row].slice(-2);
    const points = /** @type {Points} */ (this.points);
    const label = points.predicted?.[row] ?? points.labels?.[row] ?? -1;
    const classes = this.description.classes;
    if (move && classes?.decoded && label >= 0 && label < classes.names.length) {
      this.label = label;
      this.probabilities = null;
      this.emit("label");
    }
    if (move) this.setCode(this.codeOf(row));
    this.emit("chosen");
    this.link();
  }

  /** @param {number[]} rows */
  select(rows) {
    this.selection = rows;
    this.emit("selection");
  }

  /** @param {string} path */
  setPath(path) {
    this.path = path;
    this.emit("chosen");
    this.link();
  }

  /**
   * Shows the sample of a seed.
   * @param {number} seed
   */
  async sample(seed) {
    const { sample } = this.source;
    if (!sample) return;
    this.seed = seed;
    const { moves } = this;
    const drawn = await this.ask(() => sample([seed], [this.label]));
    // The ring may have been moved meanwhile.
    if (!drawn || this.seed !== seed || this.moves !== moves) return;
    this.samples++;
    if (drawn.classes) {
      this.label = drawn.classes.indexOf(Math.max(...drawn.classes));
      this.probabilities = drawn.classes;
      this.emit("label");
    }
    this.code = drawn.codes;
    this.emit("code");
    this.output = drawn.outputs;
    this.emit("output");
    this.link();
  }

  /**
   * Moves a head, and with it the ring.
   * @param {number} head
   * @param {Float32Array|null} code null puts all heads back.
   */
  moveHead(head, code) {
    if (!this.heads) return;
    if (code) this.heads[head] = code;
    else this.heads = (this.description.heads ?? []).map((each) => Float32Array.from(each));
    this.emit("heads");
    if (code) this.setCode(code);
  }

  /** @returns {boolean} Whether a head is elsewhere than in the model. */
  get headsMoved() {
    return (this.heads ?? []).some((head, k) =>
      head.some((value, i) => value !== Math.fround(this.description.heads?.[k][i] ?? 0)),
    );
  }

  /**
   * Asks the source; what fails is said on the page.
   * @template T
   * @param {() => Promise<T>} question
   * @returns {Promise<T|null>}
   */
  async ask(question) {
    try {
      const answer = await question();
      this.back();
      return answer;
    } catch (error) {
      this.fail(error);
      return null;
    }
  }

  /** @param {string} sentence */
  say(sentence) {
    this.status = sentence;
    this.emit("status");
  }

  /** @param {unknown} error */
  fail(error) {
    if (error instanceof SourceError && error.gone) {
      if (this.gone) return;
      this.gone = true;
      const cors = this.description.server
        ? " Or it does not let web pages call: start it with --rest_api_enable_cors_support=true."
        : "";
      this.say(`The server does not answer. The page goes on by itself when it is back.${cors}`);
      setTimeout(() => this.wait(), RETRY);
      return;
    }
    this.say(error instanceof Error ? error.message : String(error));
    if (!(error instanceof SourceError)) console.error(error);
  }

  async wait() {
    if (!(await this.source.ping())) {
      setTimeout(() => this.wait(), RETRY);
      return;
    }
    this.back();
    if (this.points && this.plane) this.decode();
    else void this.load();
  }

  back() {
    if (!this.gone) return;
    this.gone = false;
    this.say("");
  }

  /** Puts the view into the address of the page, a moment later. */
  link() {
    clearTimeout(this.linking);
    this.linking = setTimeout(() => history.replaceState(null, "", `#${this.fragment()}`), 200);
  }

  /** @returns {string} */
  fragment() {
    const isPlain = this.codeDim < 3 && this.basisName === "axes";
    return writeView({
      basis: isPlain ? null : this.basisName,
      axes: isPlain ? null : this.axes,
      code: [...this.code],
      label: this.label < 0 ? null : this.label,
      seed: this.seed,
      points: this.chosen,
      path: this.path === "straight" ? null : this.path,
      frame: this.frame,
    });
  }
}

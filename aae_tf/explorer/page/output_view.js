// Rows as pictures, as bars, or as the columns of a table.

import { rowSize } from "./source.js";
import { writeValue } from "./rest_source.js";
import { isDark } from "./palette.js";

/** @typedef {import("./source.js").Description} Description */
/** @typedef {import("./source.js").Column} Column */

const MILLISECONDS_PER_DAY = 86_400_000;
// Ends of the scale of errors, from none to large, on a light and on a dark ground.
const ERROR_SCALE = { light: [[255, 255, 255], [202, 62, 10]], dark: [[20, 23, 28], [255, 140, 66]] };
// Standard deviations to either side of the mean that a bar has room for.
const REACH = 3;

/** Shows one row; `element` stands in the page. */
export class OutputView {
  /**
   * @param {Description} description
   * @param {string} label What it shows, for readers of screens.
   * @param {{small?: boolean}} options
   */
  constructor(description, label, { small = false } = {}) {
    this.description = description;
    this.small = small;
    this.label = label;
    /** @type {Float32Array|null} */
    this.row = null;
    this.drawnAt = 0;
    if (description.kind === "table" && !small) {
      this.element = document.createElement("dl");
      this.element.className = "columns";
      this.cells = (description.columns ?? []).map((column) => addColumn(this.element, column.name));
    } else {
      this.canvas = document.createElement("canvas");
      this.canvas.className = description.kind === "image" ? "picture" : "bars";
      this.canvas.setAttribute("role", "img");
      this.element = this.canvas;
      const [height, width] = description.shape;
      const isImage = description.kind === "image";
      this.canvas.width = isImage ? width : small ? 96 : 420;
      this.canvas.height = isImage ? height : small ? 72 : 240;
      if (isImage) this.canvas.style.aspectRatio = `${width} / ${height}`;
    }
    this.element.setAttribute("aria-label", `${label}: nothing yet`);
  }

  /**
   * @param {Float32Array|null} row null clears.
   * @param {string} [label]
   */
  draw(row, label = this.label) {
    this.row = row;
    this.element.setAttribute("aria-label", row ? label : `${label}: nothing yet`);
    this.element.classList.toggle("empty", row === null);
    if (this.cells) this.drawColumns(row);
    else if (row === null) this.context().clearRect(0, 0, this.canvas.width, this.canvas.height);
    else if (this.description.kind === "image") this.drawImage(row);
    else this.drawBars(row);
    this.drawnAt = performance.now();
  }

  /**
   * Draws how far a reconstruction is from its input, pixel by pixel or column by column.
   * @param {Float32Array} input
   * @param {Float32Array} output
   */
  drawError(input, output) {
    const columns = this.description.columns;
    const error = Float32Array.from(input, (value, i) => {
      if (!columns) return Math.abs(value - output[i]);
      const column = columns[i];
      if (column.kind === "categorical" || column.kind === "boolean") {
        return Object.is(value, output[i]) || value === output[i] ? 0 : 1;
      }
      if (Number.isNaN(value) || Number.isNaN(output[i])) {
        return Number.isNaN(value) && Number.isNaN(output[i]) ? 0 : 1;
      }
      return Math.abs(standardized(column, value) - standardized(column, output[i]));
    });
    if (this.cells) {
      this.cells.forEach(({ bar, text }, i) => {
        const share = Math.min(error[i] / REACH, 1);
        bar.style.left = "0";
        bar.style.width = `${100 * share}%`;
        const missing = Number.isNaN(input[i]) !== Number.isNaN(output[i]);
        const isName = columns && ["categorical", "boolean"].includes(columns[i].kind);
        if (missing) text.textContent = "one is missing";
        else if (isName) text.textContent = error[i] ? "differs" : "same";
        else text.textContent = `${error[i].toFixed(2)} sd`;
      });
      this.element.classList.remove("empty");
      return;
    }
    this.row = error;
    if (this.description.kind === "image") this.drawErrorImage(error);
    else this.drawBars(error);
    this.element.setAttribute("aria-label", this.label);
  }

  /** @returns {CanvasRenderingContext2D} */
  context() {
    const context = this.canvas?.getContext("2d");
    if (!context) throw new Error("This browser has no canvas.");
    return context;
  }

  /** @param {Float32Array} row */
  drawImage(row) {
    const [height, width, channels = 1] = this.description.shape;
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) {
        // Rounds and clips by itself.
        image.data[4 * i + c] = 255 * row[i * channels + (channels === 3 ? c : 0)];
      }
      image.data[4 * i + 3] = 255;
    }
    this.context().putImageData(image, 0, 0);
  }

  /** @param {Float32Array} error */
  drawErrorImage(error) {
    const [height, width, channels = 1] = this.description.shape;
    const image = new ImageData(width, height);
    const [none, large] = isDark() ? ERROR_SCALE.dark : ERROR_SCALE.light;
    for (let i = 0; i < width * height; i++) {
      let largest = 0;
      for (let c = 0; c < channels; c++) largest = Math.max(largest, error[i * channels + c]);
      const share = Math.min(largest, 1);
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = none[c] + share * (large[c] - none[c]);
      image.data[4 * i + 3] = 255;
    }
    this.context().putImageData(image, 0, 0);
  }

  /** @param {Float32Array} row */
  drawBars(row) {
    const context = this.context();
    const { width, height } = context.canvas;
    const style = getComputedStyle(document.documentElement);
    const values = this.description.columns
      ? Float32Array.from(row, (value, i) => standardized(this.description.columns[i], value))
      : row;
    let largest = 1e-6;
    for (const value of values) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
    context.clearRect(0, 0, width, height);
    const left = this.small ? 0 : 44;
    const step = (width - left) / values.length;
    const middle = height / 2;
    context.fillStyle = style.getPropertyValue("--accent");
    values.forEach((value, i) => {
      const size = Number.isFinite(value) ? (value / largest) * (middle - 8) : 0;
      context.fillRect(left + i * step, middle - Math.max(size, 0), Math.max(step - 1, 0.7), Math.abs(size));
    });
    context.fillStyle = style.getPropertyValue("--quiet");
    context.fillRect(left, middle - 0.5, width - left, 1);
    if (this.small) return;
    context.font = "12px system-ui, sans-serif";
    context.fillText(`+${largest.toPrecision(2)}`, 0, 14);
    context.fillText("0", 0, middle + 4);
    context.fillText(`−${largest.toPrecision(2)}`, 0, height - 6);
  }

  /** @param {Float32Array|null} row */
  drawColumns(row) {
    this.cells?.forEach(({ bar, text }, i) => {
      const column = this.description.columns[i];
      if (row === null) {
        bar.style.width = "0";
        text.textContent = "";
        return;
      }
      const share = columnShare(column, row[i]);
      const [from, to] = Number.isNaN(share) ? [0, 0] : share < 0.5 ? [share, 0.5] : [0.5, share];
      const [start, end] = column.kind === "categorical" || column.kind === "boolean" ? [0, share || 0] : [from, to];
      bar.style.left = `${100 * start}%`;
      bar.style.width = `${100 * Math.max(end - start, 0.01)}%`;
      text.textContent = valueText(column, row[i]);
    });
  }
}

/**
 * @param {HTMLElement} list
 * @param {string} name
 * @returns {{bar: HTMLElement, text: HTMLElement}}
 */
function addColumn(list, name) {
  const term = document.createElement("dt");
  term.textContent = name;
  term.title = name;
  const value = document.createElement("dd");
  const track = document.createElement("span");
  track.className = "track";
  const bar = document.createElement("span");
  bar.className = "bar";
  track.append(bar);
  const text = document.createElement("span");
  text.className = "value";
  value.append(track, text);
  list.append(term, value);
  return { bar, text };
}

/**
 * Standard deviations from the mean; a category or a boolean as it is.
 * @param {Column} column
 * @param {number} value
 * @returns {number}
 */
function standardized(column, value) {
  if (column.kind === "categorical" || column.kind === "boolean") return value;
  const scaled =
    column.kind === "count" ? Math.log1p(Math.max(value, 0)) : column.kind === "date" ? value * 86_400 : value;
  return (scaled - column.mean) / (column.deviation || 1);
}

/**
 * Where the end of a bar is, from 0 to 1.
 * @param {Column} column
 * @param {number} value
 * @returns {number}
 */
function columnShare(column, value) {
  if (column.kind === "boolean") return value;
  if (column.kind === "categorical") return (value + 1) / Math.max(column.vocabulary.length, 1);
  const share = 0.5 + standardized(column, value) / (2 * REACH);
  return Math.min(Math.max(share, 0), 1);
}

/**
 * @param {Column} column
 * @param {number} value
 * @returns {string}
 */
export function valueText(column, value) {
  if (Number.isNaN(value)) return "missing";
  if (column.kind === "boolean") return value ? "yes" : "no";
  if (column.kind === "categorical") return value < 0 ? "not known" : String(column.vocabulary[value]);
  if (column.kind === "date") {
    const text = String(writeValue(column, value)).replace("T", " ");
    return column.deviation > 30 * (MILLISECONDS_PER_DAY / 1000) ? text.slice(0, 10) : text.slice(0, 16);
  }
  if (column.kind === "count") return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString();
  return Math.abs(value) >= 1e5 ? value.toExponential(3) : String(Number(value.toPrecision(4)));
}

/**
 * One of several rows.
 * @param {Description} description
 * @param {Float32Array} rows
 * @param {number} at
 * @returns {Float32Array}
 */
export function takeRow(description, rows, at) {
  const size = rowSize(description);
  return rows.subarray(at * size, (at + 1) * size);
}

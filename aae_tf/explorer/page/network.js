// Runs a Keras network in the page: a few matrix products and convolutions over flat arrays.
//
// `aae_tf/explorer/network_json.py` writes what is read here. Rows lie one after the other, the axes
// of a row in the order of Keras, channels last.

import { OPERATIONS, sizeOf } from "./operations.js";
import { decodeBase64 } from "./source.js";

/**
 * @typedef {Object} Step
 * @property {string} op
 * @property {number[]} from Places of its inputs: 0 is the network's input, k the step k - 1.
 * @property {number[]} shape Of its output, without the batch.
 * @property {string} [activation]
 * @property {number} [slope] Of a leaky ReLU below zero, or alpha of an ELU.
 * @property {[number, number]} [strides]
 * @property {[number, number]} [size] Of a pooling window, or of an enlargement.
 * @property {[number, number]} [before] Rows and columns of padding at the top and at the left.
 * @property {number} [epsilon]
 * @property {Object<string, {start: number, shape: number[]}>} [weights]
 */

/**
 * @typedef {Object} NetworkJson
 * @property {number[]} shape Of the input, without the batch.
 * @property {Step[]} steps
 * @property {"float16"|"float32"} dtype Of the weights.
 * @property {string} weights Base64, little-endian.
 */

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** @type {Object<string, (x: number, slope: number) => number>} */
const ACTIVATIONS = {
  linear: (x) => x,
  relu: (x) => (x > 0 ? x : 0),
  leaky_relu: (x, slope) => (x > 0 ? x : slope * x),
  elu: (x, slope) => (x > 0 ? x : slope * Math.expm1(x)),
  selu: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  softsign: (x) => x / (1 + Math.abs(x)),
  tanh: Math.tanh,
  sigmoid,
  silu: (x) => x * sigmoid(x),
  exponential: Math.exp,
};

/** A network with its weights. */
export class Network {
  /** @param {NetworkJson} json */
  constructor(json) {
    const buffer = decodeBase64(json.weights);
    this.weights = json.dtype === "float16" ? halves(buffer) : new Float32Array(buffer);
    this.shape = json.shape;
    this.steps = json.steps;
    for (const { op } of json.steps) {
      if (!(op in OPERATIONS)) throw new Error(`Expected an operation that is known: ${op}.`);
    }
  }

  /** @returns {number[]} Shape of an output, without the batch. */
  get outputShape() {
    return this.steps.length ? this.steps[this.steps.length - 1].shape : this.shape;
  }

  /**
   * Computes the outputs of rows.
   * @param {Float32Array} rows [n, ...shape]
   * @param {number} n
   * @returns {Float32Array} [n, ...outputShape]
   */
  run(rows, n) {
    if (rows.length !== n * sizeOf(this.shape)) {
      throw new Error(`Expected ${n} rows of ${sizeOf(this.shape)} numbers, got ${rows.length}.`);
    }
    const values = [rows];
    const shapes = [this.shape];
    for (const step of this.steps) {
      const output = OPERATIONS[step.op]({
        step,
        inputs: step.from.map((place) => values[place]),
        shapes: step.from.map((place) => shapes[place]),
        n,
        weight: (name) => this.weight(step, name),
      });
      activate(output, step);
      values.push(output);
      shapes.push(step.shape);
    }
    return values[values.length - 1];
  }

  /**
   * @param {Step} step
   * @param {string} name
   * @returns {Float32Array}
   */
  weight(step, name) {
    const place = step.weights?.[name];
    if (!place) throw new Error(`Expected ${step.op} to have the weight ${name}.`);
    return this.weights.subarray(place.start, place.start + sizeOf(place.shape));
  }
}

/**
 * Reads half-precision numbers.
 * @param {ArrayBuffer} buffer
 * @returns {Float32Array}
 */
export function halves(buffer) {
  const bits = new Uint16Array(buffer);
  const table = halfTable();
  return Float32Array.from(bits, (each) => table[each]);
}

/** @type {Float32Array|null} */
let table16 = null;

/** @returns {Float32Array} The value of each of the 65,536 patterns. */
function halfTable() {
  if (table16) return table16;
  table16 = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    let size = 2 ** (exponent - 15) * (1 + fraction / 1024);
    if (exponent === 0) size = 2 ** -24 * fraction;
    if (exponent === 31) size = fraction ? NaN : Infinity;
    table16[bits] = sign * size;
  }
  return table16;
}

/**
 * @param {Float32Array} values Is changed in place.
 * @param {Step} step
 */
function activate(values, step) {
  const { activation = "linear", slope = 1 } = step;
  if (activation === "linear") return;
  if (activation === "softmax") {
    softmax(values, step.shape[step.shape.length - 1]);
    return;
  }
  const f = ACTIVATIONS[activation];
  if (!f) throw new Error(`Expected an activation that is known: ${activation}.`);
  for (let i = 0; i < values.length; i++) values[i] = f(values[i], slope);
}

/**
 * @param {Float32Array} values
 * @param {number} width
 */
function softmax(values, width) {
  for (let start = 0; start < values.length; start += width) {
    const row = values.subarray(start, start + width);
    let top = -Infinity;
    for (const value of row) top = Math.max(top, value);
    let sum = 0;
    for (let i = 0; i < width; i++) sum += row[i] = Math.exp(row[i] - top);
    for (let i = 0; i < width; i++) row[i] /= sum;
  }
}

/**
 * @param {number} x
 * @returns {number}
 */
function sigmoid(x) {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/**
 * Abramowitz and Stegun, formula 7.1.26: wrong by at most 1.5e-7.
 * @param {number} x
 * @returns {number}
 */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

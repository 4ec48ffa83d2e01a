// What the page asks a model through. `rest_source.js` asks a server; another source may compute in
// the page itself. All codes and rows are flat arrays, row after row.

/**
 * A signature of the served model.
 * @typedef {Object} Signature
 * @property {string} model Name of the servable that has it.
 * @property {Object<string, {dtype: string, shape: (number|null)[]}>} inputs
 * @property {Object<string, {dtype: string, shape: (number|null)[]}>} outputs
 */

/**
 * A column of a table. In a row, a category is its place in `vocabulary` (-1: not there), a date is
 * days since 1970, and NaN is a missing value.
 * @typedef {Object} Column
 * @property {string} name
 * @property {"numeric"|"count"|"boolean"|"date"|"categorical"} kind
 * @property {"float32"|"string"} dtype
 * @property {number} mean Of log(1 + value) for a count, in seconds since 1970 for a date.
 * @property {number} deviation Standard deviation of the same.
 * @property {(string|number)[]} vocabulary
 */

/**
 * @typedef {Object} Description
 * @property {number} format Version of this form, 1.
 * @property {string} name
 * @property {string|null} variant Name of the model's class; null where there is no model card.
 * @property {"image"|"vector"|"table"} kind What a row is.
 * @property {number[]} shape Of a row: [height, width] or [height, width, channels] of an image.
 * @property {Column[]|null} columns Of a table.
 * @property {number|null} codeDim Width of a code.
 * @property {{names: string[], decoded: boolean, sampled: boolean, clusters: boolean}|null} classes
 *   Names; whether `decode` takes class probabilities; whether `sample` takes labels; whether the
 *   classes are clusters that the model has found.
 * @property {string|null} prior In words.
 * @property {number[][]|null} heads Codes of the cluster heads.
 * @property {Object<string, Signature>} signatures
 * @property {string} server Address of the model's server; "" is where the page is from.
 */

/**
 * @typedef {Object} Points
 * @property {number} n
 * @property {string} source What they are, in words.
 * @property {boolean} isData Whether they are codes of data, and not samples of the prior.
 * @property {Float32Array} codes [n, codeDim]
 * @property {Int32Array|null} labels [n], -1 where unknown.
 * @property {Int32Array|null} predicted [n], most probable class or cluster.
 * @property {string[]} classNames Of the labels.
 * @property {string} note A sentence for the user, or "".
 */

/**
 * Orthonormal axes, the code at zero, and the share of the codes' variance along each.
 * @typedef {{origin: number[], directions: number[][], shares: number[]}} Basis
 */

/**
 * @typedef {Object} Contours
 * @property {[number, number][]} limits Of nearly all the prior's mass along each axis.
 * @property {{mass: number, lines: number[][]}[]} levels Outermost first; a line is x, y, x, y, ...
 * @property {number[]} [curve] The density x, y, x, y, ... where there is one axis.
 */

/**
 * A member that is null is not there, and the page says so.
 * @typedef {Object} Source
 * @property {Description} description
 * @property {() => Promise<Points>} points
 * @property {(basis: "axes"|"principal") => Promise<Basis>} basis
 * @property {(basis: "axes"|"principal", axes: number[]) => Promise<Contours|null>} contours
 *   The prior's contours in the plane of one or two axes; null where they are not known.
 * @property {(rows: number[]) => Promise<Float32Array|null>} inputs Inputs of points, [rows, size].
 * @property {((codes: Float32Array, n: number, classes: Float32Array|null) =>
 *   Promise<Float32Array>)|null} decode Takes class probabilities [n, classes] where
 *   `description.classes.decoded`.
 * @property {((seeds: number[], labels: number[]|null) => Promise<{outputs: Float32Array,
 *   codes: Float32Array, classes: Float32Array|null}>)|null} sample A label of -1 is drawn.
 * @property {((rows: Float32Array, n: number) => Promise<{codes: Float32Array,
 *   classes: Float32Array|null}>)|null} encode
 * @property {((rows: Float32Array, n: number) => Promise<Float32Array>)|null} reconstruct
 * @property {((rows: Float32Array, n: number) => Promise<Object<string, number[]>>)|null} score
 * @property {() => Promise<boolean>} ping Whether the model answers.
 */

/** A refusal that the page shows as it is. */
export class SourceError extends Error {
  /**
   * @param {string} message A sentence.
   * @param {boolean} gone Whether nobody answered, so that it may be asked again.
   */
  constructor(message, gone = false) {
    super(message);
    this.gone = gone;
  }
}

/**
 * Numbers of a row.
 * @param {Description} description
 * @returns {number}
 */
export function rowSize(description) {
  return description.shape.reduce((product, size) => product * size, 1);
}

/**
 * Reads base64 of little-endian numbers.
 * @param {string} text
 * @returns {ArrayBuffer}
 */
export function decodeBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
}

/**
 * Reads the JSON of points, whose arrays are base64.
 * @param {any} json
 * @returns {Points}
 */
export function readPoints(json) {
  return {
    ...json,
    codes: new Float32Array(decodeBase64(json.codes)),
    labels: json.labels === null ? null : new Int32Array(decodeBase64(json.labels)),
    predicted: json.predicted === null ? null : new Int32Array(decodeBase64(json.predicted)),
  };
}

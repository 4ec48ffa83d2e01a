// The source that asks TensorFlow Serving's REST protocol, and the explorer's own server for what
// the protocol does not say: the description, the points, the contours.

import { SourceError, decodeBase64, readPoints, rowSize } from "./source.js";

/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("./source.js").Description} Description */
/** @typedef {import("./source.js").Column} Column */

const TIMEOUT = 20_000;
const MILLISECONDS_PER_DAY = 86_400_000;
// TensorFlow Serving writes these bare; JSON has no such numbers.
const NOT_JSON = /(?<=[[,:]\s*)(?:NaN|-?Infinity)(?=\s*[,\]}])/g;

/**
 * Loads the description, and makes the source of a served model.
 * @param {string} base Address of the explorer's server, with its "/" at the end.
 * @returns {Promise<Source>}
 */
export async function openRestSource(base = "./") {
  /** @type {Description} */
  const description = await getJson(`${base}description.json`);
  const { signatures, classes } = description;
  const server = description.server ? `${description.server}/` : base;
  const size = rowSize(description);
  const has = (/** @type {string} */ name) => name in signatures;

  const predict = async (/** @type {string} */ name, /** @type {Object<string, any>} */ inputs) => {
    const { model, outputs } = signatures[name];
    const url = `${server}v1/models/${encodeURIComponent(model)}:predict`;
    const body = writeJson({ signature_name: name, inputs });
    const answer = (await send(url, { method: "POST", body })).outputs;
    const names = Object.keys(outputs);
    return names.length === 1 ? { [names[0]]: answer } : answer;
  };
  const readRows = (/** @type {any} */ answer, /** @type {number} */ n) =>
    description.columns
      ? columnsToRows(description.columns, answer, n)
      : flatten(answer.outputs, n * size);
  const rowInputs = (/** @type {Float32Array} */ rows, /** @type {number} */ n) =>
    description.columns
      ? rowsToColumns(description.columns, rows, n)
      : { inputs: nest(rows, [n, ...description.shape]) };
  const readClasses = (/** @type {any} */ answer, /** @type {number} */ n) =>
    classes && answer.class_probabilities
      ? flatten(answer.class_probabilities, n * classes.names.length)
      : null;

  /** @type {Source["decode"]} */
  const decode = async (codes, n, probabilities) => {
    /** @type {Object<string, any>} */
    const inputs = { latents: nest(codes, [n, codes.length / n]) };
    if (classes?.decoded && probabilities) {
      inputs.class_probabilities = nest(probabilities, [n, classes.names.length]);
    }
    return readRows(await predict("decode", inputs), n);
  };
  /** @type {Source["encode"]} */
  const encode = async (rows, n) => {
    const answer = await predict("encode", rowInputs(rows, n));
    const codes = flatten(answer.latents, n * (description.codeDim ?? 0));
    return { codes, classes: readClasses(answer, n) };
  };
  /** @type {Source["reconstruct"]} */
  let reconstruct = null;
  if (has("reconstruct")) {
    reconstruct = async (rows, n) =>
      readRows(await predict("reconstruct", rowInputs(rows, n)), n);
  } else if (has("encode") && has("decode")) {
    const given = "class_probabilities" in signatures.encode.outputs;
    if (!classes?.decoded || given) {
      reconstruct = async (rows, n) => {
        const found = await encode(rows, n);
        return decode(found.codes, n, found.classes);
      };
    }
  }
  return {
    description,
    points: async () => readPoints(await getJson(`${base}points.json`)),
    basis: (basis) => getJson(`${base}basis.json?basis=${basis}`),
    contours: (basis, axes) =>
      getJson(`${base}contours.json?basis=${basis}&axes=${axes.join(",")}`),
    inputs: async (rows) => {
      const { rows: text } = await getJson(`${base}inputs.json?rows=${rows.join(",")}`);
      return text === null ? null : new Float32Array(decodeBase64(text));
    },
    decode: has("decode") ? decode : null,
    sample: !has("sample")
      ? null
      : async (seeds, labels) => {
          /** @type {Object<string, any>} */
          const inputs = { seed: seeds };
          if (classes?.sampled) inputs.label = labels ?? seeds.map(() => -1);
          const answer = await predict("sample", inputs);
          const n = seeds.length;
          return {
            outputs: readRows(answer, n),
            codes: flatten(answer.latents, n * (description.codeDim ?? 0)),
            classes: readClasses(answer, n),
          };
        },
    encode: has("encode") ? encode : null,
    reconstruct,
    score: !has("score")
      ? null
      : async (rows, n) => {
          const answer = await predict("score", rowInputs(rows, n));
          return Object.fromEntries(
            Object.entries(answer).filter(([, values]) => typeof values[0] === "number"),
          );
        },
    ping: async () => {
      const { model } = Object.values(signatures)[0];
      try {
        await send(`${server}v1/models/${encodeURIComponent(model)}`, {});
        return true;
      } catch {
        return false;
      }
    },
  };
}

/**
 * @param {string} url
 * @returns {Promise<any>}
 */
function getJson(url) {
  return send(url, {});
}

/**
 * @param {string} url
 * @param {RequestInit} options
 * @returns {Promise<any>}
 */
async function send(url, options) {
  let response;
  let text;
  try {
    response = await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
    text = await response.text();
  } catch {
    throw new SourceError("The server does not answer.", true);
  }
  const json = parseJson(text);
  if (!response.ok || json === undefined) {
    // A server that stops, or one that stands before it, has no words of its own.
    const gone = response.status >= 500 && !json?.error;
    const reason = json?.error ?? `status ${response.status}`;
    throw new SourceError(`The server refused: ${String(reason).trim().slice(0, 300)}`, gone);
  }
  return json;
}

/**
 * @param {string} text
 * @returns {any} undefined where it is no JSON.
 */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(NOT_JSON, "null"));
    } catch {
      return undefined;
    }
  }
}

/**
 * Writes JSON in which NaN is a bare word, as TensorFlow Serving reads it.
 * @param {any} value
 * @returns {string}
 */
function writeJson(value) {
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `[${value.map(writeJson).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}:${writeJson(v)}`);
    return `{${entries.join(",")}}`;
  }
  return JSON.stringify(value);
}

/**
 * @param {any} values Nested lists.
 * @param {number} count
 * @returns {Float32Array}
 */
function flatten(values, count) {
  const flat = new Float32Array(count);
  let at = 0;
  const visit = (/** @type {any} */ value) => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    else flat[at++] = value ?? NaN;
  };
  visit(values);
  return flat;
}

/**
 * @param {ArrayLike<number>} flat
 * @param {number[]} shape
 * @param {number} start
 * @returns {any} Nested lists.
 */
function nest(flat, shape, start = 0) {
  const [length, ...rest] = shape;
  const step = rest.reduce((product, each) => product * each, 1);
  return Array.from({ length }, (_, i) =>
    rest.length ? nest(flat, rest, start + i * step) : flat[start + i],
  );
}

/**
 * @param {Column[]} columns
 * @param {Object<string, any[]>} answer
 * @param {number} n
 * @returns {Float32Array}
 */
function columnsToRows(columns, answer, n) {
  const rows = new Float32Array(n * columns.length);
  columns.forEach((column, at) => {
    answer[column.name].forEach((value, row) => {
      rows[row * columns.length + at] = readValue(column, value);
    });
  });
  return rows;
}

/**
 * @param {Column[]} columns
 * @param {Float32Array} rows
 * @param {number} n
 * @returns {Object<string, any[]>}
 */
function rowsToColumns(columns, rows, n) {
  return Object.fromEntries(
    columns.map((column, at) => [
      column.name,
      Array.from({ length: n }, (_, row) => writeValue(column, rows[row * columns.length + at])),
    ]),
  );
}

/**
 * Turns a value of a signature into a number of a row.
 * @param {Column} column
 * @param {any} value
 * @returns {number}
 */
export function readValue(column, value) {
  if (value === null || value === "" || Number.isNaN(value)) return NaN;
  if (column.kind === "categorical") return column.vocabulary.indexOf(value);
  if (column.kind === "date") {
    const text = /[T ]/.test(value) ? `${value.replace(" ", "T").replace(/Z?$/, "Z")}` : value;
    return Date.parse(text) / MILLISECONDS_PER_DAY;
  }
  return Number(value);
}

/**
 * Turns a number of a row into a value of a signature.
 * @param {Column} column
 * @param {number} number
 * @returns {string|number}
 */
export function writeValue(column, number) {
  const isText = column.dtype === "string";
  if (Number.isNaN(number)) return isText ? "" : NaN;
  if (column.kind === "categorical") {
    const last = Math.max(...column.vocabulary.map(Number));
    return column.vocabulary[number] ?? (isText ? "?" : last + 1);
  }
  if (column.kind === "date") {
    return new Date(number * MILLISECONDS_PER_DAY).toISOString().slice(0, 19);
  }
  return number;
}

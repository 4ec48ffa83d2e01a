// The source of an exported page: it holds the networks, the points and the contours, and asks
// nobody. `aae_tf/explorer/exported_page.py` writes what is read here.

import { Network } from "./network.js";
import { SourceError, decodeBase64, readPoints, rowSize } from "./source.js";

/** @typedef {import("./source.js").Source} Source */
/** @typedef {import("./source.js").Description} Description */
/** @typedef {import("./source.js").Basis} Basis */
/** @typedef {import("./source.js").Contours} Contours */
/** @typedef {import("./source.js").Column} Column */
/** @typedef {import("./network.js").NetworkJson} NetworkJson */

/**
 * @typedef {Object} Exported
 * @property {Description} description
 * @property {any} points
 * @property {Object<string, Basis>} bases By name.
 * @property {Object<string, Contours>} contours By basis and axes: "axes:0,1".
 * @property {{dtype: "uint8"|"float32", rows: string}|null} inputs Of all points; bytes are 255ths.
 * @property {{codes: string, classes: string|null, count: number}|null} samples Codes of the seeds
 *   from 0 on.
 * @property {NetworkJson} decoder
 * @property {{features: NetworkJson, latents: NetworkJson, classes: NetworkJson|null,
 *   embeds: boolean}|null} encoder
 */

const SECONDS_PER_DAY = 86_400;
const LARGEST_LOG_COUNT = 40;

/**
 * Makes the source of an exported page.
 * @param {Exported} exported
 * @returns {Source}
 */
export function openLocalSource(exported) {
  const { description, samples } = exported;
  const { classes } = description;
  const size = rowSize(description);
  const codeDim = description.codeDim ?? 0;
  const numClasses = classes?.names.length ?? 0;
  const decoder = new Network(exported.decoder);
  const points = readPoints(exported.points);
  const inputs = readInputs(exported.inputs);

  /** @type {NonNullable<Source["decode"]>} */
  const decode = async (codes, n, probabilities) => {
    const received = classes?.decoded ? join(codes, codeDim, probabilities, numClasses, n) : codes;
    const outputs = decoder.run(received, n);
    return description.columns ? readFeatures(description.columns, outputs, n) : outputs;
  };
  const encode = exported.encoder ? makeEncode(exported.encoder, description) : null;
  const drawn = samples && {
    codes: new Float32Array(decodeBase64(samples.codes)),
    classes: samples.classes === null ? null : new Float32Array(decodeBase64(samples.classes)),
  };
  return {
    description,
    points: async () => points,
    basis: async (basis) => exported.bases[basis],
    contours: async (basis, axes) => exported.contours[`${basis}:${axes.join(",")}`] ?? null,
    inputs: async (rows) => inputs && take(inputs, size, rows),
    decode,
    sample: !samples
      ? null
      : async (seeds) => {
          const known = /** @type {NonNullable<typeof drawn>} */ (drawn);
          if (seeds.some((seed) => seed >= samples.count)) {
            throw new SourceError(
              `This page holds the samples of the seeds 0 to ${samples.count - 1}; ` +
                "the model itself has one for every seed.",
            );
          }
          const codes = take(known.codes, codeDim, seeds);
          const given = known.classes && take(known.classes, numClasses, seeds);
          return { codes, classes: given, outputs: await decode(codes, seeds.length, given) };
        },
    encode,
    reconstruct:
      encode &&
      (async (rows, n) => {
        const found = await encode(rows, n);
        if (found.classes || !classes?.decoded) return decode(found.codes, n, found.classes);
        // As the model does where no class is encoded: that of the closest reconstruction.
        const closest = new Float32Array(n * size);
        const least = new Float64Array(n).fill(Infinity);
        for (let label = 0; label < numClasses; label++) {
          const oneHot = new Float32Array(n * numClasses);
          for (let row = 0; row < n; row++) oneHot[row * numClasses + label] = 1;
          const outputs = await decode(found.codes, n, oneHot);
          for (let row = 0; row < n; row++) {
            const output = outputs.subarray(row * size, (row + 1) * size);
            let error = 0;
            for (let i = 0; i < size; i++) error += (rows[row * size + i] - output[i]) ** 2;
            if (error >= least[row]) continue;
            least[row] = error;
            closest.set(output, row * size);
          }
        }
        return closest;
      }),
    score: null,
    ping: async () => true,
  };
}

/**
 * @param {NonNullable<Exported["encoder"]>} encoder
 * @param {Description} description
 * @returns {NonNullable<Source["encode"]>}
 */
function makeEncode(encoder, description) {
  const [features, latents] = [new Network(encoder.features), new Network(encoder.latents)];
  const head = encoder.classes && new Network(encoder.classes);
  return async (rows, n) => {
    const seen = features.run(rows, n);
    const codes = latents.run(seen, n);
    const classes = head && head.run(seen, n);
    if (encoder.embeds && classes && description.heads) {
      const { heads } = description;
      const width = heads[0].length;
      codes.forEach((_, i) => {
        const row = Math.floor(i / width);
        heads.forEach((each, k) => {
          codes[i] += classes[row * heads.length + k] * each[i % width];
        });
      });
    }
    return { codes, classes };
  };
}

/**
 * Puts class probabilities beside the codes, as decoders of both take them.
 * @param {Float32Array} codes
 * @param {number} codeDim
 * @param {Float32Array|null} probabilities
 * @param {number} numClasses
 * @param {number} n
 * @returns {Float32Array}
 */
function join(codes, codeDim, probabilities, numClasses, n) {
  if (!probabilities) throw new SourceError("Expected a class beside the code.");
  const width = codeDim + numClasses;
  const joined = new Float32Array(n * width);
  for (let row = 0; row < n; row++) {
    joined.set(codes.subarray(row * codeDim, (row + 1) * codeDim), row * width);
    const given = probabilities.subarray(row * numClasses, (row + 1) * numClasses);
    joined.set(given, row * width + codeDim);
  }
  return joined;
}

/**
 * @param {Float32Array} values
 * @param {number} width
 * @param {number[]} rows
 * @returns {Float32Array}
 */
function take(values, width, rows) {
  const taken = new Float32Array(rows.length * width);
  rows.forEach((row, i) => taken.set(values.subarray(row * width, (row + 1) * width), i * width));
  return taken;
}

/**
 * @param {Exported["inputs"]} inputs
 * @returns {Float32Array|null}
 */
function readInputs(inputs) {
  if (!inputs) return null;
  const buffer = decodeBase64(inputs.rows);
  if (inputs.dtype === "float32") return new Float32Array(buffer);
  return Float32Array.from(new Uint8Array(buffer), (byte) => byte / 255);
}

/**
 * Turns the outputs of a decoder of tables into rows of a number for each column, as
 * `networks.TableColumns` does.
 * @param {Column[]} columns
 * @param {Float32Array} outputs
 * @param {number} n
 * @returns {Float32Array}
 */
export function readFeatures(columns, outputs, n) {
  const widths = columns.map(({ kind, vocabulary }) =>
    kind === "categorical" ? vocabulary.length + 2 : 2,
  );
  const rows = new Float32Array(n * columns.length);
  let at = 0;
  for (let row = 0; row < n; row++) {
    columns.forEach((column, k) => {
      rows[row * columns.length + k] = readColumn(column, outputs.subarray(at, at + widths[k]));
      at += widths[k];
    });
  }
  return rows;
}

/**
 * @param {Column} column
 * @param {Float32Array} values Its outputs.
 * @returns {number}
 */
function readColumn({ kind, mean, deviation }, values) {
  if (kind === "categorical") {
    // The first logit is of values that are not known, the last of a missing one.
    const known = [...values.subarray(1)];
    const best = known.indexOf(Math.max(...known));
    return best === known.length - 1 ? NaN : best;
  }
  const [value, missing] = values;
  if (missing > 0) return NaN;
  if (kind === "boolean") return value > 0 ? 1 : 0;
  if (kind === "date") {
    return (Math.round(value * deviation) + Math.round(mean)) / SECONDS_PER_DAY;
  }
  const scaled = value * deviation + mean;
  if (kind !== "count") return scaled;
  return Math.exp(Math.min(Math.max(scaled, -LARGEST_LOG_COUNT), LARGEST_LOG_COUNT));
}

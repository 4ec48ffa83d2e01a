// The view in the address of the page, so that a link shows it again.

/**
 * What a link holds; what is null is left out.
 * @typedef {Object} View
 * @property {"axes"|"principal"|null} basis
 * @property {number[]|null} axes
 * @property {number[]|null} code
 * @property {number|null} label
 * @property {number|null} seed
 * @property {number[]|null} points Rows of the chosen points, the last one last.
 * @property {string|null} path
 * @property {number[]|null} frame Centre x, centre y and half the width of the map.
 */

/**
 * @param {View} view
 * @returns {string}
 */
export function writeView(view) {
  const entries = Object.entries(view)
    .filter(([, value]) => value !== null && !(Array.isArray(value) && !value.length))
    .map(([name, value]) => [name, Array.isArray(value) ? value.map(short).join(",") : String(value)]);
  // Commas may stand in a fragment as they are.
  return entries.map(([name, text]) => `${name}=${encodeURIComponent(text).replaceAll("%2C", ",")}`).join("&");
}

/**
 * Reads the fragment of an address; what is no such view is left out.
 * @param {string} fragment
 * @param {number} codeDim
 * @returns {View}
 */
export function readView(fragment, codeDim) {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const numbers = (/** @type {string} */ name) => {
    const values = given.get(name)?.split(",").map(Number);
    return values?.every(Number.isFinite) ? values : null;
  };
  const integer = (/** @type {string} */ name) => {
    const value = numbers(name)?.[0];
    return Number.isInteger(value) ? /** @type {number} */ (value) : null;
  };
  const axes = numbers("axes");
  const code = numbers("code");
  const frame = numbers("frame");
  const isAxis = (/** @type {number} */ axis) => Number.isInteger(axis) && axis >= 0 && axis < codeDim;
  const basis = given.get("basis");
  return {
    basis: basis === "axes" || basis === "principal" ? basis : null,
    axes: axes && axes.every(isAxis) && new Set(axes).size === Math.min(codeDim, 2) ? axes : null,
    code: code?.length === codeDim ? code : null,
    label: integer("label"),
    seed: integer("seed"),
    points: numbers("points")?.filter(Number.isInteger) ?? null,
    path: given.get("path"),
    frame: frame?.length === 3 && frame[2] > 0 ? frame : null,
  };
}

/**
 * @param {number} value
 * @returns {number}
 */
function short(value) {
  return Number(value.toPrecision(6));
}

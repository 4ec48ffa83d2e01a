// Ten colours that stay apart under the common colour-vision deficiencies: M. A. Petroff 2021,
// "Accessible color sequences for data visualization" (arXiv:2107.02270), as in the figures. On a
// dark ground the darkest three are lighter.

const LIGHT = [
  "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
  "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
];
const DARK = [
  "#3f90da", "#ffa90e", "#e5412a", "#a9b8b6", "#a95be0",
  "#bb7f6d", "#f0731a", "#c9bd82", "#80859a", "#92dadd",
];
// Stops of viridis, for more than ten classes.
const CONTINUOUS = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];
const UNKNOWN = { light: "#b4b4b4", dark: "#6a6f78" };

/** @returns {boolean} */
export function isDark() {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * Colour of a class.
 * @param {number} label -1: unknown.
 * @param {number} count Number of classes.
 * @returns {string} "#rrggbb"
 */
export function classColor(label, count) {
  const dark = isDark();
  if (label < 0) return dark ? UNKNOWN.dark : UNKNOWN.light;
  if (count <= LIGHT.length) return (dark ? DARK : LIGHT)[label % LIGHT.length];
  const place = (label / Math.max(count - 1, 1)) * (CONTINUOUS.length - 1);
  const low = Math.min(Math.floor(place), CONTINUOUS.length - 2);
  return mix(CONTINUOUS[low], CONTINUOUS[low + 1], place - low);
}

/**
 * @param {string} color "#rrggbb"
 * @returns {[number, number, number]}
 */
export function rgb(color) {
  const number = parseInt(color.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}

/**
 * @param {string} a
 * @param {string} b
 * @param {number} share Of b.
 * @returns {string}
 */
function mix(a, b, share) {
  const [first, second] = [rgb(a), rgb(b)];
  const parts = first.map((value, i) => Math.round(value + share * (second[i] - value)));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

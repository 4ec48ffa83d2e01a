// Ten colours that stay apart under the common colour-vision deficiencies: those of the figures,
// `aae_tf/evaluation/class_colors.py`. On a dark ground they are lighter.

const LIGHT = [
  "#3c78ff", "#ffc300", "#4b9669", "#3cc3ff", "#693c0f",
  "#782d5a", "#e1691e", "#00e178", "#f03cb4", "#7800a5",
];
const DARK = [
  "#0ea6ff", "#f3e100", "#93de73", "#10ffb7", "#597105",
  "#f6a3d4", "#cb9802", "#00985d", "#ce00b4", "#a100f8",
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

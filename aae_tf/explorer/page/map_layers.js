// What stands on the map, drawn: contours, points, and what moves above them.

import { rgb } from "./palette.js";

/** @typedef {import("./source.js").Contours} Contours */

/**
 * From the plane to the screen; sizes are in pixels of the device.
 * @typedef {{scale: number, left: number, top: number, width: number, height: number, ratio: number}} Frame
 */

// Opacity of the regions, the outermost first.
const FILLS = [0.05, 0.07, 0.09];
const MANY = 3000;

/**
 * @param {Frame} frame
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]}
 */
export function toScreen(frame, x, y) {
  return [frame.left + x * frame.scale, frame.top - y * frame.scale];
}

/**
 * Draws the prior's regions, the ticks and the names of the axes.
 * @param {CanvasRenderingContext2D} context
 * @param {Frame} frame
 * @param {Contours|null} contours
 * @param {{ink: string, quiet: string, names: string[]}} look
 */
export function drawGround(context, frame, contours, look) {
  const { width, height, ratio } = frame;
  context.clearRect(0, 0, width, height);
  context.lineJoin = "round";
  (contours?.levels ?? []).forEach((level, i) => {
    const path = new Path2D();
    for (const line of level.lines) {
      for (let at = 0; at < line.length; at += 2) {
        const [x, y] = toScreen(frame, line[at], line[at + 1]);
        if (at === 0) path.moveTo(x, y);
        else path.lineTo(x, y);
      }
      path.closePath();
    }
    context.globalAlpha = FILLS[i] ?? 0.09;
    context.fillStyle = look.ink;
    context.fill(path, "evenodd");
    context.globalAlpha = 0.35;
    context.strokeStyle = look.ink;
    context.lineWidth = ratio;
    context.stroke(path);
  });
  context.globalAlpha = 1;
  if (contours?.curve) drawCurve(context, frame, contours.curve, look.ink);
  drawTicks(context, frame, look);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Frame} frame
 * @param {number[]} curve
 * @param {string} ink
 */
function drawCurve(context, frame, curve, ink) {
  let highest = 1e-12;
  for (let at = 1; at < curve.length; at += 2) highest = Math.max(highest, curve[at]);
  context.beginPath();
  for (let at = 0; at < curve.length; at += 2) {
    const [x] = toScreen(frame, curve[at], 0);
    context.lineTo(x, frame.height * (0.9 - (0.7 * curve[at + 1]) / highest));
  }
  context.strokeStyle = ink;
  context.globalAlpha = 0.6;
  context.lineWidth = frame.ratio;
  context.stroke();
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Frame} frame
 * @param {{quiet: string, names: string[]}} look
 */
function drawTicks(context, frame, { quiet, names }) {
  if (!names.length) return;
  const { ratio, scale, width, height, left, top } = frame;
  const rough = (72 * ratio) / scale;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10);
  const text = (/** @type {number} */ value) => String(Number(value.toPrecision(6))).replace("-", "−");
  context.fillStyle = quiet;
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  context.textAlign = "center";
  for (let i = Math.ceil(-left / scale / step); i * step * scale + left < width - 30 * ratio; i++) {
    const x = left + i * step * scale;
    if (x < 40 * ratio) continue;
    context.fillRect(x, height - 4 * ratio, ratio, 4 * ratio);
    context.fillText(text(i * step), x, height - 8 * ratio);
  }
  context.textAlign = "right";
  context.fillText(names[0], width - 8 * ratio, height - 24 * ratio);
  if (names.length < 2) return;
  context.textAlign = "left";
  for (let i = Math.ceil((top - height) / scale / step); top - i * step * scale > 30 * ratio; i++) {
    const y = top - i * step * scale;
    if (y > height - 24 * ratio) continue;
    context.fillRect(0, y, 4 * ratio, ratio);
    context.fillText(text(i * step), 8 * ratio, y + 4 * ratio);
  }
  context.fillText(names[1], 8 * ratio, 18 * ratio);
}

/** Draws thousands of points into the pixels of a canvas: quicker there than circle by circle. */
export class PointLayer {
  /** @param {CanvasRenderingContext2D} context */
  constructor(context) {
    this.context = context;
    /** @type {ImageData|null} */
    this.image = null;
  }

  /**
   * @param {Frame} frame
   * @param {Float32Array} places [n, 2]
   * @param {Uint8Array} groups [n], the colour of each.
   * @param {string[]} colors
   * @param {Uint8Array|null} faded [n], 1 where a point is not of the selection.
   */
  draw(frame, places, groups, colors, faded) {
    const { width, height, ratio } = frame;
    if (!this.image || this.image.width !== width || this.image.height !== height) {
      this.image = this.context.createImageData(width, height);
    }
    const { data } = this.image;
    const words = new Uint32Array(data.buffer);
    words.fill(0);
    const n = groups.length;
    const radius = ratio * Math.min(Math.max(70 / Math.sqrt(n + 1), 1.9), 4.2);
    const mask = discMask(radius);
    const { reach } = mask;
    const palette = colors.map(rgb);
    // Many points are opaque: their inner pixels are stored at once.
    const whole = n > MANY ? 1 : 0.85;
    const inner = palette.map(([red, green, blue]) => 0xff000000 | (blue << 16) | (green << 8) | red);
    for (let row = 0; row < n; row++) {
      const column = Math.round(frame.left + places[2 * row] * frame.scale);
      const line = Math.round(frame.top - places[2 * row + 1] * frame.scale);
      if (column < reach || line < reach || column >= width - reach || line >= height - reach) continue;
      const group = groups[row];
      const [red, green, blue] = palette[group];
      const strength = faded && faded[row] ? 0.15 : whole;
      const start = line * width + column;
      for (let i = 0; i < mask.cover.length; i++) {
        const place = start + mask.dy[i] * width + mask.dx[i];
        const cover = strength * mask.cover[i];
        if (cover === 1) {
          words[place] = inner[group];
          continue;
        }
        const at = 4 * place;
        const below = (data[at + 3] / 255) * (1 - cover);
        const alpha = cover + below;
        data[at] = (red * cover + data[at] * below) / alpha;
        data[at + 1] = (green * cover + data[at + 1] * below) / alpha;
        data[at + 2] = (blue * cover + data[at + 2] * below) / alpha;
        data[at + 3] = 255 * alpha;
      }
    }
    this.context.putImageData(this.image, 0, 0);
  }
}

/**
 * The pixels that a disc touches, and the share of each that it covers.
 * @param {number} radius
 * @returns {{reach: number, dx: number[], dy: number[], cover: number[]}}
 */
function discMask(radius) {
  /** @type {{reach: number, dx: number[], dy: number[], cover: number[]}} */
  const mask = { reach: Math.ceil(radius), dx: [], dy: [], cover: [] };
  for (let y = -mask.reach; y <= mask.reach; y++) {
    for (let x = -mask.reach; x <= mask.reach; x++) {
      const share = Math.min(Math.max(radius + 0.5 - Math.hypot(x, y), 0), 1);
      if (share === 0) continue;
      mask.dx.push(x);
      mask.dy.push(y);
      mask.cover.push(share);
    }
  }
  return mask;
}

/**
 * A circle with a halo, so that it is seen on any ground.
 * @param {CanvasRenderingContext2D} context
 * @param {Frame} frame
 * @param {[number, number]} place In the plane.
 * @param {{radius: number, fill: string|null, ink: string, ground: string, width?: number, text?: string}} look
 */
export function drawCircle(context, frame, place, { radius, fill, ink, ground, width = 2, text }) {
  const { ratio } = frame;
  const [x, y] = toScreen(frame, ...place);
  context.beginPath();
  context.arc(x, y, radius * ratio, 0, 2 * Math.PI);
  if (fill) {
    context.fillStyle = fill;
    context.fill();
  }
  context.lineWidth = (width + 3) * ratio;
  context.strokeStyle = ground;
  context.stroke();
  context.lineWidth = width * ratio;
  context.strokeStyle = ink;
  context.stroke();
  if (text === undefined) return;
  context.fillStyle = ink;
  context.font = `600 ${11 * ratio}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x, y + 0.5 * ratio);
  context.textBaseline = "alphabetic";
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Frame} frame
 * @param {ArrayLike<number>} places x, y, x, y, ...
 * @param {{ink: string, ground: string}} look
 */
export function drawPath(context, frame, places, { ink, ground }) {
  const path = new Path2D();
  for (let at = 0; at < places.length; at += 2) path.lineTo(...toScreen(frame, places[at], places[at + 1]));
  for (const [color, width] of /** @type {[string, number][]} */ ([[ground, 4], [ink, 1.5]])) {
    context.strokeStyle = color;
    context.lineWidth = width * frame.ratio;
    context.stroke(path);
  }
}

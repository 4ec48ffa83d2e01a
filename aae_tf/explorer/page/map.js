// The map: points of a plane through the codes, which is moved, zoomed, and pointed at.

import { PointLayer, drawCircle, drawGround, drawPath } from "./map_layers.js";

/** @typedef {import("./map_layers.js").Frame} Frame */
/** @typedef {import("./source.js").Contours} Contours */

// Distances in pixels: to a point that is clicked, to what is dragged, and that make a press a drag.
const NEAR_POINT = 9;
const NEAR_HANDLE = 16;
const MOVED = 4;
const ZOOM = 1.2;

/**
 * @typedef {Object} MapEvents
 * @property {(x: number, y: number) => void} onRing The ring is moved.
 * @property {(row: number) => void} onPoint A point is clicked.
 * @property {(rows: number[]) => void} onBrush Points are selected; none clears.
 * @property {(head: number, x: number, y: number) => void} onHead A head is moved.
 * @property {() => void} onFrame The view has changed.
 */

export class MapView {
  /**
   * @param {HTMLElement} element Is filled with canvases.
   * @param {MapEvents} events
   */
  constructor(element, events) {
    this.element = element;
    this.events = events;
    const [ground, points, above] = ["ground", "points", "above"].map((name) => {
      const canvas = document.createElement("canvas");
      canvas.className = name;
      element.append(canvas);
      return canvas;
    });
    this.canvases = [ground, points, above];
    this.ground = context(ground);
    this.points = new PointLayer(context(points, { willReadFrequently: true }));
    this.above = context(above);
    /** @type {"drag"|"pan"|"select"} */
    this.mode = "drag";
    this.centre = [0, 0];
    this.half = 1;
    this.places = new Float32Array(0);
    this.groups = new Uint8Array(0);
    /** @type {string[]} */
    this.colors = [];
    /** @type {Uint8Array|null} */
    this.faded = null;
    /** @type {Contours|null} */
    this.contours = null;
    /** @type {[number, number]} */
    this.ring = [0, 0];
    /** @type {{place: [number, number], text: string}[]} */
    this.heads = [];
    /** @type {{place: [number, number], text: string}[]} */
    this.marks = [];
    /** @type {number[]} */
    this.path = [];
    /** @type {string[]} */
    this.names = [];
    /** @type {[number, number, number, number]|null} */
    this.brush = null;
    this.stale = { ground: true, points: true, above: true };
    this.pending = false;
    /** Milliseconds that the last drawing of all points took. */
    this.drawTime = 0;
    this.frames = 0;
    new ResizeObserver(() => this.resize()).observe(element);
    this.listen();
    this.resize();
  }

  /** @returns {Frame} */
  frame() {
    const [{ width, height }] = this.canvases;
    const scale = Math.min(width, height) / (2 * this.half);
    return {
      scale,
      left: width / 2 - this.centre[0] * scale,
      top: height / 2 + this.centre[1] * scale,
      width,
      height,
      ratio: this.ratio,
    };
  }

  /** Shows all points and nearly all of the prior's mass. */
  fit() {
    const ends = [Infinity, -Infinity, Infinity, -Infinity];
    const include = (/** @type {number} */ x, /** @type {number} */ y) => {
      ends[0] = Math.min(ends[0], x);
      ends[1] = Math.max(ends[1], x);
      ends[2] = Math.min(ends[2], y);
      ends[3] = Math.max(ends[3], y);
    };
    for (let i = 0; i < this.places.length; i += 2) include(this.places[i], this.places[i + 1]);
    for (const { place } of this.heads) include(...place);
    if (this.contours) {
      const [[left, right], [low, high] = [0, 0]] = this.contours.limits;
      include(left, low);
      include(right, high);
    }
    if (ends[0] > ends[1]) include(-1, -1), include(1, 1);
    this.setFrame([(ends[0] + ends[1]) / 2, (ends[2] + ends[3]) / 2],
      Math.max(ends[1] - ends[0], ends[3] - ends[2], 1e-3) * 0.56);
  }

  /**
   * @param {number[]} centre
   * @param {number} half
   */
  setFrame(centre, half) {
    this.centre = centre;
    this.half = half;
    this.redraw("ground", "points", "above");
    this.events.onFrame();
  }

  /**
   * @param {number} factor
   * @param {[number, number]} about In the plane.
   */
  zoom(factor, about = /** @type {[number, number]} */ (this.centre)) {
    const half = Math.min(Math.max(this.half / factor, 1e-4), 1e6);
    const ratio = half / this.half;
    this.setFrame(this.centre.map((c, i) => about[i] + (c - about[i]) * ratio), half);
  }

  /** @param {...("ground"|"points"|"above")} layers */
  redraw(...layers) {
    for (const layer of layers) this.stale[layer] = true;
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.pending = false;
    this.frames++;
    const frame = this.frame();
    if (!frame.width || !frame.height) return;
    const style = getComputedStyle(this.element);
    const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const look = { ink: color("--ink"), ground: color("--map"), quiet: color("--quiet") };
    if (this.stale.ground) drawGround(this.ground, frame, this.contours, { ...look, names: this.names });
    if (this.stale.points) {
      const started = performance.now();
      this.points.draw(frame, this.places, this.groups, this.colors, this.faded);
      this.drawTime = performance.now() - started;
    }
    if (this.stale.above) this.drawAbove(frame, look, color("--accent"));
    this.stale = { ground: false, points: false, above: false };
  }

  /**
   * @param {Frame} frame
   * @param {{ink: string, ground: string}} look
   * @param {string} accent
   */
  drawAbove(frame, look, accent) {
    const { above } = this;
    above.clearRect(0, 0, frame.width, frame.height);
    if (this.path.length) drawPath(above, frame, this.path, look);
    for (const { place, text } of this.heads) {
      drawCircle(above, frame, place, { ...look, radius: 10, fill: look.ground, width: 1.5, text });
    }
    for (const { place, text } of this.marks) {
      drawCircle(above, frame, place, { ...look, radius: 8, fill: look.ground, text });
    }
    drawCircle(above, frame, this.ring, { ink: accent, ground: look.ground, radius: 13, fill: null, width: 4 });
    if (this.brush) {
      const [x0, y0, x1, y1] = this.brush.map((each) => each * this.ratio);
      above.setLineDash([4 * this.ratio, 4 * this.ratio]);
      above.strokeStyle = look.ink;
      above.lineWidth = this.ratio;
      above.strokeRect(x0, y0, x1 - x0, y1 - y0);
      above.setLineDash([]);
    }
  }

  resize() {
    const { width, height } = this.element.getBoundingClientRect();
    this.ratio = window.devicePixelRatio || 1;
    for (const canvas of this.canvases) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    this.stale = { ground: true, points: true, above: true };
    this.draw();
  }

  /**
   * From pixels of the element to the plane.
   * @param {{x: number, y: number}} place
   * @returns {[number, number]}
   */
  toPlane({ x, y }) {
    const { left, top, scale, ratio } = this.frame();
    return [(x * ratio - left) / scale, (top - y * ratio) / scale];
  }

  /**
   * @param {{x: number, y: number}} at Pixels of the element.
   * @param {[number, number]} place In the plane.
   * @returns {number} Pixels.
   */
  distance(at, place) {
    const { left, top, scale, ratio } = this.frame();
    return Math.hypot(at.x - (left + place[0] * scale) / ratio, at.y - (top - place[1] * scale) / ratio);
  }

  /**
   * @param {{x: number, y: number}} at
   * @returns {number} Row of the nearest point, or -1 where none is near.
   */
  pointAt(at) {
    let [nearest, least] = [-1, NEAR_POINT];
    const [x, y] = this.toPlane(at);
    const reach = (NEAR_POINT * this.ratio) / this.frame().scale;
    for (let row = 0; row < this.groups.length; row++) {
      const [px, py] = [this.places[2 * row], this.places[2 * row + 1]];
      if (Math.abs(px - x) > reach || Math.abs(py - y) > reach) continue;
      const distance = this.distance(at, [px, py]);
      if (distance < least) [nearest, least] = [row, distance];
    }
    return nearest;
  }

  listen() {
    /** @type {Map<number, {x: number, y: number}>} */
    const pointers = new Map();
    /** @type {{kind: string, from: {x: number, y: number}, moved: boolean, head: number}|null} */
    let gesture = null;
    const { element } = this;
    const place = (/** @type {MouseEvent} */ event) => {
      const box = element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    element.addEventListener("pointerdown", (event) => {
      if (event.button > 1) return;
      element.focus({ preventScroll: true });
      element.setPointerCapture(event.pointerId);
      const at = place(event);
      pointers.set(event.pointerId, at);
      if (pointers.size > 1) {
        gesture = { kind: "pinch", from: at, moved: true, head: -1 };
        return;
      }
      const head = this.heads.findIndex((each) => this.distance(at, each.place) < NEAR_HANDLE);
      const onRing = this.distance(at, this.ring) < NEAR_HANDLE;
      let kind = event.button === 1 ? "pan" : event.shiftKey ? "select" : this.mode;
      if (kind === "drag" && head >= 0 && !onRing) kind = "head";
      if (kind === "pan" && onRing && event.button === 0) kind = "drag";
      gesture = { kind, from: at, moved: false, head };
    });
    element.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before || !gesture) return;
      const at = place(event);
      if (gesture.kind === "pinch") this.pinch(pointers, event.pointerId, at);
      pointers.set(event.pointerId, at);
      if (!gesture.moved && Math.hypot(at.x - gesture.from.x, at.y - gesture.from.y) < MOVED) return;
      gesture.moved = true;
      if (gesture.kind === "drag") this.events.onRing(...this.toPlane(at));
      if (gesture.kind === "head") this.events.onHead(gesture.head, ...this.toPlane(at));
      if (gesture.kind === "pan") {
        const [x0, y0] = this.toPlane(before);
        const [x1, y1] = this.toPlane(at);
        this.setFrame([this.centre[0] + x0 - x1, this.centre[1] + y0 - y1], this.half);
      }
      if (gesture.kind === "select") {
        this.brush = [gesture.from.x, gesture.from.y, at.x, at.y];
        this.redraw("above");
      }
    });
    const end = (/** @type {PointerEvent} */ event) => {
      const at = pointers.get(event.pointerId);
      pointers.delete(event.pointerId);
      if (!gesture || !at) return;
      const { kind, moved, head } = gesture;
      if (kind === "pinch") {
        if (!pointers.size) gesture = null;
        return;
      }
      gesture = null;
      if (kind === "select") this.select();
      else if (!moved && event.type === "pointerup") {
        const row = this.pointAt(at);
        if (kind === "head") this.events.onHead(head, ...this.heads[head].place);
        else if (row >= 0) this.events.onPoint(row);
        else if (kind === "drag") this.events.onRing(...this.toPlane(at));
      }
    };
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
    element.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom(ZOOM ** (-Math.sign(event.deltaY)), this.toPlane(place(event)));
      },
      { passive: false },
    );
    element.addEventListener("keydown", (event) => this.onKey(event));
  }

  /**
   * @param {Map<number, {x: number, y: number}>} pointers
   * @param {number} moving
   * @param {{x: number, y: number}} at
   */
  pinch(pointers, moving, at) {
    const other = [...pointers].find(([id]) => id !== moving)?.[1];
    const before = pointers.get(moving);
    if (!other || !before) return;
    const lengths = [before, at].map((each) => Math.max(Math.hypot(each.x - other.x, each.y - other.y), 10));
    const middle = (/** @type {{x: number, y: number}} */ each) =>
      this.toPlane({ x: (each.x + other.x) / 2, y: (each.y + other.y) / 2 });
    const [from, to] = [middle(before), middle(at)];
    this.centre = [this.centre[0] + from[0] - to[0], this.centre[1] + from[1] - to[1]];
    this.zoom(lengths[1] / lengths[0], from);
  }

  select() {
    if (!this.brush) {
      this.events.onBrush([]);
      return;
    }
    const [x0, y0] = this.toPlane({ x: this.brush[0], y: this.brush[1] });
    const [x1, y1] = this.toPlane({ x: this.brush[2], y: this.brush[3] });
    this.brush = null;
    const rows = [];
    for (let row = 0; row < this.groups.length; row++) {
      const [x, y] = [this.places[2 * row], this.places[2 * row + 1]];
      const inX = x >= Math.min(x0, x1) && x <= Math.max(x0, x1);
      if (inX && y >= Math.min(y0, y1) && y <= Math.max(y0, y1)) rows.push(row);
    }
    this.redraw("above");
    this.events.onBrush(rows);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = (event.shiftKey ? 0.1 : 0.02) * this.half;
    const moves = /** @type {Object<string, [number, number]>} */ ({
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    });
    if (event.key in moves) {
      const [dx, dy] = moves[event.key];
      this.events.onRing(this.ring[0] + dx, this.ring[1] + dy);
    } else if (event.key === "+" || event.key === "=") this.zoom(ZOOM);
    else if (event.key === "-") this.zoom(1 / ZOOM);
    else if (event.key === "0") this.fit();
    else if (event.key === "Escape") this.events.onBrush([]);
    else if (event.key === "Enter") {
      const { left, top, scale, ratio } = this.frame();
      const at = { x: (left + this.ring[0] * scale) / ratio, y: (top - this.ring[1] * scale) / ratio };
      const row = this.pointAt(at);
      if (row >= 0) this.events.onPoint(row);
    } else return;
    event.preventDefault();
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 * @returns {CanvasRenderingContext2D}
 */
function context(canvas, settings) {
  const found = canvas.getContext("2d", settings);
  if (!found) throw new Error("This browser has no canvas.");
  return found;
}

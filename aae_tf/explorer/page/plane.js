/** @typedef {import("./source.js").Basis} Basis */

/** A plane through the codes, spanned by one or two axes of an orthonormal basis. */
export class Plane {
  /**
   * @param {Basis} basis
   * @param {number[]} axes
   */
  constructor(basis, axes) {
    this.origin = Float64Array.from(basis.origin);
    this.directions = basis.directions.map((row) => Float64Array.from(row));
    this.axes = axes;
  }

  /** @returns {boolean} Whether codes have one dimension: height means nothing then. */
  get isLine() {
    return this.axes.length === 1;
  }

  /**
   * Coordinate of a code along an axis of the basis.
   * @param {ArrayLike<number>} code
   * @param {number} axis
   * @param {number} start Where the code starts in an array of codes.
   * @returns {number}
   */
  coordinate(code, axis, start = 0) {
    const direction = this.directions[axis];
    let sum = 0;
    for (let i = 0; i < direction.length; i++) {
      sum += (code[start + i] - this.origin[i]) * direction[i];
    }
    return sum;
  }

  /**
   * @param {ArrayLike<number>} code
   * @returns {[number, number]}
   */
  project(code) {
    const [x, y] = this.axes;
    return [this.coordinate(code, x), this.isLine ? 0 : this.coordinate(code, y)];
  }

  /**
   * Projects all codes; on a line they are spread in height, which means nothing.
   * @param {Float32Array} codes
   * @param {number} n
   * @returns {Float32Array} [n, 2]
   */
  projectAll(codes, n) {
    const width = this.origin.length;
    const places = new Float32Array(2 * n);
    const spread = this.isLine ? this.spread(codes, n) : 0;
    for (let row = 0; row < n; row++) {
      places[2 * row] = this.coordinate(codes, this.axes[0], row * width);
      places[2 * row + 1] = this.isLine
        ? (((row * 0.618034) % 1) - 0.5) * spread
        : this.coordinate(codes, this.axes[1], row * width);
    }
    return places;
  }

  /**
   * @param {Float32Array} codes
   * @param {number} n
   * @returns {number}
   */
  spread(codes, n) {
    let [low, high] = [Infinity, -Infinity];
    for (let row = 0; row < n; row++) {
      low = Math.min(low, codes[row]);
      high = Math.max(high, codes[row]);
    }
    return n ? 0.4 * (high - low) : 1;
  }

  /**
   * The code at a place of the plane that has the other coordinates of another code.
   * @param {ArrayLike<number>} code
   * @param {number} x
   * @param {number} y
   * @returns {Float32Array}
   */
  moved(code, x, y) {
    let moved = this.withCoordinate(code, this.axes[0], x);
    if (!this.isLine) moved = this.withCoordinate(moved, this.axes[1], y);
    return moved;
  }

  /**
   * A code with one coordinate replaced.
   * @param {ArrayLike<number>} code
   * @param {number} axis
   * @param {number} value
   * @returns {Float32Array}
   */
  withCoordinate(code, axis, value) {
    const step = value - this.coordinate(code, axis);
    const direction = this.directions[axis];
    return Float32Array.from({ length: direction.length }, (_, i) => code[i] + step * direction[i]);
  }
}

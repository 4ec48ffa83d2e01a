// Ways from one code to another, and the neighbours of a code.

// Codes that the way through dense regions may lead through, and neighbours of each.
const MOST_NODES = 1500;
const NEIGHBOURS = 8;

/**
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @param {number} steps
 * @returns {Float32Array} [steps, width]
 */
export function straightPath(a, b, steps) {
  return fill(a.length, steps, (share, i) => (1 - share) * a[i] + share * b[i]);
}

/**
 * Turns the direction about the origin at a constant speed, and changes the length evenly
 * (T. White 2016, "Sampling generative networks", section 2.1).
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @param {number} steps
 * @returns {Float32Array|null} null where it is not defined: an end at the origin, or opposite ends.
 */
export function sphericalPath(a, b, steps) {
  const lengths = [a, b].map((code) => Math.hypot(...code));
  if (lengths[0] === 0 || lengths[1] === 0) return null;
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += (a[i] / lengths[0]) * (b[i] / lengths[1]);
  const angle = Math.acos(Math.min(Math.max(dot, -1), 1));
  if (Math.PI - angle < 1e-6) return null;
  if (angle < 1e-6) return straightPath(a, b, steps);
  return fill(a.length, steps, (share, i) => {
    const radius = (1 - share) * lengths[0] + share * lengths[1];
    const turned =
      (Math.sin((1 - share) * angle) * a[i]) / lengths[0] + (Math.sin(share * angle) * b[i]) / lengths[1];
    return (radius * turned) / Math.sin(angle);
  });
}

/**
 * Leads through where codes are dense: the shortest way in the graph of nearest neighbours whose
 * edges cost their squared length.
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @param {number} steps
 * @param {Float32Array} codes [n, width]
 * @param {number} n
 * @returns {Float32Array|null} null where no way leads from one to the other.
 */
export function densePath(a, b, steps, codes, n) {
  const width = a.length;
  const stride = Math.max(1, Math.ceil(n / MOST_NODES));
  /** @type {ArrayLike<number>[]} */
  const nodes = [a, b];
  for (let row = 0; row < n; row += stride) nodes.push(codes.subarray(row * width, (row + 1) * width));
  const edges = neighbourGraph(nodes);
  const way = shortestWay(edges, nodes.length);
  return way && resample(way.map((node) => nodes[node]), steps);
}

/**
 * Rows nearest to a code, the nearest first.
 * @param {Float32Array} codes [n, width]
 * @param {number} n
 * @param {ArrayLike<number>} code
 * @param {number} count
 * @returns {number[]}
 */
export function nearestRows(codes, n, code, count) {
  const distances = new Float64Array(n);
  for (let row = 0; row < n; row++) distances[row] = squaredDistance(codes, code, row * code.length);
  const rows = Array.from({ length: n }, (_, row) => row);
  rows.sort((i, j) => distances[i] - distances[j] || i - j);
  return rows.slice(0, count);
}

/**
 * Mean, and the direction and standard deviation of the largest spread of chosen codes.
 * @param {Float32Array} codes
 * @param {number} width
 * @param {number[]} rows At least one.
 * @returns {{mean: Float32Array, direction: Float32Array, deviation: number}}
 */
export function spreadOf(codes, width, rows) {
  const mean = new Float32Array(width);
  for (const row of rows) for (let i = 0; i < width; i++) mean[i] += codes[row * width + i] / rows.length;
  let direction = Float32Array.from({ length: width }, (_, i) => 1 / (1 + i));
  let variance = 0;
  for (let iteration = 0; iteration < 60; iteration++) {
    const next = new Float32Array(width);
    for (const row of rows) {
      let dot = 0;
      for (let i = 0; i < width; i++) dot += (codes[row * width + i] - mean[i]) * direction[i];
      for (let i = 0; i < width; i++) next[i] += (dot * (codes[row * width + i] - mean[i])) / rows.length;
    }
    variance = Math.hypot(...next);
    if (variance < 1e-12) break;
    direction = next.map((value) => value / variance);
  }
  return { mean, direction, deviation: Math.sqrt(variance) };
}

/**
 * @param {number} width
 * @param {number} steps
 * @param {(share: number, i: number) => number} value
 * @returns {Float32Array}
 */
function fill(width, steps, value) {
  const path = new Float32Array(width * steps);
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < width; i++) path[step * width + i] = value(step / (steps - 1), i);
  }
  return path;
}

/**
 * @param {ArrayLike<number>} codes
 * @param {ArrayLike<number>} code
 * @param {number} start
 * @returns {number}
 */
function squaredDistance(codes, code, start = 0) {
  let sum = 0;
  for (let i = 0; i < code.length; i++) sum += (codes[start + i] - code[i]) ** 2;
  return sum;
}

/**
 * @param {ArrayLike<number>[]} nodes
 * @returns {Map<number, number>[]} Costs of the edges of each node.
 */
function neighbourGraph(nodes) {
  /** @type {Map<number, number>[]} */
  const edges = nodes.map(() => new Map());
  const distances = new Float64Array(nodes.length);
  for (let i = 0; i < nodes.length; i++) {
    /** @type {number[]} */
    const nearest = [];
    for (let j = 0; j < nodes.length; j++) {
      if (j === i) continue;
      distances[j] = squaredDistance(nodes[j], nodes[i]);
      if (nearest.length < NEIGHBOURS || distances[j] < distances[nearest[nearest.length - 1]]) {
        let at = nearest.length;
        while (at > 0 && distances[nearest[at - 1]] > distances[j]) at--;
        nearest.splice(at, 0, j);
        if (nearest.length > NEIGHBOURS) nearest.pop();
      }
    }
    for (const j of nearest) {
      edges[i].set(j, distances[j]);
      edges[j].set(i, distances[j]);
    }
  }
  return edges;
}

/**
 * The cheapest way from node 0 to node 1.
 * @param {Map<number, number>[]} edges
 * @param {number} count
 * @returns {number[]|null}
 */
function shortestWay(edges, count) {
  const cost = new Float64Array(count).fill(Infinity);
  const previous = new Int32Array(count).fill(-1);
  const done = new Uint8Array(count);
  cost[0] = 0;
  for (;;) {
    let node = -1;
    for (let i = 0; i < count; i++) if (!done[i] && cost[i] < (node < 0 ? Infinity : cost[node])) node = i;
    if (node < 0) return null;
    if (node === 1) break;
    done[node] = 1;
    for (const [next, length] of edges[node]) {
      if (cost[node] + length < cost[next]) {
        cost[next] = cost[node] + length;
        previous[next] = node;
      }
    }
  }
  const way = [];
  for (let node = 1; node >= 0; node = previous[node]) way.unshift(node);
  return way;
}

/**
 * Points at equal distances along a way.
 * @param {ArrayLike<number>[]} corners
 * @param {number} steps
 * @returns {Float32Array}
 */
function resample(corners, steps) {
  const width = corners[0].length;
  const lengths = [0];
  for (let i = 1; i < corners.length; i++) {
    lengths.push(lengths[i - 1] + Math.sqrt(squaredDistance(corners[i], corners[i - 1])));
  }
  const total = lengths[lengths.length - 1];
  return fill(width, steps, (share, i) => {
    const at = share * total;
    let corner = 1;
    while (corner < corners.length - 1 && lengths[corner] < at) corner++;
    const length = lengths[corner] - lengths[corner - 1];
    const part = length ? (at - lengths[corner - 1]) / length : 1;
    return (1 - part) * corners[corner - 1][i] + part * corners[corner][i];
  });
}

// What a step of a network computes, over flat arrays: rows one after the other, channels last.

/** @typedef {import("./network.js").Step} Step */

/**
 * What a step gets: its inputs, their shapes, the number of rows, its weights.
 * @typedef {{step: Step, inputs: Float32Array[], shapes: number[][], n: number,
 *   weight: (name: string) => Float32Array}} Call
 */

/** @type {Object<string, (call: Call) => Float32Array>} */
export const OPERATIONS = {
  dense,
  conv2d,
  conv2d_transpose: conv2dTranspose,
  affine,
  layer_norm: layerNorm,
  reshape: ({ inputs }) => inputs[0],
  activation: ({ inputs }) => inputs[0].slice(),
  concatenate,
  add,
  upsample,
  max_pool: (call) => pool(call, true),
  average_pool: (call) => pool(call, false),
  global_average_pool: globalAveragePool,
};

/**
 * @param {number[]} shape
 * @returns {number}
 */
export function sizeOf(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * @param {Call} call
 * @returns {Float32Array}
 */
function dense({ step, inputs, shapes, n, weight }) {
  const width = shapes[0][shapes[0].length - 1];
  const units = step.shape[step.shape.length - 1];
  const kernel = weight("kernel");
  const bias = step.weights?.bias ? weight("bias") : null;
  const count = (n * sizeOf(shapes[0])) / width;
  const output = new Float32Array(count * units);
  for (let row = 0; row < count; row++) {
    const sums = output.subarray(row * units, (row + 1) * units);
    if (bias) sums.set(bias);
    for (let i = 0; i < width; i++) addScaled(sums, kernel, i * units, inputs[0][row * width + i]);
  }
  return output;
}

/**
 * Adds a multiple of consecutive weights to sums.
 * @param {Float32Array} sums
 * @param {Float32Array} weights
 * @param {number} start
 * @param {number} factor
 */
function addScaled(sums, weights, start, factor) {
  // Most hidden units of a ReLU are zero.
  if (factor === 0) return;
  for (let i = 0; i < sums.length; i++) sums[i] += factor * weights[start + i];
}

/**
 * Kernel [height, width, in, out].
 * @param {Call} call
 * @returns {Float32Array}
 */
function conv2d({ step, inputs, shapes, n, weight }) {
  const [height, width, channels] = shapes[0];
  const [rows, columns, filters] = step.shape;
  const [kernelHeight, kernelWidth] = /** @type {any} */ (step.weights).kernel.shape;
  const [[strideY, strideX], [top, left]] = [pair(step.strides, 1), pair(step.before, 0)];
  const kernel = weight("kernel");
  const bias = step.weights?.bias ? weight("bias") : null;
  const output = new Float32Array(n * rows * columns * filters);
  for (let image = 0; image < n; image++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const place = ((image * rows + row) * columns + column) * filters;
        const sums = output.subarray(place, place + filters);
        if (bias) sums.set(bias);
        for (let ky = 0; ky < kernelHeight; ky++) {
          const y = row * strideY + ky - top;
          if (y < 0 || y >= height) continue;
          for (let kx = 0; kx < kernelWidth; kx++) {
            const x = column * strideX + kx - left;
            if (x < 0 || x >= width) continue;
            const from = ((image * height + y) * width + x) * channels;
            const at = (ky * kernelWidth + kx) * channels;
            for (let c = 0; c < channels; c++) {
              addScaled(sums, kernel, (at + c) * filters, inputs[0][from + c]);
            }
          }
        }
      }
    }
  }
  return output;
}

/**
 * Kernel [height, width, out, in]: each input adds its multiple of the kernel to a window.
 * @param {Call} call
 * @returns {Float32Array}
 */
function conv2dTranspose({ step, inputs, shapes, n, weight }) {
  const [height, width, channels] = shapes[0];
  const [rows, columns, filters] = step.shape;
  const [kernelHeight, kernelWidth] = /** @type {any} */ (step.weights).kernel.shape;
  const [[strideY, strideX], [top, left]] = [pair(step.strides, 1), pair(step.before, 0)];
  const kernel = weight("kernel");
  const bias = step.weights?.bias ? weight("bias") : null;
  const output = new Float32Array(n * rows * columns * filters);
  if (bias) for (let i = 0; i < output.length; i += filters) output.set(bias, i);
  for (let image = 0; image < n; image++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = ((image * height + y) * width + x) * channels;
        for (let ky = 0; ky < kernelHeight; ky++) {
          const row = y * strideY + ky - top;
          if (row < 0 || row >= rows) continue;
          for (let kx = 0; kx < kernelWidth; kx++) {
            const column = x * strideX + kx - left;
            if (column < 0 || column >= columns) continue;
            const to = ((image * rows + row) * columns + column) * filters;
            const at = (ky * kernelWidth + kx) * filters;
            for (let f = 0; f < filters; f++) {
              let sum = 0;
              const start = (at + f) * channels;
              for (let c = 0; c < channels; c++) sum += inputs[0][from + c] * kernel[start + c];
              output[to + f] += sum;
            }
          }
        }
      }
    }
  }
  return output;
}

/**
 * Multiplies by a scale and adds an offset, by channel or for all.
 * @param {Call} call
 * @returns {Float32Array}
 */
function affine({ inputs, weight }) {
  const [scale, offset] = [weight("scale"), weight("offset")];
  return inputs[0].map((x, i) => x * scale[i % scale.length] + offset[i % offset.length]);
}

/**
 * Normalises over the last axis.
 * @param {Call} call
 * @returns {Float32Array}
 */
function layerNorm({ step, inputs, weight }) {
  const width = step.shape[step.shape.length - 1];
  const [scale, offset] = [weight("scale"), weight("offset")];
  const output = new Float32Array(inputs[0].length);
  for (let start = 0; start < output.length; start += width) {
    let [mean, variance] = [0, 0];
    for (let i = 0; i < width; i++) mean += inputs[0][start + i] / width;
    for (let i = 0; i < width; i++) variance += (inputs[0][start + i] - mean) ** 2 / width;
    const deviation = Math.sqrt(variance + (step.epsilon ?? 0));
    for (let i = 0; i < width; i++) {
      output[start + i] = ((inputs[0][start + i] - mean) / deviation) * scale[i] + offset[i];
    }
  }
  return output;
}

/**
 * Joins inputs along their last axis.
 * @param {Call} call
 * @returns {Float32Array}
 */
function concatenate({ step, inputs, shapes, n }) {
  const widths = shapes.map((shape) => shape[shape.length - 1]);
  const total = step.shape[step.shape.length - 1];
  const output = new Float32Array(n * sizeOf(step.shape));
  let start = 0;
  inputs.forEach((input, k) => {
    for (let i = 0; i < input.length; i++) {
      output[Math.floor(i / widths[k]) * total + start + (i % widths[k])] = input[i];
    }
    start += widths[k];
  });
  return output;
}

/**
 * @param {Call} call
 * @returns {Float32Array}
 */
function add({ inputs }) {
  return inputs[0].map((x, i) => inputs.slice(1).reduce((sum, input) => sum + input[i], x));
}

/**
 * Repeats each pixel.
 * @param {Call} call
 * @returns {Float32Array}
 */
function upsample({ step, inputs, shapes, n }) {
  const [height, width, channels] = shapes[0];
  const [rows, columns] = step.shape;
  const [sizeY, sizeX] = pair(step.size, 1);
  const output = new Float32Array(n * rows * columns * channels);
  for (let i = 0; i < output.length; i++) {
    const pixel = Math.floor(i / channels);
    const column = pixel % columns;
    const row = Math.floor(pixel / columns) % rows;
    const image = Math.floor(pixel / (rows * columns));
    const from = (image * height + Math.floor(row / sizeY)) * width + Math.floor(column / sizeX);
    output[i] = inputs[0][from * channels + (i % channels)];
  }
  return output;
}

/**
 * Takes the largest value of each window, or the mean of those within the image.
 * @param {Call} call
 * @param {boolean} isMax
 * @returns {Float32Array}
 */
function pool({ step, inputs, shapes, n }, isMax) {
  const [height, width, channels] = shapes[0];
  const [rows, columns] = step.shape;
  const [sizeY, sizeX] = pair(step.size, 1);
  const [[strideY, strideX], [top, left]] = [pair(step.strides, 1), pair(step.before, 0)];
  const output = new Float32Array(n * rows * columns * channels);
  for (let i = 0; i < output.length; i++) {
    const pixel = Math.floor(i / channels);
    const image = Math.floor(pixel / (rows * columns));
    const firstY = (Math.floor(pixel / columns) % rows) * strideY - top;
    const firstX = (pixel % columns) * strideX - left;
    let [sum, count, largest] = [0, 0, -Infinity];
    for (let y = Math.max(firstY, 0); y < Math.min(firstY + sizeY, height); y++) {
      for (let x = Math.max(firstX, 0); x < Math.min(firstX + sizeX, width); x++) {
        const value = inputs[0][((image * height + y) * width + x) * channels + (i % channels)];
        largest = Math.max(largest, value);
        sum += value;
        count++;
      }
    }
    output[i] = isMax ? largest : sum / count;
  }
  return output;
}

/**
 * @param {Call} call
 * @returns {Float32Array}
 */
function globalAveragePool({ step, inputs, shapes, n }) {
  const channels = step.shape[step.shape.length - 1];
  const pixels = shapes[0][0] * shapes[0][1];
  const output = new Float32Array(n * channels);
  inputs[0].forEach((value, i) => {
    output[Math.floor(i / (pixels * channels)) * channels + (i % channels)] += value / pixels;
  });
  return output;
}

/**
 * @param {[number, number]|undefined} values
 * @param {number} otherwise
 * @returns {[number, number]}
 */
function pair(values, otherwise) {
  return values ?? [otherwise, otherwise];
}

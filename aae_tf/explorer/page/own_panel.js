// An image or a row of one's own: its code, its reconstruction, its scores.

import { make, numberText } from "./dom.js";
import { comparison } from "./points_panel.js";
import { readRow } from "./read_row.js";

/** @typedef {import("./session.js").Session} Session */

const MOST_BYTES = 30e6;
const NAMES = /** @type {Object<string, string>} */ ({
  reconstruction_error: "reconstruction error",
  prior_log_prob: "log density of the code, nats",
  anomaly_score: "anomaly score",
  p_value: "p-value",
});

export class OwnPanel {
  /** @param {Session} session */
  constructor(session) {
    this.session = session;
    const { kind, shape } = session.description;
    this.message = make("p", { class: "missing", role: "status", id: "own-message" });
    this.result = make("div", { id: "own-result" });
    const isImage = kind === "image";
    this.element = make(
      "section",
      { "aria-label": isImage ? "Your own image" : "Your own row" },
      make("h2", {}, isImage ? "Your own image" : "Your own row"),
      isImage ? this.imageInput() : this.rowInput(),
      this.message,
      this.result,
    );
    if (isImage) this.size = `${shape[1]}×${shape[0]}`;
  }

  /** @returns {HTMLElement} */
  imageInput() {
    const file = /** @type {HTMLInputElement} */ (
      make("input", { type: "file", accept: "image/*", id: "own-file", "aria-label": "Image file" })
    );
    file.addEventListener("change", () => void this.readFile(file.files?.[0]));
    document.addEventListener("paste", (event) => {
      const image = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
      if (image) void this.readFile(image);
    });
    const zone = make(
      "div",
      { class: "drop" },
      file,
      make("p", { class: "caption" }, `Choose, drop or paste an image of ${this.session.description.shape[1]}×${this.session.description.shape[0]} pixels.`),
    );
    zone.addEventListener("dragover", (event) => event.preventDefault());
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      void this.readFile(event.dataTransfer?.files?.[0]);
    });
    return zone;
  }

  /** @returns {HTMLElement} */
  rowInput() {
    const { columns, shape } = this.session.description;
    const area = /** @type {HTMLTextAreaElement} */ (
      make("textarea", {
        rows: "3",
        id: "own-row",
        "aria-label": "Row",
        placeholder: columns
          ? `${columns.slice(0, 4).map((column) => column.name).join(",")}${columns.length > 4 ? ",…" : ""}\nvalues, or a JSON object`
          : `${shape.join("×")} numbers with commas or spaces between them`,
      })
    );
    const send = () => {
      const read = readRow(this.session.description, area.value);
      if (typeof read === "string") this.refuse(read);
      else void this.show(read);
    };
    return make("div", {}, area, make("div", { class: "row" }, make("button", { type: "button", id: "own-send", onclick: send }, "Encode")));
  }

  /** @param {File|undefined} file */
  async readFile(file) {
    if (!file) return;
    const { shape } = this.session.description;
    const [height, width] = shape;
    if (file.size > MOST_BYTES) {
      this.refuse(`Expected an image of at most ${MOST_BYTES / 1e6} MB. Received: ${file.name}.`);
      return;
    }
    let image;
    try {
      image = await createImageBitmap(file);
    } catch {
      this.refuse(`Expected an image that this browser reads. Received: ${file.name}.`);
      return;
    }
    if (image.width === width && image.height === height) {
      void this.show(pixels(image, shape));
      return;
    }
    this.refuse(
      `Expected an image of ${width}×${height} pixels. Received: ${file.name} of ${image.width}×${image.height}.`,
    );
    this.message.append(
      " ",
      make("button", { type: "button", id: "own-scale", onclick: () => void this.show(pixels(image, shape)) }, `Scale it to ${width}×${height}`),
    );
  }

  /** @param {string} sentence */
  refuse(sentence) {
    this.message.textContent = sentence;
    this.result.replaceChildren();
  }

  /** @param {Float32Array} row */
  async show(row) {
    const { session } = this;
    const { source, description } = session;
    this.message.textContent = "";
    const { encode, reconstruct, score, decode } = source;
    if (!encode) return;
    const found = await session.ask(() => encode(row, 1));
    if (!found) return;
    if (!found.codes.every(Number.isFinite)) {
      this.refuse("Expected finite numbers. Received: a row whose code is not finite.");
      return;
    }
    const best = found.classes ? found.classes.indexOf(Math.max(...found.classes)) : -1;
    if (found.classes && description.classes) {
      session.label = best;
      session.probabilities = description.classes.decoded ? found.classes : null;
      session.emit("label");
    }
    session.setCode(found.codes);
    const output = reconstruct
      ? await session.ask(() => reconstruct(row, 1))
      : decode
        ? await session.ask(() => decode(found.codes, 1, session.classRows(1)))
        : null;
    const scores = score ? await session.ask(() => score(row, 1)) : null;
    const lines = Object.entries(scores ?? {}).map(([name, [value]]) => {
      if (name === "is_anomaly") return value ? "an anomaly" : "no anomaly";
      return `${NAMES[name] ?? name}: ${numberText(value)}`;
    });
    if (found.classes && description.classes) {
      lines.unshift(`taken for ${description.classes.names[best]}, probability ${numberText(found.classes[best])}`);
    }
    const invert =
      description.kind === "image"
        ? make("button", { type: "button", onclick: () => void this.show(row.map((value) => 1 - value)) }, "Invert the image")
        : null;
    this.result.replaceChildren(
      make("p", { class: "readout" }, lines.length ? lines.join(" · ") : "This export has no score."),
      comparison(session, row, output),
      ...(invert ? [invert] : []),
    );
  }
}

/**
 * Pixels of an image in [0, 1], scaled to a shape.
 * @param {ImageBitmap} image
 * @param {number[]} shape
 * @returns {Float32Array}
 */
function pixels(image, shape) {
  const [height, width, channels = 1] = shape;
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const row = new Float32Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    if (channels === 3) row.set([red / 255, green / 255, blue / 255], 3 * i);
    // Rec. 601: what image libraries take for grey.
    else row[i] = (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
  }
  return row;
}

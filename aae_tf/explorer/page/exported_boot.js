// Starts a page of one file, which holds its model.

import { openLocalSource } from "./local_source.js";
import { start } from "./main.js";

const root = /** @type {HTMLElement} */ (document.getElementById("root"));
try {
  const text = /** @type {HTMLElement} */ (document.getElementById("model")).textContent ?? "";
  Object.assign(window, { explorer: start(openLocalSource(JSON.parse(text)), root) });
} catch (error) {
  root.textContent = `This page is damaged: ${error instanceof Error ? error.message : error}`;
}

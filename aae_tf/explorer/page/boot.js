// Starts the page that a server answers; a page of one file has a start of its own.

import { start } from "./main.js";
import { openRestSource } from "./rest_source.js";

const RETRY = 1500;

async function boot() {
  const root = /** @type {HTMLElement} */ (document.getElementById("root"));
  try {
    const page = start(await openRestSource(), root);
    Object.assign(window, { explorer: page });
  } catch (error) {
    root.textContent = `${error instanceof Error ? error.message : error} Trying again.`;
    setTimeout(boot, RETRY);
  }
}

void boot();

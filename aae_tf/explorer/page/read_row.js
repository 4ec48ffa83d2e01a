// A row of numbers or of a table, as it is typed or pasted.

import { readValue } from "./rest_source.js";
import { rowSize } from "./source.js";

/** @typedef {import("./source.js").Description} Description */
/** @typedef {import("./source.js").Column} Column */

/**
 * Reads a row: numbers with commas, tabs or spaces between them; of a table the values of its
 * columns in their order, a header and a line of values, or a JSON object.
 * @param {Description} description
 * @param {string} text
 * @returns {Float32Array|string} A sentence where it is no such row.
 */
export function readRow(description, text) {
  const trimmed = text.trim();
  if (!trimmed) return "Expected a row. Received: nothing.";
  if (description.columns) return readTableRow(description.columns, trimmed);
  const words = trimmed.replace(/^\[|\]$/g, "").split(/[\s,;]+/).filter(Boolean);
  const size = rowSize(description);
  if (words.length !== size) return `Expected ${size} numbers. Received: ${words.length}.`;
  const wrong = words.findIndex((word) => !Number.isFinite(Number(word)));
  if (wrong >= 0) return `Expected finite numbers. Received: number ${wrong + 1}, ${words[wrong].slice(0, 40)}.`;
  return Float32Array.from(words, Number);
}

/**
 * @param {Column[]} columns
 * @param {string} text
 * @returns {Float32Array|string}
 */
function readTableRow(columns, text) {
  /** @type {Map<string, any>} */
  let given = new Map();
  if (text.startsWith("{")) {
    try {
      given = new Map(Object.entries(JSON.parse(text)));
    } catch {
      return "Expected a JSON object of values by column. Received: text that is no JSON.";
    }
  } else {
    const lines = text.split(/\r?\n/).filter((line) => line.trim());
    const cells = lines.map(splitLine);
    const names = lines.length > 1 ? cells[0] : columns.map((column) => column.name);
    const values = cells[lines.length > 1 ? 1 : 0];
    if (lines.length > 2) return `Expected one row, with or without a header. Received: ${lines.length} lines.`;
    if (values.length !== names.length) {
      return `Expected ${names.length} values. Received: ${values.length}.`;
    }
    names.forEach((name, i) => given.set(name, values[i]));
  }
  const unknown = [...given.keys()].filter((name) => !columns.some((column) => column.name === name));
  if (unknown.length) return `Expected columns of the table. Received: ${unknown.slice(0, 5).join(", ")}.`;
  const row = new Float32Array(columns.length);
  for (const [at, column] of columns.entries()) {
    const value = given.get(column.name) ?? "";
    const isText = column.dtype === "string";
    if (!isText && value !== "" && Number.isNaN(Number(value))) {
      return `Expected column ${column.name} to be a number. Received: ${String(value).slice(0, 40)}.`;
    }
    row[at] = readValue(column, isText ? String(value) : value === "" ? null : Number(value));
    if (column.kind === "date" && value !== "" && Number.isNaN(row[at])) {
      return `Expected column ${column.name} to be a date such as 2024-05-31. Received: ${String(value).slice(0, 40)}.`;
    }
  }
  return row;
}

/**
 * Splits a line at tabs, or else at commas that stand in no quotes.
 * @param {string} line
 * @returns {string[]}
 */
function splitLine(line) {
  if (line.includes("\t")) return line.split("\t").map((cell) => cell.trim());
  const cells = [];
  for (const match of line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)) {
    if (match.index === line.length && cells.length && !line.endsWith(",")) break;
    const cell = match[1].trim();
    cells.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
  }
  return cells;
}

/**
 * Makes an element. Strings become text, never markup.
 * @param {string} tag
 * @param {Object<string, any>} properties Attributes; functions are listeners, `onclick` of "click".
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * A group of buttons of which one is pressed.
 * @template {string|number} T
 * @param {string} label For readers of screens.
 * @param {{value: T, text: string, title?: string, color?: string}[]} choices
 * @param {(value: T) => void} onChoose
 * @returns {{element: HTMLElement, choose: (value: T|null) => void}}
 */
export function choiceButtons(label, choices, onChoose) {
  const buttons = choices.map(({ value, text, title, color }) => {
    const button = make(
      "button",
      { type: "button", "aria-pressed": "false", title, onclick: () => onChoose(value) },
      color ? swatch(color) : null,
      text,
    );
    return button;
  });
  return {
    element: make("div", { class: "choices", role: "group", "aria-label": label }, ...buttons),
    choose: (chosen) =>
      buttons.forEach((button, i) => {
        button.setAttribute("aria-pressed", String(choices[i].value === chosen));
      }),
  };
}

/**
 * @param {string} color
 * @returns {HTMLElement}
 */
export function swatch(color) {
  const element = make("span", { class: "swatch", "aria-hidden": "true" });
  element.style.background = color;
  return element;
}

/**
 * A number as people read it.
 * @param {number} value
 * @returns {string}
 */
export function numberText(value) {
  if (!Number.isFinite(value)) return "not finite";
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

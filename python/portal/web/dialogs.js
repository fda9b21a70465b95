// The two dialogs, settings and help, and what the settings do to the page.

import { SIZES } from "./settings.js";
import { paletteRules, readColor } from "./palette.js";

/** @typedef {import("./settings.js").Settings} Settings */
/** @typedef {import("./settings.js").Choices} Choices */

/**
 * Find an element of the page by its id and class.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function find(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`the page has no ${type.name} #${id}`);
  return element;
}

/**
 * Let a button open a dialog, and its own buttons and a click beside it close it.
 * @param {string} name the ids are `name` and `name-button`
 * @returns {() => void} opens it
 */
export function connectDialog(name) {
  const dialog = find(name, HTMLDialogElement);
  const open = () => !dialog.open && dialog.showModal();
  find(`${name}-button`, HTMLButtonElement).addEventListener("click", open);
  dialog.addEventListener("click", (event) => {
    const close = event.target instanceof Element && event.target.closest(".close");
    if (close || event.target === dialog) dialog.close();
  });
  return open;
}

/**
 * Let the controls of the settings dialog show and change what was chosen.
 * @param {Settings} settings
 */
export function connectSettings(settings) {
  const themes = [...document.querySelectorAll("input[name=theme]")].filter(
    (radio) => radio instanceof HTMLInputElement,
  );
  const size = find("size", HTMLOutputElement);
  const boxes = /** @type {const} */ (["echo", "announce"]).map(
    (name) => /** @type {const} */ ([name, find(name, HTMLInputElement)]),
  );
  for (const radio of themes) {
    radio.addEventListener("change", () => {
      settings.change({ theme: /** @type {Choices["theme"]} */ (radio.value) });
    });
  }
  for (const [name, box] of boxes) {
    box.addEventListener("change", () => settings.change({ [name]: box.checked }));
  }
  const resize = (/** @type {number} */ step) => {
    settings.change({ size: settings.choices.size + step });
  };
  find("smaller", HTMLButtonElement).addEventListener("click", () => resize(-SIZES.step));
  find("larger", HTMLButtonElement).addEventListener("click", () => resize(SIZES.step));
  settings.follow((choices) => {
    for (const radio of themes) radio.checked = radio.value === choices.theme;
    for (const [name, box] of boxes) box.checked = choices[name];
    size.textContent = `${choices.size} px`;
  });
}

/**
 * Let the page look as the player chose, and as the system says where they did not.
 * @param {Settings} settings
 */
export function connectLook(settings) {
  const root = document.documentElement;
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const light = matchMedia("(prefers-color-scheme: light)");
  let shown = "";
  const look = () => {
    const { theme, size } = settings.choices;
    const named = theme === "system" ? (light.matches ? "light" : "dark") : theme;
    root.style.setProperty("--size", `${size}px`);
    if (named === shown) return;
    shown = root.dataset.theme = named;
    const { backgroundColor } = getComputedStyle(root);
    sheet.replaceSync(paletteRules(named, readColor(backgroundColor)));
    document.querySelector("meta[name=theme-color]")?.setAttribute("content", backgroundColor);
  };
  light.addEventListener("change", look);
  settings.follow(look);
}

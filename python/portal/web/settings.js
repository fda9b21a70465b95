// What the player chose: remembered, and told to whoever has to act by it.

/** @typedef {import("./storage.js").Remembered} Remembered */

/**
 * @typedef {object} Choices
 * @property {"system" | "dark" | "light"} theme
 * @property {number} size of the letters, in CSS pixels
 * @property {boolean} echo whether what is typed is shown among the game's text
 * @property {boolean} announce whether a screen reader reads new lines by itself
 */

export const SIZES = { smallest: 12, usual: 16, largest: 32, step: 2 };

/** @type {Readonly<Choices>} */
export const DEFAULTS = { theme: "system", size: SIZES.usual, echo: true, announce: true };

/** The choices of a player. */
export class Settings {
  /** @param {Remembered} saved */
  constructor(saved) {
    this.saved = saved;
    this.choices = readChoices(saved.read());
    /** @type {Array<(choices: Choices) => void>} */
    this.listeners = [];
  }

  /**
   * Call a function with the choices, now and after every change.
   * @param {(choices: Choices) => void} listener
   */
  follow(listener) {
    this.listeners.push(listener);
    listener(this.choices);
  }

  /**
   * Change some of them; what cannot be is left as it is.
   * @param {Partial<Choices>} changes
   */
  change(changes) {
    this.choices = readChoices({ ...this.choices, ...changes });
    this.saved.write(this.choices);
    for (const listener of this.listeners) listener(this.choices);
  }
}

/**
 * Make choices of what was saved, perhaps by another version or by hand.
 * @param {unknown} value
 * @returns {Choices}
 */
export function readChoices(value) {
  const given = /** @type {Record<string, any>} */ (Object(value));
  const { theme, size, echo, announce } = given;
  return {
    theme: theme === "dark" || theme === "light" ? theme : DEFAULTS.theme,
    size: Number.isFinite(size)
      ? Math.min(Math.max(Math.round(size), SIZES.smallest), SIZES.largest)
      : DEFAULTS.size,
    echo: typeof echo === "boolean" ? echo : DEFAULTS.echo,
    announce: typeof announce === "boolean" ? announce : DEFAULTS.announce,
  };
}

// The colours of games: the 256 of xterm, so changed that they can be read in both themes.
//
// Where a game chooses the colour of the letters alone, it does not know what is behind them:
// the 16 base colours are chosen by hand for each theme, the others are made lighter or darker
// until they can be read. Where it chooses what is behind them, it gets what it chose.

/** @typedef {[number, number, number]} Rgb red, green and blue, 0 to 255 each */

/** What WCAG 2 asks of text (success criterion 1.4.3, level AA). */
export const READABLE = 4.5;
// Half a percent of the way a step: nobody sees the difference to the exact place.
const STEPS = 200;

/** What is behind the text in each theme, as style.css has it. @type {Record<string, Rgb>} */
export const BACKGROUNDS = { dark: [20, 22, 26], light: [252, 252, 250] };

// The greys (0, 8, 7, 15) go from the faintest to the strongest in both themes.
const BASE = {
  dark: `7c828c e57373 74b566 cba54d 7aa2f2 c98bdb 55b6c2 c3c8d0
         8f96a0 ff8f85 93e27d f7da75 9abcff e9aef7 86e6ee ffffff`.split(/\s+/),
  light: `6d7178 a31515 2b6a1b 785600 1f4fb8 87289a 0a6670 3c4149
          62676f c22323 1f7a12 8a5d00 275fd6 a033b6 087380 000000`.split(/\s+/),
};
const XTERM = `000000 800000 008000 808000 000080 800080 008080 c0c0c0
               808080 ff0000 00ff00 ffff00 0000ff ff00ff 00ffff ffffff`.split(/\s+/);

/**
 * Read a colour as a browser reckons it, `rgb(20, 22, 26)`.
 * @param {string} text
 * @returns {Rgb}
 */
export function readColor(text) {
  const [red = 0, green = 0, blue = 0] = (text.match(/\d+/g) ?? []).map(Number);
  return [red, green, blue];
}

/**
 * Read a colour of the tables, `14161a`.
 * @param {string} text
 * @returns {Rgb}
 */
function readHex(text) {
  return splitColor(parseInt(text, 16));
}

/**
 * @param {Rgb} rgb
 * @returns {string} `#rrggbb`
 */
export function writeColor(rgb) {
  return `#${rgb.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}

/**
 * The colour that a terminal shows for a number: 16 base colours, a cube of 216, 24 greys.
 * @param {number} number 0 to 255
 * @returns {Rgb}
 */
export function xtermColor(number) {
  if (number < 16) return readHex(XTERM[number] ?? "");
  if (number >= 232) {
    const grey = 8 + 10 * (number - 232);
    return [grey, grey, grey];
  }
  const level = (/** @type {number} */ index) => (index ? 55 + 40 * index : 0);
  const cube = number - 16;
  return [level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)];
}

/**
 * How well two colours can be told apart, from 1 to 21, as WCAG 2 reckons it.
 * @param {Rgb} one
 * @param {Rgb} other
 * @returns {number}
 */
export function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

/** @param {Rgb} rgb */
function luminance(rgb) {
  const [red, green, blue] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}

/**
 * The nearest colour on the way to white, or to black, that can be read before a background.
 * @param {Rgb} rgb
 * @param {Rgb} background
 * @returns {Rgb}
 */
export function readable(rgb, background) {
  const goal = luminance(background) < 0.18 ? 255 : 0;
  for (let step = 0; step < STEPS; step += 1) {
    const mixed = /** @type {Rgb} */ (
      rgb.map((part) => Math.round(part + ((goal - part) * step) / STEPS))
    );
    if (contrast(mixed, background) >= READABLE) return mixed;
  }
  return [goal, goal, goal];
}

/**
 * How a colour that has no class is shown: for letters, so that they can be read in either theme.
 * @param {number} number red, green and blue in one
 * @param {boolean} exact whether the game chose what is behind it, too
 * @returns {string}
 */
export function exactColor(number, exact) {
  const rgb = splitColor(number);
  if (exact) return writeColor(rgb);
  const { light = rgb, dark = rgb } = BACKGROUNDS;
  return `light-dark(${writeColor(readable(rgb, light))}, ${writeColor(readable(rgb, dark))})`;
}

/**
 * The letters that can be read best before a background that has no class.
 * @param {number} number red, green and blue in one
 * @returns {string}
 */
export function lettersOn(number) {
  return writeColor(bestLetters(splitColor(number)));
}

/**
 * @param {number} number
 * @returns {Rgb}
 */
function splitColor(number) {
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}

/** @type {Rgb} */
const BLACK = [0, 0, 0];
/** @type {Rgb} */
const WHITE = [255, 255, 255];

/**
 * @param {Rgb} background
 * @returns {Rgb}
 */
function bestLetters(background) {
  return contrast(background, BLACK) >= contrast(background, WHITE) ? BLACK : WHITE;
}

/**
 * The style sheet of the colours in a theme.
 * @param {"dark" | "light"} theme
 * @param {Rgb} background of that theme
 * @returns {string}
 */
export function paletteRules(theme, background) {
  const rules = [];
  for (let number = 0; number < 256; number += 1) {
    const exact = xtermColor(number);
    const base = BASE[theme][number];
    const shown = base ? readHex(base) : readable(exact, background);
    const letters = bestLetters(exact);
    const name = className(number);
    rules.push(
      `.${name}{color:${writeColor(shown)}}`,
      `.bg${name}{background-color:${writeColor(exact)};color:${writeColor(letters)}}`,
      `.filled.${name}{color:${writeColor(exact)}}`,
    );
  }
  return rules.join("\n");
}

/**
 * The class of a colour, as the Portal writes it.
 * @param {number} number
 * @returns {string} such as `color-009`
 */
export function className(number) {
  return `color-${String(number).padStart(3, "0")}`;
}

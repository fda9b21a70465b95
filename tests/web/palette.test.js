import assert from "node:assert/strict";
import { test } from "node:test";

import {
  BACKGROUNDS,
  READABLE,
  className,
  contrast,
  exactColor,
  lettersOn,
  paletteRules,
  readColor,
  readable,
  writeColor,
  xtermColor,
} from "../../python/portal/web/palette.js";

const XTERM = [
  [0, "#000000"], [1, "#800000"], [7, "#c0c0c0"], [9, "#ff0000"], [15, "#ffffff"],
  [16, "#000000"], [17, "#00005f"], [21, "#0000ff"], [22, "#005f00"], [52, "#5f0000"],
  [208, "#ff8700"], [231, "#ffffff"], [232, "#080808"], [255, "#eeeeee"],
];

for (const [number, color] of XTERM) {
  test(`colour ${number}`, () => assert.equal(writeColor(xtermColor(number)), color));
}

test("what a browser says of a colour", () => {
  assert.deepEqual(readColor("rgb(20, 22, 26)"), [20, 22, 26]);
  assert.equal(className(9), "color-009");
});

test("contrast, by the figures of WCAG", () => {
  assert.equal(contrast([0, 0, 0], [255, 255, 255]), 21);
  assert.equal(contrast([9, 9, 9], [9, 9, 9]), 1);
  assert.equal(contrast([255, 0, 0], [255, 255, 255]).toFixed(2), "4.00");
});

/** The rules of a theme as a table: selector -> declarations. */
function rulesOf(theme) {
  const rules = paletteRules(theme, BACKGROUNDS[theme]).split("\n");
  return new Map(rules.map((rule) => /^(.*)\{(.*)\}$/.exec(rule).slice(1)));
}

const hex = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));

for (const [theme, background] of Object.entries(BACKGROUNDS)) {
  test(`every colour can be read in the ${theme} theme`, () => {
    const rules = rulesOf(theme);
    assert.equal(rules.size, 3 * 256);
    for (let number = 0; number < 256; number += 1) {
      const color = /^color:(#[0-9a-f]{6})$/.exec(rules.get(`.${className(number)}`))[1];
      assert.ok(contrast(hex(color), background) >= READABLE, `${number}: ${color}`);
    }
  });

  test(`the 16 base colours differ in the ${theme} theme`, () => {
    const rules = rulesOf(theme);
    const base = Array.from({ length: 16 }, (_, number) => rules.get(`.${className(number)}`));
    assert.equal(new Set(base).size, 16);
  });

  test(`a ground is what the game chose, with letters that can be read (${theme})`, () => {
    const rules = rulesOf(theme);
    for (let number = 0; number < 256; number += 1) {
      const exact = writeColor(xtermColor(number));
      const [, ground, letters] = /^background-color:(.*);color:(.*)$/.exec(
        rules.get(`.bg${className(number)}`),
      );
      assert.equal(ground, exact);
      assert.ok(contrast(hex(ground), hex(letters)) >= READABLE, `${number}`);
      assert.equal(rules.get(`.filled.${className(number)}`), `color:${exact}`);
    }
  });
}

test("what can be read already is not changed", () => {
  assert.deepEqual(readable([255, 255, 255], BACKGROUNDS.dark), [255, 255, 255]);
  assert.deepEqual(readable([0, 0, 95], BACKGROUNDS.light), [0, 0, 95]);
});

test("a colour without a class can be read in both themes", () => {
  for (const number of [0x000000, 0x102030, 0xff8000, 0xffffff]) {
    const shown = /^light-dark\((.*), (.*)\)$/.exec(exactColor(number, false));
    assert.ok(contrast(hex(shown[1]), BACKGROUNDS.light) >= READABLE);
    assert.ok(contrast(hex(shown[2]), BACKGROUNDS.dark) >= READABLE);
  }
  assert.equal(exactColor(0x102030, true), "#102030");
});

test("letters on a ground without a class can be read", () => {
  assert.equal(lettersOn(0x102030), "#ffffff");
  assert.equal(lettersOn(0xffcc00), "#000000");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULTS, SIZES, Settings, readChoices } from "../../python/portal/web/settings.js";
import { Remembered } from "../../python/portal/web/storage.js";
import { REFUSALS, Store } from "./stores.js";

const CASES = [
  [undefined, {}],
  [null, {}],
  ["text", {}],
  [{ theme: "light" }, { theme: "light" }],
  [{ theme: "purple", size: "big", echo: 1, announce: "no" }, {}],
  [{ size: 1 }, { size: SIZES.smallest }],
  [{ size: 1e9 }, { size: SIZES.largest }],
  [{ size: 17.4 }, { size: 17 }],
  [{ size: NaN }, {}],
  [{ echo: false, announce: false }, { echo: false, announce: false }],
  [{ other: 1 }, {}],
];

for (const [value, choices] of CASES) {
  test(`choices of ${JSON.stringify(value)}`, () => {
    assert.deepEqual(readChoices(value), { ...DEFAULTS, ...choices });
  });
}

test("who follows is told at once and of every change", () => {
  const settings = new Settings(new Remembered(() => new Store(), "settings"));
  const told = [];
  settings.follow(({ theme }) => told.push(theme));
  settings.change({ theme: "dark" });
  settings.change({ size: 20 });
  assert.deepEqual(told, ["system", "dark", "dark"]);
});

test("choices are there after a reload", () => {
  const store = new Store();
  const saved = () => new Remembered(() => store, "settings");
  new Settings(saved()).change({ theme: "light", size: 20 });
  assert.deepEqual(new Settings(saved()).choices, { ...DEFAULTS, theme: "light", size: 20 });
});

test("without a place to save they last as long as the page", () => {
  for (const find of REFUSALS) {
    const settings = new Settings(new Remembered(find, "settings"));
    settings.change({ echo: false });
    assert.equal(settings.choices.echo, false);
  }
});

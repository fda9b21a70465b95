import assert from "node:assert/strict";
import { test } from "node:test";

import { Remembered } from "../../python/portal/web/storage.js";
import { REFUSALS, Store } from "./stores.js";

test("what was written is read, until it is removed", () => {
  const store = new Store();
  const saved = new Remembered(() => store, "name");
  assert.equal(saved.read(), undefined);
  assert.ok(saved.write({ a: [1] }));
  assert.deepEqual(new Remembered(() => store, "name").read(), { a: [1] });
  assert.equal(new Remembered(() => store, "other").read(), undefined);
  saved.remove();
  assert.equal(saved.read(), undefined);
});

test("what is no JSON is nothing", () => {
  const store = new Store();
  for (const value of ["", "{", "null", "undefined"]) {
    store.setItem("name", value);
    assert.equal(new Remembered(() => store, "name").read(), undefined);
  }
});

test("a browser that refuses is lived with", () => {
  for (const find of REFUSALS) {
    const saved = new Remembered(find, "name");
    assert.equal(saved.read(), undefined);
    assert.equal(saved.write(1), false);
    saved.remove();
  }
});

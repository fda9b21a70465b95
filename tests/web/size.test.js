import assert from "node:assert/strict";
import { test } from "node:test";

import { followKeyboard } from "../../python/portal/web/size.js";

/** A phone whose keyboard comes and goes, with a browser that only moves the page (Safari). */
function phone() {
  const style = new Map();
  const scrolls = [];
  globalThis.window = { innerHeight: 800, scrollTo: (...place) => scrolls.push(place) };
  const viewport = { height: 800, scale: 1, addEventListener: (_name, call) => (viewport.tell = call) };
  const page = {
    style: {
      setProperty: (name, value) => style.set(name, value),
      removeProperty: (name) => style.delete(name),
    },
  };
  followKeyboard(viewport, page);
  const resize = (changes) => {
    Object.assign(viewport, changes);
    viewport.tell();
    return style.get("--page-height");
  };
  return { resize, scrolls };
}

test("the page is as tall as what the keyboard leaves, and is not moved", () => {
  const { resize, scrolls } = phone();
  assert.equal(resize({ height: 450 }), "450px");
  assert.deepEqual(scrolls, [[0, 0]]);
  assert.equal(resize({ height: 800 }), undefined);
});

test("where the browser makes the page smaller itself nothing is done", () => {
  const { resize, scrolls } = phone();
  globalThis.window.innerHeight = 450;
  assert.equal(resize({ height: 450 }), undefined);
  assert.deepEqual(scrolls, []);
});

test("who zooms in sees a part of the page as it was", () => {
  const { resize } = phone();
  assert.equal(resize({ height: 400, scale: 2 }), undefined);
});

test("a browser without a visual viewport is lived with", () => {
  followKeyboard(null, {});
});

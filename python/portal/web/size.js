// How many characters fit into the game's text, as the Portal tells it to the game.

// While a window is drawn larger, its size changes with every frame; a game that lays its text
// out anew needs the last one.
const QUIET_MILLISECONDS = 300;
const SAMPLE = "0".repeat(100);

/** @typedef {{columns: number, rows: number}} Size */

/**
 * Measure an element in characters of its own font; at least 1 each way.
 * @param {HTMLElement} log
 * @returns {Size}
 */
export function measure(log) {
  const style = getComputedStyle(log);
  const sample = document.createElement("span");
  sample.className = "sample";
  sample.textContent = SAMPLE;
  // Beside the log, with its font: an element within it would be read out.
  sample.style.font = style.font;
  log.after(sample);
  const { width, height } = sample.getBoundingClientRect();
  sample.remove();
  const inside = log.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const tall = log.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  return {
    columns: Math.max(1, Math.floor((inside / width) * SAMPLE.length)),
    rows: Math.max(1, Math.floor(tall / height)),
  };
}

/**
 * Call a function with the size when it has changed and stayed so for a moment.
 * @param {HTMLElement} log
 * @param {(size: Size) => void} atSize
 * @returns {() => void} looks again, for what changes the letters and not the element
 */
export function followSize(log, atSize) {
  let timer = 0;
  let last = measure(log);
  const look = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const size = measure(log);
      if (size.columns === last.columns && size.rows === last.rows) return;
      last = size;
      atSize(size);
    }, QUIET_MILLISECONDS);
  };
  new ResizeObserver(look).observe(log);
  return look;
}

/**
 * Keep the page as tall as what is seen of it above a phone's keyboard.
 *
 * Chromium and Firefox do so themselves (`interactive-widget` in the page's head); Safari only
 * moves the page up, with the newest lines under the edge.
 * @param {VisualViewport | null} viewport
 * @param {HTMLElement} page
 */
export function followKeyboard(viewport, page) {
  if (!viewport) return;
  const fit = () => {
    // Who has zoomed in wants to see a part, not a smaller whole.
    if (viewport.scale > 1.01) return;
    const covered = window.innerHeight - viewport.height > 1;
    if (covered) page.style.setProperty("--page-height", `${viewport.height}px`);
    else page.style.removeProperty("--page-height");
    if (covered) window.scrollTo(0, 0);
  };
  viewport.addEventListener("resize", fit);
}

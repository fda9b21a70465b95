// What the browser remembers for us, where it lets us.

/**
 * The part of `localStorage` that is used.
 * @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem">} Store
 */

/**
 * Read and write JSON under a name, and go on without where it is refused.
 *
 * In private windows, with cookies off or with the space used up, a browser throws at any of
 * these calls, and even where `localStorage` is looked at: hence a function that finds it.
 */
export class Remembered {
  /**
   * @param {() => Store} find
   * @param {string} name
   */
  constructor(find, name) {
    this.find = find;
    this.name = name;
  }

  /** @returns {unknown} what was saved; undefined if nothing was, or nothing can be read */
  read() {
    try {
      return JSON.parse(this.find().getItem(this.name) ?? "") ?? undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * @param {unknown} value
   * @returns {boolean} whether it will be there after a reload
   */
  write(value) {
    try {
      this.find().setItem(this.name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  /** Forget it. */
  remove() {
    try {
      this.find().removeItem(this.name);
    } catch {
      // Where nothing can be removed, nothing could be saved either.
    }
  }
}

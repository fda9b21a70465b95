// Places to save in, as browsers have them.

/** One that works, and may be looked into. */
export class Store {
  values = new Map();

  getItem(name) {
    return this.values.get(name) ?? null;
  }

  setItem(name, value) {
    this.values.set(name, value);
  }

  removeItem(name) {
    this.values.delete(name);
  }
}

const refuse = () => {
  throw new Error("refused");
};

/** Ways to find no store, or one that does not work, as in private windows. */
export const REFUSALS = [
  refuse,
  () => null,
  () => ({ getItem: refuse, setItem: refuse, removeItem: refuse }),
  () => ({ getItem: () => null, setItem: refuse, removeItem: () => undefined }),
];

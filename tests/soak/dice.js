// Numbers that a seed decides, so that a failure can be had again: mulberry32.

/** @param {number} seed */
export function makeDice(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    /** @param {number} count */
    below: (count) => Math.floor(next() * count),
    /** @template T @param {T[]} list @returns {T} */
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}

export const SEED = Number(process.env.SOAK_SEED ?? Date.now() % 1_000_000);
export const LONG = process.env.SOAK === 'long';

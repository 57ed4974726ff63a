// A drawing as points: what the pad shows, and what the server is sent.

/** @typedef {[number, number]} Point   x and y on the pad, 0..SIDE */
/** @typedef {Point[]} Stroke */

export const SIDE = 1000;

const APART = 4; // points closer than this add nothing
const POINTS_MAX = 4000; // of a whole drawing

/** @param {number} value */
const onPad = (value) => Math.round(Math.min(Math.max(value, 0), SIDE));

export class Strokes {
  /** @type {Stroke[]} */
  list = [];
  points = 0;

  get isEmpty() {
    return this.list.length === 0;
  }

  get isFull() {
    return this.points >= POINTS_MAX;
  }

  /** @param {number} x @param {number} y */
  begin(x, y) {
    if (this.isFull) return;
    this.list.push([[onPad(x), onPad(y)]]);
    this.points++;
  }

  /**
   * Draws the last stroke on to here.
   * @param {number} x @param {number} y
   * @returns {boolean} whether that changed the drawing
   */
  extend(x, y) {
    const stroke = this.list.at(-1);
    if (!stroke || this.isFull) return false;
    const [lastX, lastY] = stroke[stroke.length - 1];
    if (Math.hypot(onPad(x) - lastX, onPad(y) - lastY) < APART) return false;
    stroke.push([onPad(x), onPad(y)]);
    this.points++;
    return true;
  }

  /** Takes the last stroke back. */
  undo() {
    this.points -= this.list.pop()?.length ?? 0;
  }

  clear() {
    this.list = [];
    this.points = 0;
  }
}

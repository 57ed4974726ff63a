// A drawing as points: what the pad shows, and what the server is sent.

/** @typedef {[number, number]} Point   x and y on the pad, 0..SIDE */
/** @typedef {Point[]} Stroke */

export const SIDE = 1000;

const APART = 4; // points closer than this add nothing
const POINTS_MAX = 4000; // of a whole drawing
const STEPS_MAX = 100; // that can be taken back

/** @param {number} value */
const onPad = (value) => Math.round(Math.min(Math.max(value, 0), SIDE));

export class Strokes {
  /** @type {Stroke[]} replaced by a step, never changed by it: earlier and later ones share the strokes */
  list = [];
  /** @type {Stroke[][]} */
  past = [];
  /** @type {Stroke[][]} */
  future = [];

  get isEmpty() {
    return this.list.length === 0;
  }

  get isFull() {
    return this.list.reduce((sum, { length }) => sum + length, 0) >= POINTS_MAX;
  }

  /** @param {Stroke[]} next */
  step(next) {
    this.past.push(this.list);
    if (this.past.length > STEPS_MAX) this.past.shift();
    this.future = [];
    this.list = next;
  }

  /** @param {number} x @param {number} y */
  begin(x, y) {
    if (!this.isFull) this.step([...this.list, [[onPad(x), onPad(y)]]]);
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
    return true;
  }

  /** Takes the last stroke, or the clearing of the pad, back. */
  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.future.push(this.list);
    this.list = before;
  }

  redo() {
    const after = this.future.pop();
    if (!after) return;
    this.past.push(this.list);
    this.list = after;
  }

  clear() {
    if (!this.isEmpty) this.step([]);
  }
}

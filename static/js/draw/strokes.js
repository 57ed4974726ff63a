// A drawing as points, or a picture in their place: what the pad shows, and what the server is sent.

/** @typedef {[number, number]} Point   x and y on the pad, 0..SIDE */
/** @typedef {Point[]} Stroke */
/** @typedef {{ blob: Blob, bitmap: ImageBitmap }} Picture   as the server gets it, and as it is shown */
/** @typedef {{ list: Stroke[], picture: Picture | null }} Drawing   no strokes where there is a picture */

export const SIDE = 1000;

const APART = 4; // points closer than this add nothing
const POINTS_MAX = 4000; // of a whole drawing
const STEPS_MAX = 100; // that can be taken back

/** @param {number} value */
const onPad = (value) => Math.round(Math.min(Math.max(value, 0), SIDE));

export class Strokes {
  /** @type {Stroke[]} replaced by a step, never changed by it: earlier and later ones share the strokes */
  list = [];
  /** @type {Picture | null} */
  picture = null;
  /** @type {Drawing[]} */
  past = [];
  /** @type {Drawing[]} */
  future = [];

  get isEmpty() {
    return this.list.length === 0 && !this.picture;
  }

  /** @returns {Drawing} */
  get now() {
    return { list: this.list, picture: this.picture };
  }

  get isFull() {
    return this.list.reduce((sum, { length }) => sum + length, 0) >= POINTS_MAX;
  }

  /** @param {Drawing} next */
  #show({ list, picture }) {
    this.list = list;
    this.picture = picture;
  }

  /** @param {Stroke[]} list @param {Picture | null} [picture] */
  step(list, picture = null) {
    this.past.push(this.now);
    if (this.past.length > STEPS_MAX) this.past.shift();
    this.future = [];
    this.#show({ list, picture });
  }

  /** In the place of a picture, where there is one. @param {number} x @param {number} y */
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

  /** Takes the last stroke or picture, or the clearing of the pad, back. */
  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.future.push(this.now);
    this.#show(before);
  }

  redo() {
    const after = this.future.pop();
    if (!after) return;
    this.past.push(this.now);
    this.#show(after);
  }

  clear() {
    if (!this.isEmpty) this.step([]);
  }
}

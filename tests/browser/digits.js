// Digits as they were drawn by hand, and the hand that draws them again.

/** @typedef {[number, number]} Point */

/** Strokes of points in a square of 100, x to the right and y downwards. @type {Point[][][]} */
const DIGITS = [
  [[[54, 14], [43, 16], [34, 24], [28, 37], [26, 52], [29, 67], [36, 79], [47, 86], [58, 85], [68, 77], [74, 64],
    [76, 48], [73, 33], [66, 21], [56, 15], [51, 14]]],
  [[[53, 12], [52, 28], [51, 44], [50, 60], [50, 74], [49, 88]]],
  [[[29, 30], [34, 20], [44, 14], [56, 14], [66, 21], [69, 32], [65, 44], [55, 56], [44, 67], [33, 78], [26, 86],
    [38, 86], [52, 85], [64, 86], [75, 86]]],
  [[[30, 22], [40, 15], [52, 14], [63, 19], [67, 29], [63, 40], [54, 46], [44, 48], [55, 49], [66, 55], [71, 66],
    [67, 77], [57, 85], [44, 86], [33, 81], [27, 75]]],
  [[[36, 14], [34, 25], [31, 37], [28, 48], [27, 55], [38, 56], [50, 55], [62, 54], [73, 52]],
    [[62, 20], [61, 36], [60, 52], [59, 68], [58, 87]]],
  [[[69, 15], [57, 15], [45, 16], [37, 17], [36, 28], [34, 40], [34, 46], [44, 42], [56, 43], [66, 50], [71, 61],
    [68, 73], [60, 82], [48, 86], [36, 84], [28, 78]]],
  [[[60, 13], [51, 22], [42, 34], [35, 48], [31, 62], [33, 75], [41, 84], [53, 86], [64, 80], [68, 69], [64, 58],
    [54, 54], [44, 57], [36, 65], [33, 71]]],
  [[[27, 18], [40, 18], [54, 17], [68, 17], [74, 17], [69, 28], [62, 42], [55, 56], [49, 70], [43, 87]]],
  [[[63, 24], [54, 16], [43, 16], [35, 24], [36, 35], [45, 44], [56, 52], [65, 62], [66, 74], [58, 84], [46, 86],
    [36, 80], [34, 69], [41, 58], [51, 49], [61, 39], [65, 29], [63, 24]]],
  [[[67, 28], [60, 18], [49, 15], [38, 20], [33, 31], [37, 43], [48, 48], [59, 44], [66, 34], [68, 25], [67, 40],
    [65, 56], [62, 71], [58, 87]]],
];

const BETWEEN = 4; // events from one recorded point to the next

/** The curve through p1 and p2 at t, 0..1 (Catmull and Rom 1974). */
const spline = (p0, p1, p2, p3, t) =>
  p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)));

/** A stroke as the events of a hand: a smooth way through its points. @param {Point[]} stroke @returns {Point[]} */
function smooth(stroke) {
  const at = (index) => stroke[Math.min(Math.max(index, 0), stroke.length - 1)];
  const points = [stroke[0]];
  for (let i = 0; i + 1 < stroke.length; i++) {
    for (let j = 1; j <= BETWEEN; j++) {
      points.push([0, 1].map((axis) =>
        spline(at(i - 1)[axis], at(i)[axis], at(i + 1)[axis], at(i + 2)[axis], j / BETWEEN)));
    }
  }
  return points;
}

export const DIGIT_COUNT = DIGITS.length;

/**
 * The strokes of a digit on a page's pad, in pixels of the window.
 * @param {import('playwright-core').Page} page
 * @param {number} digit
 * @param {{ size: number, left: number, top: number }} square   where on the pad, in sides of the pad
 */
export async function strokesOnPad(page, digit, { size, left, top } = { size: 0.9, left: 0.05, top: 0.05 }) {
  const box = await page.locator('#pad').boundingBox();
  return DIGITS[digit].map((stroke) => smooth(stroke).map(([x, y]) =>
    [box.x + box.width * (left + (x / 100) * size), box.y + box.height * (top + (y / 100) * size)]));
}

/**
 * Keeps digits as own data, labelled as asked.
 * @param {import('./service.js').Service} service @param {Record<string, number>} labels of the digits that are kept
 * @returns {Promise<number[]>} the ids of the samples
 */
export async function keepDigits(service, labels, dataset = 'drawings') {
  const ids = [];
  for (const [digit, label] of Object.entries(labels)) {
    const strokes = DIGITS[Number(digit)].map(smooth);
    ids.push((await service.call('POST', `/api/v1/datasets/${dataset}/samples`, { strokes, label })).id);
  }
  return ids;
}

/** Draws a digit with the mouse; arguments as above. */
export async function drawDigit(page, digit, square) {
  for (const stroke of await strokesOnPad(page, digit, square)) {
    await page.mouse.move(...stroke[0]);
    await page.mouse.down();
    for (const point of stroke.slice(1)) await page.mouse.move(...point);
    await page.mouse.up();
  }
}

/** What the page answers once it has read all that is drawn. */
export async function answer(page) {
  await page.locator('#result[data-state="read"][aria-busy="false"]').waitFor();
  return page.locator('#digit').textContent();
}

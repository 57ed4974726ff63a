// One figure, many curves: the accuracy of each trial over its epochs, named at the end of its line.

import { percent } from '../format.js';
import { path, svg } from './svg.js';

/** @typedef {{ series: number, name: string, y: (number | null)[], isBest: boolean }} Curve   series: from 0; gives colour and dashes */

const [WIDTH, HEIGHT] = [640, 300];
const [LEFT, TOP, BOTTOM] = [56, 12, 30];
const LINE = 15; // between two names
const LETTER = 7.2; // of a name, about
const NAMES_WIDTH_MAX = 220;
const COLORS = 4;
const DASHES = ['', '7 4', '2 3', '9 3 2 3'];
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
const TICKS = 5;
const RANGE_MIN = 0.02; // of the axis: one value alone has none

/** Values at round numbers from below the lowest to above the highest. @param {number} low @param {number} high */
function ticks(low, high) {
  const step = STEPS.find((one) => Math.max(high - low, RANGE_MIN) / one <= TICKS) ?? 1;
  const first = Math.floor(low / step);
  const count = Math.ceil(high / step - 1e-9) - first + 1;
  return Array.from({ length: Math.max(count, 2) }, (_, i) => (first + i) * step);
}

/** Moves names apart that would lie on each other. @param {number[]} wanted from the top */
function spread(wanted, lowest = HEIGHT - BOTTOM) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const at = [...wanted];
  order.forEach((i, rank) => { if (rank > 0) at[i] = Math.max(at[i], at[order[rank - 1]] + LINE); });
  let limit = lowest;
  for (const i of order.reverse()) {
    at[i] = Math.min(at[i], limit);
    limit = at[i] - LINE;
  }
  return at;
}

/**
 * @param {Curve[]} curves
 * @param {string} title   for who cannot see it
 */
export function overlay(curves, title) {
  const drawn = curves.filter(({ y }) => y.some((value) => value !== null));
  const values = drawn.flatMap(({ y }) => y).filter((value) => value !== null);
  const epochs = Math.max(1, ...drawn.map(({ y }) => y.length));
  const names = Math.min(NAMES_WIDTH_MAX, 16 + LETTER * Math.max(4, ...drawn.map(({ name }) => name.length)));
  const right = WIDTH - names;
  const marks = ticks(Math.min(...values, 0.99), Math.max(...values, 0.1));
  const [low, high] = [marks[0], /** @type {number} */ (marks.at(-1))];
  const x = (/** @type {number} */ epoch) => LEFT + ((right - LEFT) * (epochs > 1 ? epoch - 1 : 0.5)) / Math.max(epochs - 1, 1);
  const y = (/** @type {number} */ value) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - value)) / (high - low);
  const last = drawn.map((curve) => curve.y.map((value, i) => (value === null ? 0 : i)).reduce((a, b) => Math.max(a, b)));
  const labels = spread(drawn.map((curve, i) => y(/** @type {number} */ (curve.y[last[i]]))));

  const grid = marks.flatMap((mark) => [
    svg('path', { class: 'chart-grid', d: `M${LEFT} ${y(mark)}H${right}` }),
    svg('text', { class: 'chart-tick', x: LEFT - 8, y: y(mark) + 4, 'text-anchor': 'end' }, percent(mark).replace('.0', '')),
  ]);
  const every = Math.ceil(epochs / 12);
  const axis = Array.from({ length: epochs }, (_, i) => i + 1).filter((epoch) => epoch % every === 0 || epoch === 1)
    .map((epoch) => svg('text', { class: 'chart-tick', x: x(epoch), y: HEIGHT - 8, 'text-anchor': 'middle' },
      epoch === 1 ? 'epoch 1' : String(epoch)));
  const lines = drawn.map((curve, i) => {
    const points = curve.y.map((value, j) => (value === null ? null : /** @type {const} */ ([x(j + 1), y(value)])));
    const end = /** @type {readonly [number, number]} */ (points[last[i]]);
    return svg('g', { class: `chart-curve series-${(curve.series % COLORS) + 1}`, ...(curve.isBest && { 'data-best': '' }) },
      svg('path', { d: path(points), 'stroke-dasharray': DASHES[Math.floor(curve.series / COLORS) % DASHES.length] }),
      svg('circle', { cx: end[0], cy: end[1], r: 3.5 }),
      svg('text', { x: right + 10, y: labels[i] + 4 }, curve.name));
  });
  return svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': title, class: 'chart-svg' },
    ...grid, ...axis, ...lines);
}

// Parallel axes: one for each thing that varies and one for how well it went; a trial is a line through all of them.

import { percent } from '../format.js';
import { path, svg } from './svg.js';

/** @typedef {{ id: number, values: (string | number)[], result: number, isBest: boolean }} Line */

const [WIDTH, HEIGHT] = [640, 300];
const [SIDE, TOP, BOTTOM] = [64, 40, 16];
const SHARE_FAINT = 0.25; // of the opacity, for the worst

/** The values of an axis in their order. @param {(string | number)[]} values */
function scale(values) {
  const all = [...new Set(values)].sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))));
  const middle = all.length === 1 ? 0.5 : 0;
  return { all, share: (/** @type {string | number} */ value) => middle + all.indexOf(value) / Math.max(all.length - 1, 1) };
}

/** Where a value stands: outside of the first axis and of the last no line passes. @param {number} axis @param {number} last @param {number} x */
function besides(axis, last, x) {
  if (axis === 0) return { x: x - 8, 'text-anchor': 'end' };
  return { x: x + 8, 'text-anchor': 'start', ...(axis < last && { class: 'chart-tick chart-inner' }) };
}

/**
 * @param {string[]} names   of what varies
 * @param {Line[]} lines
 * @param {string} title   for who cannot see it
 */
export function parallel(names, lines, title) {
  const scales = names.map((_, i) => scale(lines.map(({ values }) => values[i])));
  const results = lines.map(({ result }) => result);
  const [low, high] = [Math.min(...results), Math.max(...results)];
  const share = (/** @type {number} */ result) => (high > low ? (result - low) / (high - low) : 1);
  const x = (/** @type {number} */ axis) => SIDE + ((WIDTH - 2 * SIDE) * axis) / names.length;
  const y = (/** @type {number} */ part) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part;

  const axes = [...names, 'Validation'].map((name, axis) => svg('g', {},
    svg('path', { class: 'chart-axis', d: `M${x(axis)} ${TOP}V${HEIGHT - BOTTOM}` }),
    svg('text', { class: 'chart-name', x: x(axis), y: 20, 'text-anchor': 'middle' }, name),
    ...(axis < names.length
      ? scales[axis].all.map((value) => [String(value), y(scales[axis].share(value))])
      : [[percent(low, 2), y(0)], ...(high > low ? [[percent(high, 2), y(1)]] : [])]
    ).map(([text, at]) => svg('text', { class: 'chart-tick', y: Number(at) + 4, ...besides(axis, names.length, x(axis)) }, String(text)))));
  const drawn = [...lines].sort((a, b) => Number(a.isBest) - Number(b.isBest) || a.result - b.result).map((line) => svg('path', {
    class: 'chart-trial', 'data-trial': line.id, ...(line.isBest && { 'data-best': '' }),
    opacity: (SHARE_FAINT + (1 - SHARE_FAINT) * share(line.result)).toFixed(2),
    d: path([...line.values.map((value, axis) => /** @type {const} */ ([x(axis), y(scales[axis].share(value))])),
      [x(names.length), y(share(line.result))]]),
  }));
  return svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': title, class: 'chart-svg' }, ...drawn, ...axes);
}

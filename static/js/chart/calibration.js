// How far a confidence can be trusted: of the images that were read with 80 % confidence, 80 % should be read rightly.

import { element } from '../dom.js';
import { integer, percent } from '../format.js';
import { svg } from './svg.js';

/** @typedef {import('../api.js').Evaluation['calibration']} Calibration */

const SIDE = 340;
const LEFT = 58;
const BELOW = 48;
const TOP = 40; // the axis's name, and half of the largest dot
const RIGHT = 30; // half of the last tick's text
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** @param {Calibration['bins']} bins @param {string} said */
function diagram(bins, said) {
  const x = (/** @type {number} */ share) => LEFT + share * SIDE;
  const y = (/** @type {number} */ share) => TOP + (1 - share) * SIDE;
  const most = Math.max(...bins.map(({ count }) => count));
  const ticks = TICKS.flatMap((share) => [
    svg('path', { class: 'grid', d: `M${x(0)} ${y(share)}H${x(1)}` }),
    svg('text', { x: LEFT - 6, y: y(share) + 4, class: 'tick-left' }, percent(share, 0)),
    svg('text', { x: x(share), y: y(0) + 20, class: 'tick' }, percent(share, 0))]);
  const dots = bins.map(({ confidence, accuracy, count }) => svg('circle', { cx: x(confidence), cy: y(accuracy),
    r: 3 + 9 * Math.sqrt(count / most) }));
  return svg('svg', { class: 'calibration', viewBox: `0 0 ${LEFT + SIDE + RIGHT} ${SIDE + BELOW + TOP}`, role: 'img', 'aria-label': said },
  ...ticks, svg('path', { class: 'ideal', d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}` }), ...dots,
  svg('text', { x: 4, y: 16, class: 'axis' }, 'Read rightly'),
  svg('text', { x: x(0.5), y: y(0) + 42, class: 'tick axis' }, 'Confidence'));
}

/** @param {Calibration} calibration */
export function calibrationFigure({ temperature, ece, ece_uncalibrated: before, bins }) {
  const filled = bins.filter(({ count }) => count > 0);
  const said = `On these images its confidence is ${percent(ece, 2)} off on average; without calibration (a temperature of ${temperature.toFixed(2)}, fitted on validation images) ${percent(before, 2)}.`;
  const rows = filled.map(({ confidence, accuracy, count }) => element('tr', {},
    element('th', { scope: 'row' }, percent(confidence)), ...[percent(accuracy), integer(count)].map((text) => element('td', {}, text))));
  return element('figure', { class: 'trust' },
    element('figcaption', {}, element('h2', {}, 'Can its confidence be trusted?'), element('p', { class: 'muted small' }, said),
      element('p', { class: 'muted small' }, 'A dot on the dashed line: as often right as it says. Below: too sure of itself. The larger, the more images.')),
    diagram(filled, `Share that was read rightly, by confidence. ${said}`),
    element('details', { class: 'more' }, element('summary', {}, 'Values as a table'),
      element('table', { class: 'figures' }, element('thead', {}, element('tr', {},
        ...['Confidence', 'Read rightly', 'Images'].map((text) => element('th', { scope: 'col' }, text)))), element('tbody', {}, ...rows))));
}

// A network as a row of blocks: what each layer hands on, as high and wide as its maps and as thick as it has channels.

import { shapeText } from '../network.js';
import { svg } from './svg.js';

/** @typedef {import('../network.js').Stage} Stage */

const GAP = 22;
const SCALE = 3.4; // of a pixel of a map
const SLANT = [0.42, 0.3]; // of a map's side: how far its right edge goes right and up
const HEIGHT = 206;
const MIDDLE = 92;
const LABEL = 66; // room for one

/** Side of a block's face and its thickness, in pixels. @param {Stage} stage */
function sizes({ shape: [height, width, channels] }) {
  if (height * width === 1) return { side: 12 + 9 * Math.log2(channels), thick: 7, right: 4, up: 3 };
  const side = height * SCALE;
  return { side, thick: 3 + 4.5 * Math.log2(channels), right: side * SLANT[0], up: side * SLANT[1] };
}

/** @param {[number, number][]} points */
const polygon = (points, face = '') => svg('polygon', { class: face, points: points.map((point) => point.join()).join(' ') });

/** @param {Stage} stage @param {number} left */
function block(stage, left) {
  const { side, thick, right, up } = sizes(stage);
  const width = thick + right;
  const room = Math.max(width, LABEL);
  const x = left + (room - width) / 2;
  const top = MIDDLE - side / 2 + up / 2;
  const [front, back] = [x + thick, x + thick + right];
  const group = svg('g', { class: 'block', 'data-type': stage.type },
    polygon([[x, top], [front, top], [front, top + side], [x, top + side]], 'edge'),
    polygon([[x, top], [x + right, top - up], [back, top - up], [front, top]], 'lid'),
    polygon([[front, top], [back, top - up], [back, top - up + side], [front, top + side]], 'face'),
    svg('text', { x: left + room / 2, y: HEIGHT - 28 }, stage.short),
    svg('text', { x: left + room / 2, y: HEIGHT - 10, class: 'block-shape' }, shapeText(stage.shape)));
  return { group, room };
}

/** @param {Stage[]} stages @returns {SVGElement} */
export function networkDiagram(stages) {
  let left = 4;
  const blocks = stages.map((stage) => {
    const { group, room } = block(stage, left);
    left += room + GAP;
    return group;
  });
  const width = left - GAP + 4;
  const said = stages.map(({ short, shape }) => `${short} ${shapeText(shape)}`).join(', ');
  return svg('svg', { class: 'network', viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img',
    'aria-label': `What each layer hands on: ${said}` }, ...blocks);
}

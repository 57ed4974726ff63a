// Why the network answers as it does: which pixels speak for the digit, and what each layer makes of the drawing.

import { element } from '../dom.js';

/** @typedef {import('../api.js').Explanation} Explanation */

/** What a kind of layer is called. @type {Record<string, string>} */
const KINDS = { conv2d: 'Convolution', max_pool2d: 'Max pooling', dense: 'Dense' };

/** @param {string} png @param {string} alt */
const picture = (png, alt) => element('img', { src: `data:image/png;base64,${png}`, alt });

/** Paints each pixel in one of two colours, the stronger the more it counts. @param {HTMLCanvasElement} canvas
 * @param {(number | null)[][]} values @param {string[]} colors   for the digit, and against it */
function paintSaliency(canvas, values, colors) {
  const context = canvas.getContext('2d');
  if (!context) return;
  const strongest = Math.max(1e-9, ...values.flat().map((value) => Math.abs(value ?? 0)));
  values.forEach((row, y) => row.forEach((value, x) => {
    const [color] = (value ?? 0) >= 0 ? colors : colors.slice(1);
    context.fillStyle = color;
    context.globalAlpha = Math.abs(value ?? 0) / strongest;
    context.fillRect(x, y, 1, 1);
  }));
}

/** @param {Explanation} explanation */
function saliencyFigure({ digit, input, saliency }) {
  const canvas = document.createElement('canvas');
  canvas.width = saliency.width;
  canvas.height = saliency.height;
  const names = [`speaks for a ${digit}`, 'speaks against it'].map((text, i) =>
    element('span', { class: `series-${i + 1}` }, text));
  const stack = element('div', { class: 'saliency', role: 'img',
    'aria-label': `The drawing, with the pixels marked that speak for a ${digit} and against it` },
  picture(input.png, ''), canvas);
  const figure = element('figure', { class: 'maps' }, element('figcaption', {},
    element('h2', {}, 'What counts'), element('p', { class: 'small saliency-names' }, ...names)), stack);
  return { figure, paint: () => {
    const probe = [1, 2].map((i) => element('i', { class: `series-${i}` }));
    stack.append(...probe); // their colours there, where it is always dark
    paintSaliency(canvas, saliency.values, probe.map((one) => getComputedStyle(one).color));
    for (const one of probe) one.remove();
  } };
}

/** @param {Explanation['layers'][number]} layer @param {number} index */
function layerFigure({ kind, shape: [height, width, channels], png }, index) {
  const name = `${index + 1}. ${KINDS[kind] ?? kind}`;
  const size = height * width === 1 ? `${channels} units` : `${channels} maps of ${height}\u202f×\u202f${width}`;
  return element('figure', { class: 'maps' }, element('figcaption', {}, element('h2', {}, name),
    element('p', { class: 'muted small' }, size)), picture(png, `${name}: what it makes of the drawing, ${size}`));
}

/** @param {HTMLElement} place emptied first @param {Explanation} explanation */
export function showExplanation(place, explanation) {
  const { figure, paint } = saliencyFigure(explanation);
  place.replaceChildren(figure, ...explanation.layers.map(layerFigure));
  paint();
}

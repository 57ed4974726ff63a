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

/** @param {Explanation} explanation @param {string} heading */
function saliencyFigure({ digit, input, saliency }, heading) {
  const canvas = document.createElement('canvas');
  canvas.width = saliency.width;
  canvas.height = saliency.height;
  const names = [`speaks for a ${digit}`, 'speaks against it'].map((text, i) =>
    element('span', { class: `series-${i + 1}` }, text));
  const stack = element('div', { class: 'saliency', role: 'img',
    'aria-label': `The drawing, with the pixels marked that speak for a ${digit} and against it` },
  picture(input.png, ''), canvas);
  const figure = element('figure', { class: 'maps' }, element('figcaption', {},
    element(heading, {}, 'What counts'), element('p', { class: 'small saliency-names' }, ...names)), stack);
  return { figure, paint: () => {
    const probe = [1, 2].map((i) => element('i', { class: `series-${i}` }));
    stack.append(...probe); // their colours there, where it is always dark
    paintSaliency(canvas, saliency.values, probe.map((one) => getComputedStyle(one).color));
    for (const one of probe) one.remove();
  } };
}

/** The units of the last layer, each with the digit that it speaks for.
 * @param {HTMLElement} image @param {{ columns: number, rows: number, shape: number[] }} layer */
function digitUnits(image, { columns, rows, shape: [, , count] }) {
  const names = Array.from({ length: count }, (_, digit) => {
    const name = element('span', { 'aria-hidden': 'true' }, String(digit));
    name.style.gridArea = `${Math.floor(digit / columns) + 1} / ${(digit % columns) + 1}`;
    return name;
  });
  const box = element('div', { class: 'digit-units' }, image, ...names);
  box.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)`;
  return box;
}

/** @param {Explanation['layers'][number]} layer @param {number} index @param {string} heading @param {boolean} isLast */
function layerFigure(layer, index, heading, isLast) {
  const { kind, shape: [height, width, channels], png } = layer;
  const name = `${index + 1}. ${KINDS[kind] ?? kind}`;
  const size = height * width === 1 ? `${channels} units` : `${channels} maps of ${height}\u202f×\u202f${width}`;
  const image = picture(png, `${name}: what it makes of the drawing, ${size}`);
  return element('figure', { class: 'maps' }, element('figcaption', {}, element(heading, {}, name),
    element('p', { class: 'muted small' }, isLast ? `${size}, one a digit` : size)),
  isLast ? digitUnits(image, layer) : image);
}

/** @param {HTMLElement} place emptied first @param {Explanation} explanation @param {string} heading of each picture */
export function showExplanation(place, explanation, heading = 'h2') {
  const { figure, paint } = saliencyFigure(explanation, heading);
  const { layers } = explanation;
  place.replaceChildren(figure, ...layers.map((layer, i) => layerFigure(layer, i, heading, i === layers.length - 1)));
  paint();
}

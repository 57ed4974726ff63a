// Which digits are taken for which: as a table whose cells lead on, as a picture, and as CSV.

import { element } from '../dom.js';
import { percent } from '../format.js';
import { svg } from './svg.js';

/** @typedef {{ label: number, predicted: number }} Cell */

const SIDE = 44; // of a cell in the picture
const MARGIN = 52;

/** How much of the strongest tint a cell gets: small counts are told apart too. @param {number} count @param {number} most */
const heat = (count, most) => (count === 0 ? 0 : 0.15 + 0.85 * Math.sqrt(count / Math.max(1, most)));

/** The most frequent confusion. @param {number[][]} confusion */
const mostOf = (confusion) => Math.max(...confusion.flatMap((row, label) => row.filter((_, predicted) => predicted !== label)));

/** @param {number} count @param {Cell} cell @param {number} most @param {boolean} isChosen @param {(cell: Cell) => string} addressOf */
function tableCell(count, { label, predicted }, most, isChosen, addressOf) {
  if (label === predicted) return element('td', { class: 'right' }, String(count));
  if (count === 0) return element('td', { class: 'none' }, '0');
  const link = element('a', { href: addressOf({ label, predicted }),
    'aria-label': `${count} of ${label} read as ${predicted}`, ...(isChosen && { 'aria-current': 'true' }) }, String(count));
  const cell = element('td', { class: 'wrong' }, link);
  cell.style.setProperty('--heat', String(heat(count, most)));
  return cell;
}

/**
 * @param {number[][]} confusion   [label][predicted]
 * @param {Partial<Cell>} chosen
 * @param {(cell: Cell) => string} addressOf
 */
export function matrixTable(confusion, chosen, addressOf) {
  const most = mostOf(confusion);
  const rows = confusion.map((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return element('tr', {}, element('th', { scope: 'row' }, String(label)),
      ...row.map((count, predicted) => tableCell(count, { label, predicted }, most,
        chosen.label === label && chosen.predicted === predicted, addressOf)),
      element('td', { class: 'share' }, total ? percent(row[label] / total) : '–'));
  });
  const table = element('table', { class: 'matrix' },
    element('caption', { class: 'muted small' }, 'Rows: the digit that was written. Columns: the digit that was read.'),
    element('thead', {}, element('tr', {}, element('td', {}),
      ...confusion.map((_, predicted) => element('th', { scope: 'col' }, String(predicted))),
      element('th', { scope: 'col', class: 'share' }, 'Right'))),
    element('tbody', {}, ...rows));
  table.style.setProperty('--digits', String(String(Math.max(...confusion.flat())).length)); // as wide as all columns are
  return table;
}

/** @param {number[][]} confusion */
export const matrixCsv = (confusion) => [['written \\ read', ...confusion.keys()],
  ...confusion.map((row, label) => [label, ...row])].map((row) => `${row.join(',')}\r\n`).join('');

/** On white, whatever the theme: it is kept. @param {number[][]} confusion @param {string} title @returns {SVGElement} */
export function matrixPicture(confusion, title) {
  const most = mostOf(confusion);
  const side = MARGIN + SIDE * confusion.length + 12;
  const text = (/** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ said, weight = 400) =>
    svg('text', { x, y, 'text-anchor': 'middle', 'font-family': 'sans-serif', 'font-size': 13, 'font-weight': weight, fill: '#16202b' }, said);
  const at = (/** @type {number} */ i) => MARGIN + SIDE * i;
  const cells = confusion.flatMap((row, label) => row.flatMap((count, predicted) => {
    const isRight = label === predicted;
    return [
      svg('rect', { x: at(predicted), y: at(label) + 20, width: SIDE - 2, height: SIDE - 2, rx: 4,
        fill: isRight ? '#e2f4ee' : '#c2410c', 'fill-opacity': isRight ? 1 : 0.04 + 0.5 * heat(count, most) }),
      text(at(predicted) + SIDE / 2 - 1, at(label) + 20 + SIDE / 2 + 4, String(count), isRight ? 700 : 400),
    ];
  }));
  const heads = confusion.flatMap((_, i) => [text(at(i) + SIDE / 2 - 1, MARGIN + 10, String(i), 700),
    text(MARGIN - 14, at(i) + 20 + SIDE / 2 + 4, String(i), 700)]);
  const written = text(0, 0, 'written', 400);
  written.setAttribute('transform', `translate(16 ${side / 2 + 20}) rotate(-90)`);
  return svg('svg', { xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${side} ${side + 20}`, width: side, height: side + 20 },
    svg('rect', { width: side, height: side + 20, fill: '#ffffff' }), text(side / 2, 22, title, 700),
    text(side / 2 + 20, 42, 'read'), written, ...heads, ...cells);
}

/** The picture as PNG, twice as fine as on the screen. @param {SVGElement} picture @returns {Promise<Blob>} */
export async function asPng(picture) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture.outerHTML)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width * 2, image.height * 2];
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The picture could not be made.'))));
  });
}

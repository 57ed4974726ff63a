// Pictures as SVG: elements, and a file of them that looks the same without the page's style sheet.

import { save } from '../save.js';

const NAMESPACE = 'http://www.w3.org/2000/svg';
const KEPT = ['fill', 'stroke', 'stroke-width', 'stroke-linejoin', 'stroke-dasharray', 'opacity', 'paint-order', 'font-family',
  'font-size', 'font-weight', 'text-anchor'];

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {(Node | string)[]} children
 */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** "M0 1L2 3", with a gap where there is no value. @param {(readonly [number, number] | null)[]} points */
export function path(points) {
  let pen = 'M';
  return points.map((point) => {
    const step = point && `${pen}${point.map((value) => value.toFixed(1)).join(' ')}`;
    pen = point ? 'L' : 'M';
    return step ?? '';
  }).join('');
}

/** Gives the reader a picture with the colours that it has on the page. @param {string} name @param {SVGElement} picture */
export function savePicture(name, picture) {
  const copy = /** @type {SVGElement} */ (picture.cloneNode(true));
  const originals = picture.querySelectorAll('*');
  copy.querySelectorAll('*').forEach((node, i) => {
    const style = getComputedStyle(originals[i]);
    for (const property of KEPT) node.setAttribute(property, style.getPropertyValue(property));
    node.removeAttribute('class');
  });
  const [, , width, height] = (picture.getAttribute('viewBox') ?? '').split(' ');
  copy.setAttribute('width', width);
  copy.setAttribute('height', height);
  copy.prepend(svg('rect', { width, height, fill: getComputedStyle(document.documentElement).backgroundColor }));
  save(`${name}.svg`, new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' }));
}

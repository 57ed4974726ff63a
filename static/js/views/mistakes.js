// The images that were read wrongly, the worst first, and one of them in full: its bars, what counts, and every layer.

import { explain, imageAddress, imageFile } from '../api.js';
import { element, setText } from '../dom.js';
import { probability } from '../format.js';
import { showExplanation } from './explain.js';

/**
 * @typedef {import('../api.js').Mistake} Mistake
 * @typedef {{ dataset: string, split: import('../api.js').Split, model: string, version: string }} Source
 */

/**
 * @param {Mistake[]} mistakes @param {import('../api.js').Evaluation} of   what they are mistakes of
 * @param {string | null} chosen index of the image on show
 * @param {(mistake: Mistake) => string} addressOf
 */
export const gallery = (mistakes, of, chosen, addressOf) => element('ol', { class: 'gallery' }, ...mistakes.map((mistake) => {
  const { index, label, predicted, confidence } = mistake;
  return element('li', {}, element('a', { href: addressOf(mistake), ...(String(index) === chosen && { 'aria-current': 'true' }) },
    element('span', { class: 'visually-hidden' }, `Image ${index}: a ${label} read as ${predicted}, `),
    element('img', { src: imageAddress(of, index), alt: '', width: '72', height: '72', loading: 'lazy' }),
    element('span', { 'aria-hidden': 'true' }, `${label} → ${predicted}`),
    element('span', { class: 'muted small' }, probability(confidence), element('span', { class: 'visually-hidden' }, ' sure'))));
}));

/** @param {number[]} shares @param {number} top */
const bars = (shares, top) => element('ol', { class: 'bars', 'aria-label': 'Probability of each digit' }, ...shares.map((share, i) => {
  const fill = element('span', { class: 'bar-fill' });
  fill.style.setProperty('--share', String(share));
  return element('li', { class: 'bar', ...(i === top && { 'data-top': '' }) }, element('span', {}, String(i)),
    element('span', { class: 'bar-track', 'aria-hidden': 'true' }, fill), element('span', { class: 'bar-value' }, probability(share)));
}));

/**
 * Shows how the version reads the image, and why.
 * @param {HTMLElement} place @param {Source} source @param {number} index
 * @param {Mistake | undefined} mistake what is known of it
 * @param {() => boolean} isWanted whether it is still asked for when the answer comes
 */
export async function showMistake(place, source, index, mistake, isWanted) {
  const title = element('h2', { id: 'mistake-title', tabindex: '-1' },
    mistake ? `Image ${index}: a ${mistake.label}, read as ${mistake.predicted}` : `Image ${index}`);
  const note = element('p', { class: 'muted' }, 'Reading it…');
  place.replaceChildren(title, note);
  title.focus();
  try {
    const answer = await explain(await imageFile(source, index), { model: source.model, version: source.version });
    if (!isWanted()) return;
    const maps = element('div', { class: 'why-maps' });
    note.replaceWith(element('div', { class: 'mistake-answer' },
      element('img', { class: 'mistake-image', src: imageAddress(source, index), alt: mistake ? `A handwritten ${mistake.label}` : 'A handwritten digit' }),
      bars(answer.probabilities, answer.digit)), element('h3', {}, 'Why: what counts, layer by layer'), maps);
    showExplanation(maps, answer, 'h4');
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    setText(note, error.message);
  }
}

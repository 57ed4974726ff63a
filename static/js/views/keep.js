// "Wrong? It was…": keeps the drawing with the digit that it really is, as own data that can be trained on.

import { fineTune, keepDrawing, takeBack } from '../api.js';
import { element } from '../dom.js';

const DIGITS = [...'0123456789'];

/** @param {number} count */
const kept = (count) => `${count} drawing${count === 1 ? ' is' : 's are'} kept.`;

/**
 * Ten buttons, and the line that says what was kept and takes it back.
 * @param {HTMLElement} place
 * @param {() => number[][][] | Blob} drawing
 * @param {() => { model: string, version: number } | null} production what is trained further; null: nothing yet
 */
export function createKeep(place, drawing, production) {
  const said = element('p', { class: 'keep-said small', role: 'status' });

  /** @param {() => Promise<void>} work */
  async function attempt(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      said.replaceChildren(error.message);
    }
  }

  /** @param {number} id @param {number} count that would be kept with it */
  const undo = (id, count) => attempt(async () => {
    await takeBack(id);
    said.replaceChildren(`Taken back. ${kept(count - 1)}`);
  });

  const train = () => attempt(async () => {
    const from = production();
    if (from) location.hash = `train/${(await fineTune(from)).id}`;
  });

  /** @param {string} digit */
  const keep = (digit) => attempt(async () => {
    const { id, count } = await keepDrawing(drawing(), Number(digit));
    const button = element('button', { class: 'button', type: 'button' }, 'Undo');
    button.addEventListener('click', () => undo(id, count));
    const more = element('button', { class: 'button', type: 'button' }, 'Train on them');
    more.addEventListener('click', train);
    said.replaceChildren(`Kept as a ${digit}. ${kept(count)} `, button, ...(production() ? [more] : []));
    button.focus();
  });

  const buttons = DIGITS.map((digit) => {
    const button = element('button', { class: 'button', type: 'button', 'aria-label': `It was a ${digit}` }, digit);
    button.addEventListener('click', () => keep(digit));
    return button;
  });
  place.replaceChildren(element('div', { class: 'keep-digits', role: 'group', 'aria-label': 'The digit that it was' }, ...buttons), said);
  return { clear: () => said.replaceChildren() };
}

// What becomes of a comparison's best network: the button that puts it into production, and where it is once it was.

import { promoteTrial } from '../api.js';
import { element } from '../dom.js';
import { mayReplace } from '../replace.js';
import { isActive } from '../store.js';

/**
 * @typedef {import('../api.js').Sweep} Sweep
 * @typedef {import('../api.js').Version} Version
 * @typedef {import('../store.js').State} State
 */

/** The best trial of a sweep, as far as its results are known. @param {State} state @param {Sweep} sweep */
const bestOf = ({ comparison }, { id, best }) =>
  (comparison?.sweep === id ? comparison.results.data.find(({ trial }) => trial === best) : undefined);

/**
 * @param {(what: (sweep: Sweep) => Promise<unknown>, said: string) => void} act does something to the sweep on show
 * @param {import('../store.js').Store} store
 */
export function createPromotion(act, store) {
  const button = /** @type {HTMLButtonElement} */ (element('button', { class: 'button button-primary', type: 'button', hidden: '' },
    'Put the best into production'));
  const line = element('p', { role: 'status' });
  let shown = '';

  button.addEventListener('click', () => act(async (sweep) => {
    const accuracy = bestOf(store.state, sweep)?.test_accuracy ?? null;
    if (sweep.best === null || !await mayReplace('The best of this comparison', accuracy)) return false;
    return promoteTrial(sweep.id, sweep.best);
  }, 'The best network is in production.'));

  /** Where the best is among the models. @param {Version | undefined} version */
  function say(version) {
    const key = version ? `${version.model}/${version.version} ${version.aliases}` : '';
    if (key === shown) return;
    shown = key;
    line.replaceChildren(...(version ? [
      `The best is ${version.model}, version ${version.version}${version.aliases.includes('production') ? ', and in production' : ''}. `,
      element('a', { href: `#models/${key.split(' ')[0]}` }, 'See it among the models'), ', where that can be taken back.'] : []));
  }

  return {
    button,
    line,
    /** @param {State} state @param {Sweep | undefined} sweep */
    show(state, sweep) {
      const job = sweep && bestOf(state, sweep)?.job;
      const version = job ? state.models.flatMap(({ versions }) => versions).find((one) => one.job === job) : undefined;
      button.hidden = !sweep || isActive(sweep) || sweep.best === null || Boolean(version?.aliases.includes('production'));
      say(version);
    },
  };
}

// What becomes of a comparison's best network: the button that puts it into production, and where it is once it was.

import { listModels, promoteTrial } from '../api.js';
import { ask } from '../ask.js';
import { element } from '../dom.js';
import { percent } from '../format.js';
import { inProduction, isActive } from '../store.js';

/**
 * @typedef {import('../api.js').Sweep} Sweep
 * @typedef {import('../api.js').Version} Version
 * @typedef {import('../store.js').State} State
 */

/** The best trial of a sweep, as far as its results are known. @param {State} state @param {Sweep} sweep */
const bestOf = ({ comparison }, { id, best }) =>
  (comparison?.sweep === id ? comparison.results.data.find(({ trial }) => trial === best) : undefined);

/** Asks before a version is replaced that was right more often. @param {State} state @param {Sweep} sweep */
async function mayReplace(state, sweep) {
  const current = inProduction(await listModels()); // another may answer by now than when the page was read
  const [now, then] = [current?.metrics.test_accuracy ?? null, bestOf(state, sweep)?.test_accuracy ?? null];
  if (!current || now === null || then === null || then >= now) return true;
  return ask({
    title: 'Replace a better network?',
    text: `In production is ${current.model}, version ${current.version}: right on ${percent(now, 2)} of its test images. `
      + `The best of this comparison is right on ${percent(then, 2)}.`,
    keep: `Keep version ${current.version}`, go: 'Replace it',
  });
}

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
    if (sweep.best === null || !await mayReplace(store.state, sweep)) return false;
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

// What came of a training that is done: whether its version is in production, and what can be done with it next.

import { byId, element, setText } from '../dom.js';
import { percent } from '../format.js';
import { findVersion, inProduction } from '../store.js';

/**
 * @typedef {import('../api.js').Job} Job
 * @typedef {import('../api.js').Model} Model
 * @typedef {import('../api.js').Version} Version
 */

/** What was done with the version, and why. @param {Job} job @param {Version} version @param {Version | undefined} current in production */
function fate({ config, result }, version, current) {
  if (current === version) {
    return result?.promoted ? 'It went into production: it answers unless a request names another.' : 'It was put into production since.';
  }
  const there = current ? ` In production is version ${current.version} (${percent(current.metrics.test_accuracy, 2)}).` : '';
  if (result?.promoted) return `It went into production, and was replaced since.${there}`;
  const reason = config.promotion === 'never' ? 'its training was told not to put it there'
    : 'it was not right on more of the test images than the version that was there';
  return `It did not go into production: ${reason}.${there}`;
}

/** The part of the card below a training's figures. */
export function createOutcome() {
  const line = element('p', { id: 'job-outcome' });
  const promote = element('button', { class: 'button button-primary', type: 'button', id: 'job-promote' }, 'Put into production');
  const [draw, inspect] = ['Draw with it', 'See its mistakes'].map((text) => element('a', { class: 'button' }, text));
  const part = element('div', { class: 'job', hidden: '' }, line, element('div', { class: 'actions' }, promote, draw, inspect));
  byId('job-stats', HTMLElement).after(part);

  return {
    /** @param {Job | undefined} job @param {Model[]} models */
    show(job, models) {
      const made = job?.result?.model;
      const version = findVersion(models, made?.name, made?.version);
      part.hidden = !job || !version;
      if (!job || !version) return;
      const current = inProduction(models, version.model);
      setText(line, fate(job, version, current));
      promote.hidden = current === version;
      draw.setAttribute('href', `#draw?model=${version.model}&version=${version.version}`);
      inspect.setAttribute('href', `#inspect/${version.model}/${version.version}`);
    },
  };
}

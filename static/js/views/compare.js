// The screen of comparisons: one with its verdict, pictures and table, the form that starts another, and those that were.

import { announce } from '../announce.js';
import { changeSweep, deleteSweep } from '../api.js';
import { ask } from '../ask.js';
import { overlay } from '../chart/overlay.js';
import { parallel } from '../chart/parallel.js';
import { savePicture } from '../chart/svg.js';
import { element, setText } from '../dom.js';
import { dateTime, duration, percent, pointerName } from '../format.js';
import { STATES, isActive, shownSweep, tellFailure, trialsOver } from '../store.js';
import { compareForm } from './compare_form.js';
import { createPromotion } from './compare_promote.js';
import { createTrialTable, differences, hasSeeds, trialName } from './compare_table.js';

/**
 * @typedef {import('../api.js').Sweep} Sweep
 * @typedef {import('../store.js').Comparison} Comparison
 * @typedef {import('../store.js').State} State
 * @typedef {import('../store.js').Store} Store
 * @typedef {import('../events.js').Events} Events
 */

const EMPTY = 'Try the activations first: the same network learns with relu, sigmoid and tanh. '
  + 'Sigmoid often stays at ten percent, which is guessing, for an epoch or more before it learns; some networks never do.';
const NEVER = 'A network that never learned gives every picture about the same answer. Where many layers each make the gradient '
  + 'smaller, as sigmoid does, too little of it reaches the first of them. More epochs may help; so does another activation.';

/** @param {Sweep} sweep @returns {[string, string][]} */
function statsOf(sweep) {
  const { counts, state, eta_seconds: left } = sweep;
  return [
    ['Trained', `${trialsOver(sweep)} of ${counts.total - counts.invalid}`],
    ...(counts.invalid ? /** @type {[string, string][]} */ ([['Cannot be built', String(counts.invalid)]]) : []),
    ...(counts.failed ? /** @type {[string, string][]} */ ([['Failed', String(counts.failed)]]) : []),
    ...(isActive(sweep) ? /** @type {[string, string][]} */ ([['Time left', state === 'paused' ? 'paused' : duration(left)]]) : []),
  ];
}

/** The server's sentence, with the fields' names in words. @param {Comparison} comparison */
const verdictOf = ({ results }) => results.parameters.map((pointer) => pointer.split('/').at(-1) ?? '')
  .reduce((text, field) => text.replaceAll(`${field} `, `${field.replaceAll('_', ' ')} `), results.verdict.replaceAll(' %', '\u202f%'));

/** A picture under its heading, with a button that keeps it. @param {string} id @param {string} title @param {string} note how it is read */
function figure(id, title, note) {
  const plot = element('div', { class: 'compare-plot', tabindex: '0', role: 'region', 'aria-label': title }); // it may scroll
  const button = element('button', { class: 'link', type: 'button', 'aria-label': `${title} as SVG` }, 'SVG');
  const box = element('figure', { class: 'chart', id, hidden: '' }, element('figcaption', {}, element('h3', {}, title), element('p', { class: 'muted small' }, note)), plot,
    element('div', { class: 'chart-files' }, button));
  button.addEventListener('click', () => {
    const picture = plot.firstElementChild;
    if (picture instanceof SVGElement) savePicture(`digitd-${id}`, picture);
  });
  return {
    box,
    /** @param {SVGElement | null} picture */
    show(picture) {
      box.toggleAttribute('hidden', !picture);
      if (picture) plot.replaceChildren(picture);
    },
  };
}

/** @param {Comparison} comparison */
function curvesOf({ results, curves }) {
  const [seeds, pointers] = [hasSeeds(results.data), differences(results)];
  const places = results.data.filter(({ state }) => state !== 'invalid').map(({ trial }) => trial).sort((a, b) => a - b);
  const trials = results.data.filter(({ job }) => job && curves.get(job)?.length);
  if (trials.length === 0) return null;
  const drawn = trials.map((trial) => ({
    series: places.indexOf(trial.trial), name: trialName(trial, pointers, seeds),
    y: (curves.get(String(trial.job)) ?? []).map((epoch) => epoch.validation_accuracy ?? epoch.train_accuracy),
    isBest: trial.trial === results.best,
  }));
  return overlay(drawn, `Validation accuracy by epoch. After the last: ${drawn.map(({ name, y }) => `${name} ${percent(y.at(-1) ?? null, 2)}`).join('; ')}.`);
}

/** @param {Comparison} comparison */
function axesOf({ results }) {
  const done = results.data.filter((trial) => trial.validation_accuracy !== null);
  const pointers = differences(results);
  if (done.length < 3 || pointers.length < 2) return null;
  const lines = done.map((trial) => ({
    id: trial.trial, values: pointers.map((pointer) => trial.values[pointer]),
    result: Number(trial.validation_accuracy), isBest: trial.trial === results.best,
  }));
  return parallel(pointers.map(pointerName), lines,
    `${done.length} trials as lines from their settings to their validation accuracy; the table below has all values.`);
}

/** The comparison on show. @param {Store} store @param {Events} events */
function createCard(store, { refresh, between }) {
  const title = element('h2', { id: 'sweep-title' }, 'No comparison yet');
  const badge = element('span', { class: 'badge', hidden: '' });
  const button = (/** @type {string} */ text, more = '') => /** @type {HTMLButtonElement} */ (
    element('button', { class: `button ${more}`, type: 'button', hidden: '' }, text));
  const pause = button('Pause');
  const resume = button('Resume');
  const cancel = button('Cancel', 'button-danger');
  const remove = button('Delete', 'button-danger');
  const line = element('p', { class: 'muted', id: 'sweep-line' }, EMPTY);
  const problem = element('p', { class: 'problem', role: 'alert' });
  const bar = /** @type {HTMLProgressElement} */ (element('progress', { max: '1', value: '0', 'aria-label': 'Progress of the comparison', hidden: '' }));
  const stats = element('dl', { class: 'stats' });
  const verdict = element('p', { class: 'sweep-verdict', id: 'sweep-verdict' });
  const never = element('p', { class: 'note', hidden: '' }, NEVER);
  const promotion = createPromotion(act, store);
  const csv = element('a', { class: 'button', download: '', hidden: '' }, 'Results as CSV');
  const curves = figure('sweep-curves', 'Validation accuracy by epoch', 'A line is a network: how much it reads rightly of images that it was not trained on.');
  const axes = figure('sweep-axes', 'What made the difference',
    'A line is a network, from its settings on the left to its validation accuracy on the right. The strong line is the best; point at a row of the table to see which is its line.');
  const table = element('div', { class: 'card table-card trials', tabindex: '0', role: 'region', 'aria-label': 'Trials', hidden: '' });
  const card = element('article', { class: 'card job', 'aria-labelledby': 'sweep-title' },
    element('div', { class: 'job-head' }, title, badge, element('div', { class: 'job-actions' }, pause, resume, cancel, remove)), line, problem, bar, stats, verdict, never,
    element('div', { class: 'actions' }, promotion.button, csv), promotion.line,
    element('div', { class: 'charts' }, curves.box, axes.box));
  /** @type {unknown[]} */
  let drawn = [];
  const trials = createTrialTable(sort);
  table.append(trials.table);

  /** Does something to the sweep on show. @param {(sweep: Sweep) => Promise<unknown>} what @param {string} said */
  async function act(what, said) {
    const sweep = shownSweep(store.state);
    if (!sweep) return;
    setText(problem, '');
    try {
      if (await what(sweep) === false) return;
      announce(said);
    } catch (error) {
      tellFailure(store, error, ({ message }) => setText(problem, message));
    }
    refresh();
  }

  pause.addEventListener('click', () => act(({ id }) => changeSweep(id, 'pause'), 'The comparison is paused.'));
  resume.addEventListener('click', () => act(({ id }) => changeSweep(id, 'resume'), 'The comparison goes on.'));
  cancel.addEventListener('click', () => act(async ({ id }) => await ask({ title: 'Cancel this comparison?',
    text: 'The training under way stops within a step. What is finished stays.', keep: 'Go on', go: 'Cancel comparison' })
    && changeSweep(id, 'cancel'), 'The comparison is cancelled.'));
  remove.addEventListener('click', () => act(async ({ id }) => {
    if (!await ask({ title: 'Delete this comparison?', text: 'Its trials, curves and kept weights go. Versions made of it stay.',
      keep: 'Keep', go: 'Delete' })) return false;
    await between(() => deleteSweep(id));
    location.hash = 'compare';
    return true;
  }, 'The comparison is deleted.'));
  /** @param {string} by @param {boolean} falling */
  function sort(by, falling) {
    const sweep = shownSweep(store.state);
    if (sweep) location.hash = `compare/${sweep.id}?${new URLSearchParams({ sort: by, ...(falling && { order: 'desc' }) })}`;
  }

  /** @param {State} state @param {Sweep} sweep */
  function showResults({ comparison, route }, sweep) {
    const known = comparison?.sweep === sweep.id ? comparison : null;
    const by = route.query.get('sort');
    const falling = route.query.get('order') === 'desc';
    if (drawn[0] === known && drawn[1] === by && drawn[2] === falling) return;
    drawn = [known, by, falling];
    table.hidden = !known;
    setText(verdict, known ? verdictOf(known) : '');
    never.hidden = !known?.results.data.some(({ never_learned: isLost }) => isLost);
    curves.show(known && curvesOf(known));
    axes.show(known && axesOf(known));
    if (!known) return;
    trials.show(known.results, { by, falling });
  }

  /** The line of the row that is pointed at stands out. @param {Event} event */
  function point({ target, type }) {
    const trial = target instanceof Element ? target.closest('[data-trial]')?.getAttribute('data-trial') : null;
    for (const one of axes.box.querySelectorAll('[data-trial]')) {
      one.toggleAttribute('data-pointed', type !== 'pointerleave' && one.getAttribute('data-trial') === trial);
    }
  }
  for (const type of ['pointerover', 'pointerleave', 'focusin']) table.addEventListener(type, point);

  return {
    card,
    table,
    /** @param {State} state */
    show(state) {
      const sweep = shownSweep(state);
      promotion.show(state, sweep);
      for (const one of [badge, csv]) one.hidden = !sweep;
      if (!sweep) {
        setText(title, state.sweeps?.length === 0 ? 'No comparison yet' : 'Comparisons');
        setText(line, EMPTY);
        for (const one of [pause, resume, cancel, remove, bar, table, never]) one.hidden = true;
        return;
      }
      setText(title, sweep.name);
      badge.dataset.state = sweep.state;
      setText(badge, STATES[sweep.state]);
      setText(line, `Started ${dateTime(sweep.created_at)}. The best is picked on validation images; the test images only check it.`);
      pause.hidden = sweep.state !== 'queued' && sweep.state !== 'running';
      resume.hidden = sweep.state !== 'paused';
      cancel.hidden = !isActive(sweep);
      remove.hidden = isActive(sweep);
      bar.hidden = !isActive(sweep);
      bar.value = trialsOver(sweep) / Math.max(1, sweep.counts.total - sweep.counts.invalid);
      csv.setAttribute('href', `/api/v1/sweeps/${sweep.id}/results?format=csv`);
      stats.replaceChildren(...statsOf(sweep).map(([name, value]) =>
        element('div', {}, element('dt', {}, name), element('dd', {}, value))));
      showResults(state, sweep);
    },
  };
}

function createHistory() {
  const list = element('ol');
  const box = element('nav', { class: 'card history', 'aria-labelledby': 'sweeps-title', hidden: '' },
    element('h2', { id: 'sweeps-title' }, 'Comparisons'), list);
  let known = '';
  return {
    box,
    /** @param {State} state */
    show(state) {
      const sweeps = state.sweeps ?? [];
      const current = shownSweep(state);
      const key = `${current?.id} ${sweeps.map(({ id, state: one }) => `${id} ${one}`)}`;
      if (key === known) return;
      known = key;
      const focused = document.activeElement?.getAttribute('href');
      box.hidden = sweeps.length < 2;
      list.replaceChildren(...sweeps.map((sweep) => element('li', {}, element('a', {
        href: `#compare/${sweep.id}`, ...(sweep === current && { 'aria-current': 'true' }) },
      element('span', {}, sweep.name), element('span', { class: 'badge', 'data-state': sweep.state }, STATES[sweep.state]),
      element('span', { class: 'muted small' }, dateTime(sweep.created_at))))));
      for (const link of list.querySelectorAll('a')) if (link.getAttribute('href') === focused) link.focus();
    },
  };
}

/** @param {Store} store @param {Events} events */
export function startCompare(store, events) {
  const { card, table, show } = createCard(store, events);
  const history = createHistory();
  document.getElementById('compare-content')?.append(card, table,
    element('div', { class: 'train-side' }, compareForm(store, events.refresh), history.box));
  store.subscribe((state) => {
    show(state);
    history.show(state);
  });
}

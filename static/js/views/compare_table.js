// All trials of a comparison as a table that can be sorted; the order is in the address.

import { element } from '../dom.js';
import { duration, integer, percent, plural, pointerName } from '../format.js';

/**
 * @typedef {import('../api.js').Trial} Trial
 * @typedef {import('../api.js').SweepResults} SweepResults
 */

/** What a state of a trial is called. */
const STATES = {
  invalid: 'Cannot be built', queued: 'Waiting', running: 'Training', paused: 'Paused', succeeded: 'Done',
  stopped: 'Left behind', failed: 'Failed', cancelled: 'Cancelled',
};

/** What the trials differ in; all that was varied, if they differ in nothing. @param {SweepResults} results */
export function differences({ parameters, data }) {
  const varied = parameters.filter((pointer) => new Set(data.map(({ values }) => values[pointer])).size > 1);
  return varied.length > 0 ? varied : parameters;
}

/** What a trial is called among the others. @param {Trial} trial @param {string[]} pointers @param {boolean} seeds */
export const trialName = ({ values, seed }, pointers, seeds) =>
  [...pointers.map((pointer) => values[pointer]), ...(seeds ? [`seed ${seed}`] : [])].join(' · ');

/** Whether trials differ in their seeds. @param {Trial[]} trials */
export const hasSeeds = (trials) => new Set(trials.filter(({ state: one }) => one !== 'invalid').map(({ seed }) => seed)).size > 1;

/** @param {Trial} trial */
function state(trial) {
  const { never_learned: never, epochs_at_chance: chance, error } = trial;
  const detail = error?.detail ?? (never ? 'It guessed to the end.'
    : chance > 0 ? `${chance} ${plural(chance, 'epoch')} at chance, then it learned.` : '');
  return element('td', { class: 'trial-state' },
    element('span', { class: 'badge', 'data-state': never ? 'failed' : trial.state }, never ? 'Never learned' : STATES[trial.state]),
    ...(detail ? [' ', element('span', { class: 'muted small' }, detail)] : []));
}

/**
 * @typedef {{ key: string, label: string, value: (trial: Trial) => string | number | null, text: (trial: Trial) => string }} Column
 * @param {SweepResults} results
 * @returns {Column[]}
 */
function columns(results) {
  return [
    ...differences(results).map((pointer) => ({ key: pointer, label: pointerName(pointer), value: (/** @type {Trial} */ { values }) => values[pointer],
      text: (/** @type {Trial} */ { values }) => String(values[pointer]) })),
    ...(hasSeeds(results.data) ? [{ key: 'seed', label: 'Seed', value: (/** @type {Trial} */ { seed }) => seed, text: (/** @type {Trial} */ { seed }) => String(seed) }] : []),
    { key: 'validation', label: 'Validation', value: (trial) => trial.validation_accuracy, text: (trial) => percent(trial.validation_accuracy, 2) },
    { key: 'test', label: 'Test', value: (trial) => trial.test_accuracy, text: (trial) => percent(trial.test_accuracy, 2) },
    { key: 'time', label: 'Trained in', value: (trial) => trial.training_seconds, text: (trial) => duration(trial.training_seconds) },
    { key: 'parameters', label: 'Parameters', value: (trial) => trial.parameters, text: (trial) => (trial.parameters === null ? '–' : integer(trial.parameters)) },
  ];
}

/** What is not known comes last, whichever way. @param {Column} column @param {boolean} falling */
const order = ({ value }, falling) => (/** @type {Trial} */ a, /** @type {Trial} */ b) => {
  const [one, other] = [value(a), value(b)];
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  const sign = typeof one === 'number' && typeof other === 'number' ? one - other : String(one).localeCompare(String(other));
  return falling ? -sign : sign;
};

/** @param {Trial} trial @param {boolean} isBest @param {Column[]} all */
function rowOf(trial, isBest, all) {
  const number = trial.job ? element('a', { href: `#train/${trial.job}` }, `${trial.trial}`) : String(trial.trial);
  return element('tr', { 'data-trial': String(trial.trial), ...(isBest && { 'data-best': '' }) },
    element('th', { scope: 'row' }, number, ...(isBest ? [' ', element('span', { class: 'star', 'aria-hidden': 'true' }, '\u2605'),
      element('span', { class: 'visually-hidden' }, 'the best')] : [])),
    ...all.map(({ text }) => element('td', {}, text(trial))), state(trial));
}

/**
 * Puts children in order and moves only those that are out of place, so that the browser lays out little anew and the
 * focus stays where it is.
 * @param {Element} parent @param {Element[]} children
 */
function settle(parent, children) {
  const wanted = new Set(children);
  for (const old of [...parent.children]) if (!wanted.has(old)) old.remove();
  children.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}

/** @param {(by: string, falling: boolean) => void} onSort */
export function createTrialTable(onSort) {
  const head = element('tr');
  const body = element('tbody');
  const table = element('table', {},
    element('caption', { class: 'visually-hidden' }, 'Trials; each heading sorts by its column'), element('thead', {}, head), body);
  /** @type {Map<string, HTMLElement>} by what they show */
  let rows = new Map();
  let heads = '';

  /** @param {Column[]} all @param {Column | undefined} sorting @param {boolean} falling */
  function showHeads(all, sorting, falling) {
    const key = `${all.map((column) => column.key)} ${sorting?.key} ${falling}`;
    if (key === heads) return;
    heads = key;
    const focused = document.activeElement?.getAttribute('data-key');
    head.replaceChildren(element('th', { scope: 'col' }, 'Trial'), ...all.map((column) => {
      const isSorted = column === sorting;
      const button = element('button', { class: 'sort', type: 'button', 'data-key': column.key }, column.label,
        element('span', { 'aria-hidden': 'true' }, isSorted ? (falling ? ' \u2193' : ' \u2191') : ''));
      button.addEventListener('click', () => onSort(column.key, isSorted ? !falling : column.key === 'validation' || column.key === 'test'));
      return element('th', { scope: 'col', ...(isSorted && { 'aria-sort': falling ? 'descending' : 'ascending' }) }, button);
    }), element('th', { scope: 'col' }, 'State'));
    for (const button of head.querySelectorAll('button')) if (focused && button.dataset.key === focused) button.focus();
  }

  return {
    table,
    /**
     * @param {SweepResults} results   the best first
     * @param {{ by: string | null, falling: boolean }} sorted   by the key of a column; null: as they are
     */
    show(results, { by, falling }) {
      const all = columns(results);
      const sorting = all.find(({ key }) => key === by);
      const trials = sorting ? [...results.data].sort(order(sorting, falling)) : results.data;
      showHeads(all, sorting, falling);
      const before = rows;
      rows = new Map(trials.map((trial) => {
        const isBest = trial.trial === results.best;
        const key = JSON.stringify([all.map((column) => column.key), trial, isBest]);
        return [key, before.get(key) ?? rowOf(trial, isBest, all)];
      }));
      settle(body, [...rows.values()]);
    },
  };
}

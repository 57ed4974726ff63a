// All trials of a comparison as a table that can be sorted; the order is in the address.

import { element } from '../dom.js';
import { duration, integer, percent } from '../format.js';

/**
 * @typedef {import('../api.js').Trial} Trial
 * @typedef {import('../api.js').SweepResults} SweepResults
 */

/** What a state of a trial is called. */
const STATES = {
  invalid: 'Cannot be built', queued: 'Waiting', running: 'Training', paused: 'Paused', succeeded: 'Done',
  stopped: 'Left behind', failed: 'Failed', cancelled: 'Cancelled',
};

/** The last part of a pointer, in words. @param {string} pointer */
export const nameOf = (pointer) => (pointer.split('/').at(-1) ?? pointer).replaceAll('_', ' ');

/** What a trial is called among the others. @param {Trial} trial @param {string[]} pointers @param {boolean} seeds */
export const trialName = ({ values, seed }, pointers, seeds) =>
  [...pointers.map((pointer) => values[pointer]), ...(seeds ? [`seed ${seed}`] : [])].join(' · ');

/** Whether trials differ in their seeds. @param {Trial[]} trials */
export const hasSeeds = (trials) => new Set(trials.filter(({ state: one }) => one !== 'invalid').map(({ seed }) => seed)).size > 1;

/** @param {Trial} trial */
function state(trial) {
  const { never_learned: never, epochs_at_chance: chance, error } = trial;
  const detail = error?.detail ?? (never ? 'It guessed to the end.'
    : chance > 0 ? `${chance} epoch${chance === 1 ? '' : 's'} at chance, then it learned.` : '');
  return element('td', { class: 'trial-state' },
    element('span', { class: 'badge', 'data-state': never ? 'failed' : trial.state }, never ? 'Never learned' : STATES[trial.state]),
    ...(detail ? [' ', element('span', { class: 'muted small' }, detail)] : []));
}

/**
 * @typedef {{ key: string, label: string, value: (trial: Trial) => string | number | null, text: (trial: Trial) => string }} Column
 * @param {SweepResults} results
 * @returns {Column[]}
 */
function columns({ parameters, data }) {
  return [
    ...parameters.map((pointer) => ({ key: pointer, label: nameOf(pointer), value: (/** @type {Trial} */ { values }) => values[pointer],
      text: (/** @type {Trial} */ { values }) => String(values[pointer]) })),
    ...(hasSeeds(data) ? [{ key: 'seed', label: 'seed', value: (/** @type {Trial} */ { seed }) => seed, text: (/** @type {Trial} */ { seed }) => String(seed) }] : []),
    { key: 'validation', label: 'validation', value: (trial) => trial.validation_accuracy, text: (trial) => percent(trial.validation_accuracy, 2) },
    { key: 'test', label: 'test', value: (trial) => trial.test_accuracy, text: (trial) => percent(trial.test_accuracy, 2) },
    { key: 'time', label: 'trained in', value: (trial) => trial.training_seconds, text: (trial) => duration(trial.training_seconds) },
    { key: 'parameters', label: 'parameters', value: (trial) => trial.parameters, text: (trial) => (trial.parameters === null ? '–' : integer(trial.parameters)) },
  ];
}

/** What is not known comes last, whichever way. @param {Column} column @param {boolean} falling */
const order = ({ value }, falling) => (/** @type {Trial} */ a, /** @type {Trial} */ b) => {
  const [one, other] = [value(a), value(b)];
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  const sign = typeof one === 'number' && typeof other === 'number' ? one - other : String(one).localeCompare(String(other));
  return falling ? -sign : sign;
};

/**
 * @param {SweepResults} results   the best first
 * @param {{ by: string | null, falling: boolean }} sorted   by the key of a column; null: as they are
 * @param {(by: string, falling: boolean) => void} onSort
 */
export function trialTable(results, { by, falling }, onSort) {
  const all = columns(results);
  const sorting = all.find(({ key }) => key === by);
  const trials = sorting ? [...results.data].sort(order(sorting, falling)) : results.data;
  const heads = all.map((column) => {
    const isSorted = column === sorting;
    const button = element('button', { class: 'sort', type: 'button', 'data-key': column.key }, column.label,
      element('span', { 'aria-hidden': 'true' }, isSorted ? (falling ? ' \u2193' : ' \u2191') : ''));
    button.addEventListener('click', () => onSort(column.key, isSorted ? !falling : column.key === 'validation' || column.key === 'test'));
    return element('th', { scope: 'col', ...(isSorted && { 'aria-sort': falling ? 'descending' : 'ascending' }) }, button);
  });
  const rows = trials.map((trial) => {
    const number = trial.job ? element('a', { href: `#train/${trial.job}` }, `${trial.trial}`) : String(trial.trial);
    const isBest = trial.trial === results.best;
    return element('tr', { 'data-trial': String(trial.trial), ...(isBest && { 'data-best': '' }) },
      element('th', { scope: 'row' }, number, ...(isBest ? [' ', element('span', { class: 'star', 'aria-hidden': 'true' }, '\u2605'),
        element('span', { class: 'visually-hidden' }, 'the best')] : [])),
      ...all.map(({ text }) => element('td', {}, text(trial))), state(trial));
  });
  return element('table', {},
    element('caption', { class: 'visually-hidden' }, 'Trials; each heading sorts by its column'),
    element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'Trial'), ...heads, element('th', { scope: 'col' }, 'State'))),
    element('tbody', {}, ...rows));
}

// The names that point at versions of a model: where they point, where they pointed before, and how they are moved.

import { ApiError, aliasHistory } from '../api.js';
import { element, setText } from '../dom.js';
import { dateTime } from '../format.js';

/**
 * @typedef {import('../api.js').Model} Model
 * @typedef {import('../api.js').Move} Move
 *
 * @typedef {object} Changes   what its buttons do
 * @property {(alias: string) => void} back
 * @property {(alias: string) => void} remove
 * @property {(alias: string) => Promise<void>} name   points at the version on show
 */

/** What the server takes, and how that is said. */
const NAME = /^[a-z0-9_-]{1,64}$/;
const NAME_RULE = 'An alias has 1 to 64 characters: a to z in lower case, 0 to 9, - and _.';

/** Who moved it. @type {Record<string, string>} */
const REASONS = { job: 'a training was better', client: 'by hand', rollback: 'rolled back', sweep: 'the best of a comparison' };

/** @param {Move} move */
function moveText({ version, previous, reason }) {
  const way = version === null ? `removed from version ${previous}`
    : `${previous === null ? '' : `version ${previous} → `}version ${version}`;
  return `${way}, ${REASONS[reason] ?? reason}`;
}

/** @param {Move} move */
const moveRow = (move) => element('li', {}, element('span', {}, moveText(move)),
  element('time', { class: 'muted small', datetime: move.time }, dateTime(move.time)));

/** @param {string} model @param {string} alias @param {number} version @param {Changes} changes */
function aliasRow(model, alias, version, changes) {
  const back = /** @type {HTMLButtonElement} */ (element('button', { class: 'button', type: 'button', disabled: '',
    'aria-label': `Roll back ${alias}` }, 'Roll back'));
  const remove = element('button', { class: 'button', type: 'button', 'aria-label': `Remove ${alias}` }, 'Remove');
  back.addEventListener('click', () => changes.back(alias));
  remove.addEventListener('click', () => changes.remove(alias));
  const moves = element('ol', { class: 'moves', tabindex: '0', 'aria-label': `Moves of ${alias}` });
  aliasHistory(model, alias).then(({ data }) => {
    back.disabled = (data[0]?.previous ?? null) === null;
    moves.replaceChildren(...data.map(moveRow));
  }).catch((error) => setText(moves, error.message));
  return element('li', { class: 'alias' },
    element('p', {}, element('b', {}, alias), ' → ', element('a', { href: `#models/${model}/${version}` }, `version ${version}`)),
    element('div', { class: 'actions' }, back, ...(alias === 'production' ? [] : [remove])),
    element('details', { class: 'more' }, element('summary', {}, `Moves of ${alias}`), moves));
}

/** @param {number} version @param {Changes} changes */
function nameForm(version, changes) {
  const input = /** @type {HTMLInputElement} */ (element('input', { id: 'alias-name', autocomplete: 'off', spellcheck: 'false',
    'aria-describedby': 'alias-problem', placeholder: 'candidate' }));
  const problem = element('p', { class: 'problem', id: 'alias-problem', role: 'alert' });
  const form = element('form', { class: 'alias-form', novalidate: '' },
    element('div', { class: 'field' }, element('label', { for: 'alias-name' }, `Another alias for version ${version}`), input),
    element('button', { class: 'button', type: 'submit' }, 'Name it'), problem);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const alias = input.value.trim();
    try {
      if (alias === '') throw new Error('Type a name first, such as candidate.');
      if (!NAME.test(alias)) throw new Error(NAME_RULE);
      await changes.name(alias);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      setText(problem, error instanceof ApiError ? error.errors[0]?.detail ?? error.message : error.message);
      input.setAttribute('aria-invalid', 'true');
      input.focus();
    }
  });
  return form;
}

/**
 * @param {Model} model @param {number} version the one on show
 * @param {Changes} changes
 */
export function aliasCard({ name, aliases }, version, changes) {
  return [
    element('h2', { id: 'aliases-title' }, `Aliases of ${name}`),
    element('p', { class: 'muted small' }, 'production is the version that answers unless a request names another, or another alias.'),
    element('ol', { class: 'aliases' }, ...Object.entries(aliases).map(([alias, at]) => aliasRow(name, alias, at, changes))),
    nameForm(version, changes),
  ];
}

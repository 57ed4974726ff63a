// The form that starts a comparison: what varies, how long each is trained, and what that takes.

import { announce } from '../announce.js';
import { estimateSweep, readSchemas, startSweep } from '../api.js';
import { element, setText } from '../dom.js';
import { createErrors } from '../fields.js';
import { duration, integer, typed } from '../format.js';
import { tellFailure } from '../store.js';

/**
 * @typedef {import('../api.js').Schema} Schema
 * @typedef {import('../store.js').Store} Store
 */

/** What can be compared, with what each is trained on unless the reader says otherwise. */
const SUBJECTS = [
  { name: 'activations', label: 'Activations', epochs: '10', images: '',
    note: 'The same network with relu, sigmoid and tanh in its hidden layers, from the same seed.' },
  { name: 'architecture', label: 'Architecture: 64 networks', epochs: '1', images: '6000',
    note: 'Blocks, filters, kernels, pools and dense layers. Those whose layers do not fit together are named, not trained.' },
  { name: '', label: 'A grid of my own', epochs: '2', images: '6000',
    note: 'Every combination of the values below. Leave a field empty to keep what the reference has.' },
];

/** Fields of a grid of one's own: values with commas. */
const VARIED = [
  { pointer: '/model/blocks/activation', label: 'Activation', value: '', wide: true },
  { pointer: '/training/learning_rate', label: 'Learning rate', value: '0.0005, 0.001, 0.002', wide: true },
  { pointer: '/model/blocks/filters', label: 'Filters', value: '16, 32' },
  { pointer: '/model/blocks/kernel_size', label: 'Kernel size', value: '' },
  { pointer: '/model/blocks/dense_units', label: 'Dense units', value: '' },
  { pointer: '/training/batch_size', label: 'Batch size', value: '' },
];
const SETTINGS = [
  { pointer: '/base/training/epochs', label: 'Epochs each' },
  { pointer: '/base/training/train_limit', label: 'Images', hint: 'all' },
  { pointer: '/seeds', label: 'Seeds each' },
];
const EMPTY = 'Give one of the fields some values first.';
const ESTIMATE_MS = 500; // after the last change

/** A pointer as one step of another. @param {string} pointer */
const escaped = (pointer) => pointer.replaceAll('~', '~0').replaceAll('/', '~1');

/** @param {{ pointer: string, label: string, value?: string, hint?: string, wide?: boolean }} field @param {string} prefix of its pointer in the request */
function fieldOf({ pointer, label, value = '', hint = '', wide = false }, prefix = '') {
  const id = `compare${pointer.replaceAll('/', '-')}`;
  const input = /** @type {HTMLInputElement} */ (element('input', { id, autocomplete: 'off', value, placeholder: hint }));
  const allowed = element('p', { class: 'muted small', id: `${id}-allowed` });
  input.setAttribute('aria-describedby', allowed.id);
  const box = element('div', { class: `field ${wide ? 'field-wide' : ''}` }, element('label', { for: id }, label), input, allowed);
  return { box, input, allowed, pointer, pointers: [prefix ? `${prefix}/${escaped(pointer)}` : pointer] };
}

/** The schema of what a pointer such as "/model/blocks/filters" stands for. @param {Record<string, Schema>} schemas @param {string} pointer */
function schemaOf(schemas, pointer) {
  const [part, field] = pointer.split('/').slice(-2);
  const { $ref: name, ...own } = schemas[part]?.properties?.[field] ?? {};
  const schema = name ? schemas[name.split('/').at(-1) ?? ''] : own;
  return schema?.oneOf?.[0] ?? schema;
}

/** "1 to 512", or names. @param {Schema | undefined} schema */
function allowedText({ enum: names, minimum, exclusiveMinimum: above, maximum } = {}) {
  if (names) return names.join(', ');
  if (maximum === undefined) return '';
  return above === undefined ? `${minimum} to ${integer(maximum)}` : `above ${above}, up to ${maximum}`;
}

/** "24 of 64 cannot be built; 40 trainings take about 5 min." @param {import('../api.js').Sweep['estimate']} estimate */
function sentence({ trials, valid, invalid, seconds }) {
  const trainings = `${integer(valid)} training${valid === 1 ? ' takes' : 's take'} about ${duration(seconds)}.`;
  return invalid ? `${integer(invalid)} of ${integer(trials)} networks cannot be built; ${trainings}` : trainings;
}

/** @param {Store} store @param {() => void} refresh @returns {HTMLElement} */
export function compareForm(store, refresh) {
  const subject = /** @type {HTMLSelectElement} */ (element('select', { id: 'compare-subject' },
    ...SUBJECTS.map(({ name, label }) => element('option', { value: name }, label))));
  const note = element('p', { class: 'muted small' });
  const settings = SETTINGS.map((one) => fieldOf(one));
  const varied = VARIED.map((one) => fieldOf(one, '/parameters'));
  const grid = element('div', { class: 'fields field-wide' }, ...varied.map(({ box }) => box));
  const estimate = element('p', { class: 'muted', id: 'compare-estimate', role: 'status' });
  const problem = element('p', { class: 'problem', role: 'alert', id: 'compare-problem' });
  const button = /** @type {HTMLButtonElement} */ (element('button', { class: 'button button-primary', type: 'submit' }, 'Start comparing'));
  const form = /** @type {HTMLFormElement} */ (element('form', { class: 'card start', id: 'compare-form', novalidate: '', 'aria-labelledby': 'compare-form-title' },
    element('h2', { id: 'compare-form-title' }, 'New comparison'),
    element('div', { class: 'fields' },
      element('div', { class: 'field field-wide' }, element('label', { for: 'compare-subject' }, 'What to compare'), subject, note),
      ...settings.map(({ box }) => box), grid),
    estimate, problem, button));
  const errors = createErrors([...settings, ...varied], problem);
  const isEmpty = () => subject.value === '' && varied.every(({ input }) => input.value.trim() === '');
  let hasHints = false;
  let asked = 0;
  let timer = 0;

  /** What the form asks for. */
  function request() {
    const [epochs, images, seeds] = settings.map(({ input }) => input.value.trim());
    const training = { ...(epochs && { epochs: typed(epochs) }), ...(images && { train_limit: typed(images) }) };
    const shared = { base: { training }, ...(seeds && { seeds: typed(seeds) }) };
    if (subject.value) return { preset: subject.value, ...shared };
    const values = (/** @type {string} */ text) => text.split(',').map((part) => typed(part.trim()));
    const parameters = Object.fromEntries(varied.filter(({ input }) => input.value.trim())
      .map(({ pointer, input }) => [pointer, values(input.value)]));
    return { name: 'grid', parameters, base: { model: { blocks: {} }, training }, ...(seeds && { seeds: typed(seeds) }) };
  }

  async function reckon() {
    const number = ++asked;
    if (isEmpty()) {
      errors.show(null);
      setText(estimate, EMPTY);
      return;
    }
    setText(estimate, 'Reckoning how long it takes…');
    try {
      const answer = await estimateSweep(request());
      if (number !== asked) return;
      errors.show(null);
      setText(estimate, sentence(answer));
    } catch (error) {
      if (number !== asked) return;
      setText(estimate, '');
      tellFailure(store, error, errors.show);
    }
  }

  function follow() {
    const { epochs, images, note: text } = SUBJECTS[subject.selectedIndex];
    setText(note, text);
    [epochs, images, '1'].forEach((value, i) => { settings[i].input.value = value; });
    grid.hidden = subject.value !== '';
    if (!grid.hidden) hint();
    reckon();
  }

  /** Says below each field of the grid which values there are. */
  async function hint() {
    if (hasHints) return;
    hasHints = true;
    try {
      const schemas = await readSchemas();
      for (const { allowed, pointer } of varied) setText(allowed, allowedText(schemaOf(schemas, pointer)));
    } catch (error) {
      hasHints = false;
      tellFailure(store, error, ({ message }) => setText(problem, message));
    }
  }

  subject.addEventListener('change', follow);
  form.addEventListener('input', ({ target }) => {
    if (target === subject) return;
    clearTimeout(timer);
    timer = window.setTimeout(reckon, ESTIMATE_MS);
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    clearTimeout(timer);
    if (isEmpty()) {
      varied[0].input.focus();
      return;
    }
    button.disabled = true;
    try {
      const sweep = await startSweep(request());
      errors.show(null);
      location.hash = `compare/${sweep.id}`;
      announce('The comparison is started.');
      refresh();
    } catch (error) {
      tellFailure(store, error, errors.refuse);
    } finally {
      button.disabled = false;
    }
  });
  follow();
  return form;
}

// The form that starts a training: on which images, from which weights, by which recipe, and what that takes.

import { announce } from '../announce.js';
import { listDatasets, listRecipes, startJob } from '../api.js';
import { byId, element, setText } from '../dom.js';
import { estimateJob } from '../estimate.js';
import { createErrors } from '../fields.js';
import { capital, duration, integer, megabytes, percent, plural, typed } from '../format.js';
import { tellFailure } from '../store.js';

/**
 * @typedef {import('../api.js').Dataset} Dataset
 * @typedef {import('../store.js').Store} Store
 */

const ESTIMATE_MS = 500; // after the last change of the form
const MIXED_FIRST = { true: '10', false: '1' }; // times that an image is trained on when its dataset is mixed in: own data is little

/** Fields that the address may fill: `#train?dataset=mnist&mix=drawings&repeat=20&epochs=2`. */
const ADDRESSED = ['dataset', 'mix', 'repeat', 'preset', 'epochs', 'batch_size', 'learning_rate', 'seed', 'validation_split'];

// ---- What it asks for ------------------------------------------------------------------------------

/** @param {HTMLFormElement} form @param {string} name @returns {HTMLInputElement | HTMLSelectElement} */
const fieldOf = (form, name) => /** @type {any} */ (form.elements.namedItem(name));

/** @param {HTMLFormElement} form */
const fieldsOf = (form) =>
  /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */ (form.querySelectorAll('[data-pointer]'));

/** A field's value as the server wants it. @param {HTMLInputElement | HTMLSelectElement} field */
function valueOf(field) {
  if (field.dataset.pointer === '/init_from') {
    const [model, version] = field.value.split('/');
    return { model, version: Number(version) };
  }
  return field instanceof HTMLInputElement ? typed(field.value) : field.value;
}

/** One dataset, or two with how often the second is repeated. @param {HTMLFormElement} form */
function imagesOf(form) {
  const [dataset, mix, repeat] = ['dataset', 'mix', 'repeat'].map((name) => fieldOf(form, name).value.trim());
  if (!mix) return { dataset };
  return { datasets: [{ name: dataset }, { name: mix, ...(repeat && { repeat: typed(repeat) }) }] };
}

/** What the form asks for; what is left empty is the recipe's. @param {HTMLFormElement} form */
function jobRequest(form) {
  /** @type {Record<string, any>} */
  const request = { ...imagesOf(form) };
  for (const field of fieldsOf(form)) {
    const [, part, name] = (field.dataset.pointer ?? '').split('/');
    if (field.disabled || field.value.trim() === '' || part.startsWith('dataset')) continue;
    if (name) (request[part] ??= {})[name] = valueOf(field);
    else request[part] = valueOf(field);
  }
  return request;
}

// ---- What can be chosen ----------------------------------------------------------------------------

/** Writes a recipe's values into the fields when it is chosen. @param {HTMLFormElement} form @param {Store} store @param {() => void} onChoice */
async function startRecipes(form, store, onChoice) {
  const recipe = byId('recipe', HTMLSelectElement);
  const { data: recipes } = await listRecipes();
  store.set({ recipes });
  recipe.replaceChildren(...recipes.map(({ name }) =>
    element('option', { value: name }, capital(name))));

  /** @param {boolean} fill */
  function choose(fill) {
    const chosen = recipes.find(({ name }) => name === recipe.value);
    if (!chosen) return;
    setText(byId('recipe-note', HTMLElement), `${chosen.description}.`);
    if (!fill) return;
    for (const field of fieldsOf(form)) {
      const [, part, name] = (field.dataset.pointer ?? '').split('/');
      if (part === 'training') field.value = String(chosen.training[name]);
    }
    onChoice();
  }
  recipe.addEventListener('change', () => choose(true));
  choose(false);
}

/** @param {HTMLSelectElement} select @param {Node[]} options @param {string} [otherwise] */
function offer(select, options, otherwise = '') {
  const { value } = select;
  select.replaceChildren(...options);
  select.value = value;
  if (select.selectedIndex < 0) select.value = otherwise;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** The fields for a second dataset, after that for the first. */
function mixFields() {
  const mix = /** @type {HTMLSelectElement} */ (element('select', { id: 'mix', name: 'mix', 'data-pointer': '/datasets/1' }));
  const repeat = /** @type {HTMLInputElement} */ (element('input', { id: 'repeat', name: 'repeat', inputmode: 'numeric', autocomplete: 'off',
    'data-pointer': '/datasets/1/repeat' }));
  const boxes = [
    element('div', { class: 'field field-wide' }, element('label', { for: 'mix' }, 'Mixed with'), mix),
    element('div', { class: 'field field-wide' }, element('label', { for: 'repeat' }, 'Times each'), repeat),
  ];
  return { mix, repeat, boxes };
}

/** The lists of datasets. @param {HTMLFormElement} form */
function createImages(form) {
  const dataset = byId('dataset', HTMLSelectElement);
  const { mix, repeat, boxes } = mixFields();
  const hint = element('p', { class: 'muted small', hidden: '' }, 'Drawings that you keep on the ',
    element('a', { href: '#draw' }, 'Draw screen'), ' can be trained on too.');
  dataset.closest('.field')?.append(hint);
  dataset.closest('.field')?.after(...boxes);
  /** @type {Dataset[]} */
  let known = [];

  const text = (/** @type {Dataset} */ { name, own, train }) =>
    `${name}, ${own ? 'your ' : ''}${integer(train?.images ?? 0)} ${plural(train?.images, 'image')}`;
  const options = (/** @type {Dataset[]} */ datasets) => datasets.map((one) => element('option', { value: one.name }, text(one)));

  function follow() {
    offer(mix, [element('option', { value: '' }, 'Nothing'), ...options(known.filter(({ name }) => name !== dataset.value))]);
    boxes[1].hidden = mix.value === '';
  }

  dataset.addEventListener('change', follow);
  mix.addEventListener('change', () => {
    repeat.value = MIXED_FIRST[known.some(({ name, own }) => own && name === mix.value) ? 'true' : 'false'];
    follow();
  });
  follow();
  return {
    follow,
    /** Own data comes and goes. */
    async read() {
      known = (await listDatasets()).data.filter(({ train }) => train).sort((a, b) => Number(b.own) - Number(a.own));
      offer(dataset, options(known), 'mnist');
      hint.hidden = known.some(({ own }) => own);
      follow();
    },
  };
}

/** Offers every version as a place to start from. @param {Store} store */
function startFrom(store) {
  const from = byId('init_from', HTMLSelectElement);
  const preset = byId('preset', HTMLSelectElement);
  let known = '';
  let wanted = '';
  let pending = ''; // that the address asks for, until it is known
  const follow = () => {
    preset.disabled = from.value !== ''; // its layers are the version's
  };
  from.addEventListener('change', () => {
    pending = '';
    follow();
  });
  store.subscribe(({ models, route }) => {
    const versions = models.flatMap((model) => model.versions);
    const key = String(versions.map(({ model, version }) => `${model}/${version}`));
    const asked = (route.view === 'train' && route.query.get('from')) || '';
    if (key === known && asked === wanted) return;
    if (asked !== wanted) pending = asked;
    const chosen = asked !== wanted ? asked : pending || from.value;
    known = key;
    wanted = asked;
    from.replaceChildren(element('option', { value: '' }, 'Nothing: random weights'),
      ...versions.map(({ model, version, metrics }) => element('option', { value: `${model}/${version}` },
        `${model}, version ${version} (${percent(metrics.test_accuracy, 2)})`)));
    from.value = chosen;
    if (from.selectedIndex < 0) from.value = '';
    else pending = '';
    follow();
  });
}

/**
 * Says what the training of the form would take, or what is wrong with it, whenever its values have changed.
 * @param {HTMLFormElement} form @param {Store} store @param {(error: import('../api.js').ApiError | null) => void} showErrors
 */
function startEstimate(form, store, showErrors) {
  const line = byId('start-estimate', HTMLElement);
  let timer = 0;
  let latest = 0;

  async function reckon() {
    const asked = ++latest;
    try {
      const { seconds, memory_bytes: memory } = await estimateJob(jobRequest(form));
      if (asked !== latest) return;
      showErrors(null);
      setText(line, seconds === null ? '' : `About ${duration(seconds)} and ${megabytes(memory)} of memory.`);
    } catch (error) {
      if (asked !== latest) return;
      setText(line, '');
      tellFailure(store, error, showErrors);
    }
  }

  const soon = () => {
    latest++; // what is on its way is of other values
    setText(line, 'Reckoning how long it takes…');
    clearTimeout(timer);
    timer = window.setTimeout(reckon, ESTIMATE_MS);
  };
  form.addEventListener('input', soon);
  form.addEventListener('change', soon);
  let wasShown = false;
  store.subscribe(({ route }) => {
    const isShown = route.view === 'train';
    if (isShown && !wasShown) soon();
    wasShown = isShown;
  });
}

/**
 * Writes what the address asks for into the fields.
 * @param {HTMLFormElement} form @param {URLSearchParams} query @param {() => void} followMix
 */
function fillFrom(form, query, followMix) {
  const given = ADDRESSED.filter((name) => query.has(name));
  for (const name of given) {
    const field = fieldOf(form, name);
    const before = field.value;
    field.value = query.get(name) ?? '';
    if (field instanceof HTMLSelectElement && field.selectedIndex < 0) field.value = before; // there is none of that name
    if (name === 'dataset') followMix();
  }
  followMix();
  if (given.length > 0) form.dispatchEvent(new Event('change'));
}

/** @param {Store} store @param {() => void} refresh asks the server at once */
export function startForm(store, refresh) {
  const form = byId('start', HTMLFormElement);
  const button = byId('start-button', HTMLButtonElement);
  const images = createImages(form);
  const errors = createErrors([...fieldsOf(form)].map((input) => ({ input,
    pointers: input.name === 'dataset' ? ['/dataset', '/datasets'] : [input.dataset.pointer ?? ''] })), byId('start-problem', HTMLElement));

  /** @param {unknown} error */
  const fail = (error) => tellFailure(store, error, errors.refuse);

  startFrom(store);
  startEstimate(form, store, errors.show);
  const recipes = startRecipes(form, store, () => errors.show(null));
  recipes.catch(fail);
  /** @type {string | null} */
  let address = null; // that was on show last; null: another screen
  store.subscribe(async ({ route }) => {
    const asked = route.view === 'train' ? location.hash : null;
    if (asked === address) return;
    address = asked;
    if (asked === null) return;
    try {
      await Promise.all([images.read(), recipes]);
      if (address === asked) fillFrom(form, route.query, images.follow);
    } catch (error) {
      fail(error);
    }
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const job = await startJob(jobRequest(form));
      errors.show(null);
      location.hash = `train/${job.id}`;
      byId('job-title', HTMLElement).scrollIntoView({ block: 'nearest' });
      announce('The training is started.');
      refresh();
    } catch (error) {
      fail(error);
    } finally {
      button.disabled = false;
    }
  });
}

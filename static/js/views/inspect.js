// The screen that looks into a version: which digits it takes for which, its mistakes, and what one of them is read by.

import { ApiError, ConnectionError, listDatasets } from '../api.js';
import { calibrationFigure } from '../chart/calibration.js';
import { asPng, matrixCsv, matrixPicture, matrixTable } from '../chart/matrix.js';
import { bringIntoView, byId, element, setText } from '../dom.js';
import { evaluated } from '../evaluated.js';
import { integer, loss, percent } from '../format.js';
import { save } from '../save.js';
import { findVersion } from '../store.js';
import { createChoices, nameImages } from './inspect_choices.js';
import { gallery, showMistake } from './mistakes.js';

/**
 * @typedef {import('../api.js').Dataset} Dataset
 * @typedef {import('../api.js').Evaluation} Evaluation
 * @typedef {import('../store.js').State} State
 * @typedef {import('../store.js').Store} Store
 *
 * @typedef {object} Asked   what the address asks for
 * @property {string} model
 * @property {string} version
 * @property {string} dataset   empty: what the version was tested on
 * @property {string} split   empty: the test images
 * @property {string | null} label
 * @property {string | null} predicted
 * @property {string | null} image
 */

const PATIENCE_MS = 300; // before a wait is explained
const SHOWN = 48; // mistakes at first

/** @param {Partial<Asked>} asked */
function addressOf({ model, version, ...query }) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = String(new URLSearchParams(given.map(([key, value]) => [key, String(value)])));
  return `#inspect/${model}/${version}${text && `?${text}`}`;
}

/** @param {State} state @returns {Asked | null} null: there is no version */
function askedFor({ models, route }) {
  const [name, number] = route.rest;
  const model = models.find((one) => one.name === name) ?? models.find((one) => one.production) ?? models.find((one) => one.versions.length);
  const newest = model?.production ?? model?.versions[0]?.version;
  if (!model || newest === undefined) return null;
  const { query } = route;
  return { model: model.name, version: model.name === name && number ? number : String(newest), dataset: query.get('dataset') ?? '', split: query.get('split') ?? '',
    label: query.get('label'), predicted: query.get('predicted'), image: query.get('image') };
}

/** The part of what is asked for that the server is asked. @param {Asked} asked */
const queryOf = ({ dataset, split, label, predicted }) =>
  ({ ...(dataset && { dataset }), ...(split && { split }), ...(label && { label }), ...(predicted && { predicted }) });

/** @param {Evaluation} evaluation */
const figures = ({ accuracy, count, confusion, loss: value, calibration }) => element('dl', { class: 'stats' }, ...[
  ['Accuracy', percent(accuracy, 2)],
  ['Mistakes', `${integer(count - confusion.reduce((sum, row, i) => sum + row[i], 0))} of ${integer(count)}`],
  ['Loss', loss(value)],
  ['Confidence is off by', percent(calibration.ece, 2)],
].map(([name, text]) => element('div', {}, element('dt', {}, name), element('dd', {}, text))));

/** @param {Evaluation} evaluation */
const classTable = ({ classes }) => element('table', { class: 'figures' },
  element('thead', {}, element('tr', {}, ...['Digit', 'Precision', 'Recall', 'F1', 'Images'].map((text) => element('th', { scope: 'col' }, text)))),
  element('tbody', {}, ...classes.map(({ label, precision, recall, f1, support }) => element('tr', {},
    element('th', { scope: 'row' }, String(label)),
    ...[...[precision, recall, f1].map((share) => percent(share)), integer(support)].map((text) => element('td', {}, text))))));

/** The buttons that keep the matrix. @param {Evaluation} evaluation */
function files({ model, version, dataset, split, count, confusion }) {
  const name = `confusion-${model}-${version}-${dataset}${split === 'train' ? '-train' : ''}`;
  const picture = () => matrixPicture(confusion, `${model}, version ${version}, on ${nameImages({ dataset, split, count })}`);
  /** @type {[string, () => Blob | Promise<Blob>][]} */
  const forms = [
    ['CSV', () => new Blob([matrixCsv(confusion)], { type: 'text/csv' })],
    ['SVG', () => new Blob([picture().outerHTML], { type: 'image/svg+xml' })],
    ['PNG', () => asPng(picture())],
  ];
  return element('p', { class: 'files' }, ...forms.map(([form, make]) => {
    const button = element('button', { class: 'link', type: 'button', 'aria-label': `Matrix as ${form}` }, form);
    button.addEventListener('click', async () => save(`${name}.${form.toLowerCase()}`, await make()));
    return button;
  }));
}

/** @param {string} label @param {HTMLElement} child */
const scroller = (label, child, more = '') => element('div', { class: `scroll ${more}`, tabindex: '0', role: 'region', 'aria-label': label }, child);

/** @param {Evaluation} evaluation @param {Asked} asked */
function overview(evaluation, asked) {
  const chosen = asked.label && asked.predicted ? { label: Number(asked.label), predicted: Number(asked.predicted) } : {};
  const cellAddress = (/** @type {import('../chart/matrix.js').Cell} */ { label, predicted }) =>
    addressOf({ ...asked, label: String(label), predicted: String(predicted), image: null });
  return [
    element('section', { class: 'card', 'aria-labelledby': 'matrix-title' },
      element('div', { class: 'job-head' }, element('h2', { id: 'matrix-title' }, 'Which digits it takes for which'), files(evaluation)),
      scroller('Confusion matrix', matrixTable(evaluation.confusion, chosen, cellAddress), 'matrix-scroll')),
    element('section', { class: 'card', 'aria-labelledby': 'classes-title' },
      element('h2', { id: 'classes-title' }, 'Digit by digit'), scroller('Precision and recall', classTable(evaluation))),
  ];
}

/** How many mistakes there are of those that are asked for. @param {number[][]} confusion @param {Asked} asked */
const mistakeCount = (confusion, { label, predicted }) => confusion.reduce((sum, row, i) => sum + row.reduce((part, count, j) =>
  part + (i !== j && Number(label ?? i) === i && Number(predicted ?? j) === j ? count : 0), 0), 0);

/** @param {HTMLElement} place @param {Evaluation} evaluation @param {Asked} asked */
function showGallery(place, evaluation, asked) {
  const { mistakes, confusion } = evaluation;
  const { label, predicted, image } = asked;
  const total = mistakeCount(confusion, asked);
  const lead = total > mistakes.length ? `The worst ${mistakes.length} of ${integer(total)}: those that it was surest of.`
    : 'The surest, and so the worst, first.';
  const isFiltered = label !== null || predicted !== null;
  const mistakeAddress = (/** @type {import('../api.js').Mistake} */ { index }) => addressOf({ ...asked, image: String(index) });
  const title = isFiltered ? `${label ?? 'Any digit'} read as ${predicted ?? 'any other'}` : 'Mistakes';
  const fill = (/** @type {number} */ count) => {
    const more = element('button', { class: 'button', type: 'button' }, `Show all ${mistakes.length}`);
    more.addEventListener('click', () => fill(mistakes.length));
    place.replaceChildren(
      element('div', { class: 'job-head' }, element('h2', { id: 'mistakes-title', tabindex: '-1' }, title),
        ...(isFiltered ? [element('a', { class: 'button', href: addressOf({ ...asked, label: null, predicted: null, image: null }) }, 'All mistakes')] : [])),
      element('p', { class: 'muted small' }, mistakes.length === 0 ? 'None: everything was read rightly.'
        : `${lead} Open one to see why.`),
      gallery(mistakes.slice(0, count), evaluation, image, mistakeAddress),
      ...(mistakes.length > count ? [more] : []));
  };
  fill(SHOWN);
}

/** What is to be said of the images. @param {Evaluation} evaluation @param {import('../api.js').Version} [version] @param {Dataset} [dataset] */
function about(evaluation, version, dataset) {
  const { dataset: name, split, count } = evaluation;
  if (!dataset?.[split]) return `What it made of ${integer(count)} images of ${name}, which are no longer there.`;
  const parts = version?.config ? version.config.datasets ?? [{ name: version.config.dataset }] : [];
  const isKnown = split === 'train' && parts.some((part) => part.name === name);
  return `On ${nameImages(evaluation, dataset)}.${isKnown ? ' It was trained on images of these: how it reads others, only test images tell.' : ''}`;
}

/** The line that says what is going on instead of an answer, and the bar of what takes long. */
function createNote() {
  const line = byId('inspect-note', HTMLElement);
  const bar = element('progress', { 'aria-label': 'Reading the images', hidden: '' });
  line.after(bar);
  let timer = 0;

  /** @param {string} text @param {boolean} isBusy */
  function say(text, isBusy = false) {
    clearTimeout(timer);
    setText(line, text);
    line.hidden = text === '';
    bar.hidden = !isBusy;
  }

  return {
    say,
    clear: () => say(''),
    /** Says it in the place of what was on show, unless the answer comes before anybody would wait for it. @param {string} text */
    saySoon(text) {
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        byId('inspect-content', HTMLElement).hidden = true;
        say(text, true);
      }, PATIENCE_MS);
    },
  };
}

/** @param {Store} store */
export function startInspect(store) {
  const content = byId('inspect-content', HTMLElement);
  const [tiles, grid, mistakes, detail, trust] = ['figures', 'grid', 'mistakes', 'detail', 'trust']
    .map((name) => byId(`inspect-${name}`, HTMLElement));
  const images = element('p', { class: 'muted', id: 'inspect-images' });
  const changed = element('p', { class: 'note', id: 'inspect-changed', role: 'status' });
  content.prepend(changed, images);
  const note = createNote();
  const choices = createChoices((chosen) => {
    const asked = askedFor(store.state);
    if (asked) location.hash = addressOf({ model: asked.model, version: asked.version, dataset: asked.dataset, split: asked.split, ...chosen });
  });
  /** @type {Dataset[]} */
  let datasets = [];
  /** @type {Evaluation | null} what is on show */
  let last = null;
  let shown = ''; // the address that was asked for last, without the image
  let shownImage = '';
  /** @type {State['route'] | null} */
  let followed = null;
  let pressed = ''; // the link on this screen that was followed last
  let cell = ''; // the one that led from the matrix to the mistakes
  content.addEventListener('click', ({ target }) => {
    pressed = target instanceof Element ? target.closest('a')?.getAttribute('href') ?? '' : '';
  });

  const datasetOf = (/** @type {string} */ name) => datasets.find((one) => one.name === name);

  /** @param {unknown} error @returns {string} what to tell the reader */
  function explain(error) {
    if (error instanceof ApiError) return error.message;
    if (!(error instanceof ConnectionError)) throw error;
    shown = ''; // asked again when the server is back
    store.set({ connected: false });
    return 'The server did not answer.';
  }

  /** @param {Evaluation} evaluation @param {Asked} asked */
  function fill(evaluation, asked) {
    const { activeElement: focused } = document;
    const isLost = focused === document.body || mistakes.contains(focused);
    const kept = focused && grid.contains(focused) ? focused.getAttribute('href') : isLost && cell;
    const { dataset, split, digest } = evaluation;
    const version = findVersion(store.state.models, asked.model, evaluation.version);
    // What was said of the same images stays: two answers about them may come one after the other.
    const isKnown = last?.model === evaluation.model && last.version === evaluation.version && last.dataset === dataset && last.split === split;
    if (!isKnown) setText(changed, '');
    else if (last?.digest !== digest) setText(changed, `The images of ${dataset} have changed since. This is what it makes of them now.`);
    setText(images, about(evaluation, version, datasetOf(dataset)));
    tiles.replaceChildren(figures(evaluation));
    grid.replaceChildren(...overview(evaluation, asked));
    trust.replaceChildren(calibrationFigure(evaluation.calibration));
    showImages(evaluation);
    if (pressed === location.hash) showMistakes(asked);
    else for (const link of grid.querySelectorAll('a')) if (link.getAttribute('href') === kept) link.focus();
  }

  /** Leads to what a cell stands for, which lies below the window; the way back leads to the cell. @param {Asked} asked */
  function showMistakes(asked) {
    cell = asked.label === null ? '' : pressed;
    pressed = '';
    byId('mistakes-title', HTMLElement).focus({ preventScroll: true });
    bringIntoView(mistakes);
  }

  /** @param {Asked} asked @param {() => boolean} isWanted */
  async function show(asked, isWanted) {
    const evaluation = await evaluated(asked.model, asked.version, queryOf(asked), isWanted);
    if (!isWanted()) return;
    content.hidden = false;
    fill(evaluation, asked);
    note.clear();
  }

  /** The gallery and the image that the address asks for. @param {Evaluation} evaluation */
  function showImages(evaluation) {
    last = evaluation;
    const asked = askedFor(store.state);
    if (!asked) return;
    shownImage = asked.image ?? 'none';
    showGallery(mistakes, evaluation, asked);
    detail.hidden = asked.image === null;
    if (asked.image === null) return;
    const index = Number(asked.image);
    showMistake(detail, { dataset: evaluation.dataset, split: evaluation.split, model: asked.model, version: asked.version }, index,
      evaluation.mistakes.find((one) => one.index === index), () => shownImage === asked.image);
  }

  /** Reads what datasets there are; says whether the images are still those that the figures on show are about. */
  async function areSame() {
    datasets = (await listDatasets()).data;
    return !last || datasetOf(last.dataset)?.[last.split]?.digest === last.digest;
  }

  /** Brings what the address asks for. @param {Asked} asked @param {string} address @param {boolean} isNew */
  async function follow(asked, address, isNew) {
    const isWanted = () => shown === address;
    if (isNew) {
      shownImage = '';
      note.saySoon(`Reading the images${asked.dataset && ` of ${asked.dataset}`}. The answer is kept: it takes this long only once.`);
    }
    try {
      const same = await areSame();
      if (!isWanted()) return;
      choices.show(store.state.models, datasets, asked);
      if (isNew || (!same && asked.image === null)) await show(asked, isWanted);
      else if (!same) {
        shown = '';
        location.replace(addressOf({ ...asked, image: null })); // its number is another's now
      } else if (last && !content.hidden && shownImage !== (askedFor(store.state)?.image ?? 'none')) showImages(last);
    } catch (error) {
      if (!isWanted()) return;
      note.say(explain(error));
      content.hidden = true;
    }
  }

  store.subscribe((state) => {
    if (state.route.view !== 'inspect' || !state.connected) return;
    const asked = askedFor(state);
    byId('inspect-empty', HTMLElement).hidden = asked !== null || state.jobs === null;
    byId('inspect-choices', HTMLElement).hidden = asked === null;
    if (!asked) return;
    const address = addressOf({ ...asked, image: null });
    const isNew = address !== shown;
    if (state.route === followed && !isNew) return;
    followed = state.route;
    shown = address;
    choices.show(state.models, datasets, asked);
    follow(asked, address, isNew);
  });
}

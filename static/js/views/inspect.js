// The screen that looks into a version: which digits it takes for which, its mistakes, and what one of them is read by.

import { ApiError, ConnectionError, evaluation as evaluate, listDatasets } from '../api.js';
import { calibrationFigure } from '../chart/calibration.js';
import { asPng, matrixCsv, matrixPicture, matrixTable } from '../chart/matrix.js';
import { byId, element, setText } from '../dom.js';
import { integer, loss, percent } from '../format.js';
import { save } from '../save.js';
import { gallery, showMistake } from './mistakes.js';

/**
 * @typedef {import('../api.js').Evaluation} Evaluation
 * @typedef {import('../store.js').State} State
 * @typedef {import('../store.js').Store} Store
 *
 * @typedef {object} Asked   what the address asks for
 * @property {string} model
 * @property {string} version
 * @property {string} dataset   empty: the version's own
 * @property {string | null} label
 * @property {string | null} predicted
 * @property {string | null} image
 */

const BUSY = 429; // another evaluation is being computed
const RETRY_MS = 1000;
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
  return { model: model.name, version: model.name === name && number ? number : String(newest), dataset: query.get('dataset') ?? '',
    label: query.get('label'), predicted: query.get('predicted'), image: query.get('image') };
}

/** Waits for its turn where another evaluation is computed. @param {Asked} asked @param {() => boolean} isWanted */
async function evaluated({ model, version, dataset, label, predicted }, isWanted) {
  const query = { ...(dataset && { dataset }), ...(label && { label }), ...(predicted && { predicted }) };
  for (;;) {
    try {
      return await evaluate(model, version, query);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== BUSY || !isWanted()) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

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
function files({ model, version, dataset, confusion }) {
  const name = `confusion-${model}-${version}-${dataset}`;
  const picture = () => matrixPicture(confusion, `${model}, version ${version}, on ${dataset}`);
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
const scroller = (label, child) => element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, child);

/** @param {Evaluation} evaluation @param {Asked} asked */
function overview(evaluation, asked) {
  const chosen = asked.label && asked.predicted ? { label: Number(asked.label), predicted: Number(asked.predicted) } : {};
  const cellAddress = (/** @type {import('../chart/matrix.js').Cell} */ { label, predicted }) =>
    addressOf({ ...asked, label: String(label), predicted: String(predicted), image: null });
  return [
    element('section', { class: 'card', 'aria-labelledby': 'matrix-title' },
      element('div', { class: 'job-head' }, element('h2', { id: 'matrix-title' }, 'Which digits it takes for which'), files(evaluation)),
      scroller('Confusion matrix', matrixTable(evaluation.confusion, chosen, cellAddress))),
    element('section', { class: 'card', 'aria-labelledby': 'classes-title' },
      element('h2', { id: 'classes-title' }, 'Digit by digit'), scroller('Precision and recall', classTable(evaluation))),
  ];
}

/** How many mistakes there are of those that are asked for. @param {number[][]} confusion @param {Asked} asked */
const mistakeCount = (confusion, { label, predicted }) => confusion.reduce((sum, row, i) => sum + row.reduce((part, count, j) =>
  part + (i !== j && Number(label ?? i) === i && Number(predicted ?? j) === j ? count : 0), 0), 0);

/** @param {HTMLElement} place @param {Evaluation} evaluation @param {Asked} asked */
function showGallery(place, { mistakes, dataset, confusion }, asked) {
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
      element('div', { class: 'job-head' }, element('h2', { id: 'mistakes-title' }, title),
        ...(isFiltered ? [element('a', { class: 'button', href: addressOf({ ...asked, label: null, predicted: null, image: null }) }, 'All mistakes')] : [])),
      element('p', { class: 'muted small' }, mistakes.length === 0 ? 'None: everything was read rightly.'
        : `${lead} Open one to see why.`),
      gallery(mistakes.slice(0, count), dataset, image, mistakeAddress),
      ...(mistakes.length > count ? [more] : []));
  };
  fill(SHOWN);
}

/** @param {Store} store */
export function startInspect(store) {
  const content = byId('inspect-content', HTMLElement);
  const empty = byId('inspect-empty', HTMLElement);
  const note = byId('inspect-note', HTMLElement);
  const [tiles, grid, mistakes, detail, trust] = ['figures', 'grid', 'mistakes', 'detail', 'trust']
    .map((name) => byId(`inspect-${name}`, HTMLElement));
  const [versions, datasets] = ['version', 'dataset'].map((name) => byId(`inspect-${name}`, HTMLSelectElement));
  /** @type {string[]} that have test images */
  let known = [];
  let shown = '';
  let shownImage = '';
  let offered = '';

  versions.addEventListener('change', () => {
    const [model, version] = versions.value.split('/');
    location.hash = addressOf({ model, version, dataset: askedFor(store.state)?.dataset });
  });
  datasets.addEventListener('change', () => {
    const asked = askedFor(store.state);
    if (asked) location.hash = addressOf({ model: asked.model, version: asked.version, dataset: datasets.value });
  });

  /** @param {State} state @param {Asked} asked */
  function showChoices({ models }, { model, version, dataset }) {
    const all = models.flatMap((one) => one.versions.map(({ version: number }) =>
      [`${one.name}/${number}`, `${one.name}, version ${number}${number === one.production ? ' ★' : ''}`]));
    const offer = JSON.stringify([all, known, model, version, dataset]);
    if (offer === offered) return;
    offered = offer;
    versions.replaceChildren(...all.map(([value, text]) => element('option', { value }, text)));
    versions.value = `${model}/${version}`;
    datasets.replaceChildren(element('option', { value: '' }, 'Its own test images'),
      ...known.map((name) => element('option', { value: name }, name)));
    datasets.value = dataset;
  }

  /** @param {Asked} asked */
  async function show(asked) {
    const address = addressOf({ ...asked, image: null });
    const isWanted = () => shown === address;
    shown = address;
    shownImage = '';
    setText(note, 'Reading the test images…');
    note.hidden = false;
    try {
      const evaluation = await evaluated(asked, isWanted);
      if (!isWanted()) return;
      note.hidden = true;
      content.hidden = false;
      const focused = document.activeElement?.getAttribute('href');
      tiles.replaceChildren(figures(evaluation));
      grid.replaceChildren(...overview(evaluation, asked));
      trust.replaceChildren(calibrationFigure(evaluation.calibration));
      for (const link of grid.querySelectorAll('a')) if (link.getAttribute('href') === focused) link.focus();
      showImages(evaluation);
    } catch (error) {
      if (!isWanted()) return;
      content.hidden = true;
      if (error instanceof ConnectionError) {
        shown = ''; // asked again when the server is back
        store.set({ connected: false });
      } else if (!(error instanceof ApiError)) throw error;
      setText(note, error instanceof ApiError ? error.message : 'The server did not answer.');
    }
  }

  /** @type {Evaluation | null} */
  let last = null;

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
    showMistake(detail, { dataset: evaluation.dataset, model: asked.model, version: asked.version }, index,
      evaluation.mistakes.find((one) => one.index === index), () => shownImage === asked.image);
  }

  listDatasets().then(({ data }) => {
    known = data.filter(({ test }) => test).map(({ name }) => name);
    const asked = askedFor(store.state);
    if (asked) showChoices(store.state, asked);
  }).catch(() => store.set({ connected: false }));

  store.subscribe((state) => {
    if (state.route.view !== 'inspect' || !state.connected) return;
    const asked = askedFor(state);
    empty.hidden = asked !== null || state.jobs === null;
    byId('inspect-choices', HTMLElement).hidden = asked === null;
    if (!asked) return;
    showChoices(state, asked);
    if (addressOf({ ...asked, image: null }) !== shown) show(asked);
    else if (last && !content.hidden && shownImage !== '' && (asked.image ?? 'none') !== shownImage) showImages(last);
  });
}

// One version in full: what it came to, what it is made of, and where it comes from.

import { networkDiagram } from '../chart/network.js';
import { element, setText } from '../dom.js';
import { dateTime, duration, integer, loss, percent } from '../format.js';
import { shapeText, stagesOf } from '../network.js';
import { firstFilters } from '../weights.js';

/**
 * @typedef {import('../api.js').Model} Model
 * @typedef {import('../api.js').Version} Version
 * @typedef {import('../weights.js').Filters} Filters
 *
 * @typedef {object} Changes   what its buttons do
 * @property {(version: Version) => void} use
 * @property {(version: Version) => void} remove
 */

const MEGABYTE = 1e6;

/** @param {[string, string | Node][]} pairs */
const terms = (pairs) => pairs.map(([name, value]) =>
  element('div', {}, element('dt', {}, name), element('dd', {}, value)));

/** @param {Version} version @returns {[string, string][]} */
function figures({ metrics, config, parameters }) {
  const training = config?.training;
  return [
    ['Test accuracy', percent(metrics.test_accuracy, 2)],
    ['Test loss', metrics.test_loss === null ? '–' : loss(metrics.test_loss)],
    ['Parameters', integer(parameters)],
    ...(training ? /** @type {[string, string][]} */ ([ // an imported version may not tell
      ['Images', config.dataset],
      ['Epochs', String(training.epochs)],
      ['Trained in', duration(metrics.training_seconds)],
    ]) : []),
  ];
}

/** @param {Version} version */
function layerPart({ config }) {
  if (!config) return element('p', { class: 'muted' }, 'It was imported from a file that does not tell how it was trained.');
  const stages = stagesOf(config.model.layers);
  const rows = stages.map(({ type, name, activation, shape, parameters }) => element('tr', { 'data-type': type },
    element('th', { scope: 'row' }, name), ...[activation || '–', shapeText(shape), parameters ? integer(parameters) : '–']
      .map((text) => element('td', {}, text))));
  const heads = ['Layer', 'Activation', 'Hands on', 'Parameters'].map((text) => element('th', { scope: 'col' }, text));
  return element('section', { class: 'part' }, element('h3', {}, 'Layers'),
    element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Picture of the layers' }, networkDiagram(stages)),
    element('details', { class: 'more' }, element('summary', {}, 'Layers as a table'),
      element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Layers' },
        element('table', { class: 'layers' }, element('thead', {}, element('tr', {}, ...heads)), element('tbody', {}, ...rows)))));
}

/** One filter: light where it wants ink, dark where it wants none. @param {number[]} values @param {number} side @param {number} strongest */
function filterPicture(values, side, strongest) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const context = canvas.getContext('2d');
  const pixels = context?.createImageData(side, side);
  if (!context || !pixels) return canvas;
  values.forEach((value, i) => {
    const level = 127.5 * (1 + value / strongest);
    pixels.data.set([level, level, level, 255], i * 4);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** @param {HTMLElement} place @param {Filters} filters */
function showFilters(place, { side, filters }) {
  const strongest = Math.max(1e-9, ...filters.flat().map(Math.abs));
  place.replaceChildren(element('p', { class: 'muted small' }, 'Light: looks for ink there. Dark: looks for none. Grey: does not care.'),
    element('div', { class: 'filters', role: 'img', 'aria-label': `${filters.length} filters of ${side} by ${side}` },
      ...filters.map((values) => filterPicture(values, side, strongest))));
}

/** Fetched when it is opened. @param {Version} version @param {string} url */
function filterPart({ config }, url) {
  if (config?.model.layers[0].type !== 'conv2d') return [];
  const place = element('div', {});
  const part = /** @type {HTMLDetailsElement} */ (element('details', { class: 'more' },
    element('summary', {}, 'What the first layer looks for'), place));
  part.addEventListener('toggle', async () => {
    if (!part.open || place.childElementCount > 0) return;
    try {
      showFilters(place, await firstFilters(url));
    } catch (error) {
      setText(place, error instanceof Error ? error.message : String(error));
    }
  });
  return [part];
}

/** The leaves of a value by their path. @param {unknown} value @param {string} [path] @returns {[string, string][]} */
function leaves(value, path = '') {
  if (value === null || typeof value !== 'object') return [[path, String(value)]];
  return Object.entries(value).flatMap(([key, one]) => leaves(one, path ? `${path}.${key}` : key));
}

/** @param {Version} version */
function lineagePart({ config, job, created_at: made, ...version }) {
  const from = config?.init_from;
  /** @type {[string, string | Node][]} */
  const origin = [
    ['Made', dateTime(made)],
    ['By', job ? element('a', { href: `#train/${job}` }, job) : 'an import'],
    ...(from ? [/** @type {[string, Node]} */ (['Started from',
      element('a', { href: `#models/${from.model}/${from.version}` }, `${from.model}, version ${from.version}`)])] : []),
    ...leaves(config?.training ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
    ...(version.dataset_digest ? [/** @type {[string, string]} */ (['Images, SHA-256', version.dataset_digest])] : []),
    ['Weights, SHA-256', version.weights_digest],
    ['Processor', version.core_type],
  ];
  return element('details', { class: 'more' }, element('summary', {}, 'Configuration and origin'),
    element('dl', { class: 'origin' }, ...terms(origin)));
}

/**
 * What there is to say of a version, and to do with it.
 * @param {Model} model @param {Version} version @param {Changes} changes
 */
export function versionCard({ production }, version, changes) {
  const { model, version: number, job, aliases } = version;
  const files = `/api/v1/models/${model}/versions/${number}`;
  const megabytes = (version.file_bytes / MEGABYTE).toFixed(1);
  const link = (/** @type {string} */ href, /** @type {string} */ text, more = {}) =>
    element('a', { class: 'button', href, ...more }, text);
  const button = (/** @type {string} */ text, /** @type {string} */ kind, /** @type {(version: Version) => void} */ act) => {
    const made = element('button', { class: `button ${kind}`, type: 'button' }, text);
    made.addEventListener('click', () => act(version));
    return made;
  };
  const isInUse = number === production;
  return [
    element('div', { class: 'job-head' }, element('h2', { id: 'version-title', tabindex: '-1' }, `${model}, version ${number}`),
      ...aliases.map((alias) => element('span', { class: 'badge', 'data-state': alias === 'production' ? 'succeeded' : '' },
        alias === 'production' ? '★ in production' : alias))),
    element('div', { class: 'actions' },
      ...(isInUse ? [] : [button('Put into production', 'button-primary', changes.use)]),
      link(`#draw?model=${model}&version=${number}`, 'Draw with it'),
      link(`#inspect/${model}/${number}`, 'Its mistakes'),
      link(`#train?from=${model}/${number}`, 'Train it further'),
      ...(job ? [link(`#train/${job}`, 'Its curves')] : []),
      link(`${files}/weights.safetensors`, `Weights (${megabytes}\u202fMB)`, { download: '' }),
      link(`${files}/model.onnx`, 'ONNX', { download: '' }),
      ...(aliases.length > 0 ? [] : [button('Delete…', 'button-danger', changes.remove)])),
    element('dl', { class: 'stats' }, ...terms(figures(version))),
    layerPart(version),
    ...filterPart(version, `${files}/weights.safetensors`),
    lineagePart(version),
  ];
}

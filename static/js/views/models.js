// The screen of what was learnt: every version in a table, and one of them in full.

import { element } from '../dom.js';
import { dateTime, duration, integer, loss, percent } from '../format.js';

/**
 * @typedef {import('../api.js').Layer} Layer
 * @typedef {import('../api.js').Model} Model
 * @typedef {import('../api.js').Version} Version
 * @typedef {import('../store.js').State} State
 * @typedef {import('../store.js').Store} Store
 */

const HEADS = ['Version', 'Test accuracy', 'Parameters', 'Trained in', 'Made'];
const MEGABYTE = 1e6;

/** What a layer is, by its type. @type {Record<string, (layer: Layer) => string>} */
const LAYERS = {
  conv2d: ({ filters, kernel_size: side }) => `Convolution, ${filters} filters of ${side}\u202f×\u202f${side}`,
  max_pool2d: ({ pool_size: side }) => `Max pooling, ${side}\u202f×\u202f${side}`,
  dense: ({ units }) => `Dense, ${units} units`,
  dropout: ({ rate }) => `Dropout of ${percent(Number(rate), 0)}`,
  flatten: () => 'Flatten',
};

/** @param {Layer} layer */
function layerRow(layer) {
  const name = LAYERS[layer.type]?.(layer) ?? layer.type.replaceAll('_', ' ');
  const { activation } = layer;
  return element('li', { class: 'layer', 'data-type': layer.type }, element('span', {}, name),
    ...(activation ? [element('span', { class: 'muted small' }, String(activation))] : []));
}

/** Where a version is shown. @param {Version} version */
const addressOf = ({ model, version }) => `#models/${model}/${version}`;

/** @param {Model} model @param {Version} version @param {boolean} current */
function versionRow({ production }, version, current) {
  const link = element('a', { href: addressOf(version) }, `${version.model}, version ${version.version}`);
  if (current) link.setAttribute('aria-current', 'true');
  const star = element('span', { class: 'star', title: 'Answers when nobody asks for another' },
    element('span', { 'aria-hidden': 'true' }, '\u2605'), element('span', { class: 'visually-hidden' }, 'in production'));
  const { test_accuracy: accuracy, training_seconds: seconds } = version.metrics;
  return element('tr', {},
    element('th', { scope: 'row' }, link, ...(version.version === production ? [' ', star] : [])),
    ...[percent(accuracy, 2), integer(version.parameters), duration(seconds), dateTime(version.created_at)]
      .map((text) => element('td', {}, text)));
}

/** @param {Model[]} models @param {Version} shown */
function versionTable(models, shown) {
  const rows = models.flatMap((model) => model.versions.map((version) => versionRow(model, version, version === shown)));
  return element('table', {},
    element('caption', { class: 'visually-hidden' }, 'Versions, the newest first'),
    element('thead', {}, element('tr', {}, ...HEADS.map((text) => element('th', { scope: 'col' }, text)))),
    element('tbody', {}, ...rows));
}

/** @param {Version} version @returns {[string, string][]} */
function facts({ metrics, config, parameters }) {
  const training = config?.training;
  return [
    ['Test accuracy', percent(metrics.test_accuracy, 2)],
    ['Test loss', metrics.test_loss === null ? '–' : loss(metrics.test_loss)],
    ['Parameters', integer(parameters)],
    ...(training ? /** @type {[string, string][]} */ ([ // an imported version may not tell
      ['Images', config.dataset],
      ['Epochs', String(training.epochs)],
      ['Batch size', String(training.batch_size)],
      ['Learning rate', String(training.learning_rate)],
      ['Seed', String(training.seed)],
    ]) : []),
  ];
}

/** @param {Model} model @param {Version} version */
function versionCard({ production }, version) {
  const { model, version: number, job } = version;
  const files = `/api/v1/models/${model}/versions/${number}`;
  const megabytes = (version.file_bytes / MEGABYTE).toFixed(1);
  const link = (/** @type {string} */ href, /** @type {string} */ text, more = {}) =>
    element('a', { class: 'button', href, ...more }, text);
  const layers = element('ol', { class: 'layers', 'aria-label': 'Layers, from the picture to the answer' },
    element('li', { class: 'layer layer-end' }, 'A picture of 28\u202f×\u202f28'),
    ...(version.config?.model.layers ?? []).map(layerRow),
    element('li', { class: 'layer layer-end' }, 'Ten probabilities'));
  return [
    element('div', { class: 'job-head' }, element('h2', { id: 'version-title' }, `${model}, version ${number}`),
      ...(number === production ? [element('span', { class: 'badge', 'data-state': 'succeeded' }, '\u2605 in production')] : [])),
    element('div', { class: 'actions' },
      link(`#draw?model=${model}&version=${number}`, 'Draw with it'),
      link(`#train?from=${model}/${number}`, 'Train it further'),
      ...(job ? [link(`#train/${job}`, 'Its curves')] : []),
      link(`${files}/weights.safetensors`, `Weights (${megabytes}\u202fMB)`, { download: '' }),
      link(`${files}/model.onnx`, 'ONNX', { download: '' })),
    element('dl', { class: 'stats' }, ...facts(version).map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, value)))),
    layers,
  ];
}

/** The version that the address asks for, else the one in production, else the newest. @param {State} state */
function shownVersion({ models, route }) {
  const [name, number] = route.view === 'models' ? route.rest : [];
  const model = models.find((one) => one.name === name) ?? models.find((one) => one.production) ?? models[0];
  const wanted = model?.name === name && number ? Number(number) : model?.production;
  return { model, version: model?.versions.find(({ version }) => version === wanted) ?? model?.versions[0] };
}

/** @param {Store} store */
export function startModels(store) {
  const [list, card, content, empty] = ['models-list', 'version', 'models-content', 'models-empty']
    .map((id) => /** @type {HTMLElement} */ (document.getElementById(id)));
  /** @type {unknown[]} */
  let drawn = [];

  store.subscribe((state) => {
    const { model, version } = shownVersion(state);
    empty.hidden = version !== undefined || state.jobs === null;
    content.hidden = version === undefined;
    if (!model || !version || (drawn[0] === state.models && drawn[1] === version)) return;
    drawn = [state.models, version];
    const focused = list.contains(document.activeElement) ? document.activeElement?.getAttribute('href') : null;
    list.replaceChildren(versionTable(state.models, version));
    card.replaceChildren(...versionCard(model, version));
    for (const link of list.querySelectorAll('a')) if (link.getAttribute('href') === focused) link.focus();
  });
}

// The screen of what was learnt: every version in a table, one of them in full, and the names that point at them.

import { ConnectionError, deleteVersion, importVersion, listModels, moveAlias, removeAlias, rollBack } from '../api.js';
import { ask } from '../ask.js';
import { byId, element, setText } from '../dom.js';
import { dateTime, duration, integer, percent } from '../format.js';
import { tellFailure } from '../store.js';
import { aliasCard } from './aliases.js';
import { versionCard } from './version.js';

/**
 * @typedef {import('../api.js').Model} Model
 * @typedef {import('../api.js').Version} Version
 * @typedef {import('../store.js').State} State
 * @typedef {import('../store.js').Store} Store
 */

const HEADS = ['Version', 'Test accuracy', 'Parameters', 'Trained in', 'Made'];
const PRODUCTION = 'production';

/** Where a version is shown. @param {Version} version */
const addressOf = ({ model, version }) => `#models/${model}/${version}`;

/** @param {string} alias */
function mark(alias) {
  if (alias !== PRODUCTION) return element('span', { class: 'badge' }, alias);
  return element('span', { class: 'star', title: 'In production: it answers unless a request names another' },
    element('span', { 'aria-hidden': 'true' }, '\u2605'), element('span', { class: 'visually-hidden' }, 'in production'));
}

/** @param {Version} version @param {boolean} current */
function versionRow(version, current) {
  const link = element('a', { href: addressOf(version) }, `${version.model}, version ${version.version}`);
  if (current) link.setAttribute('aria-current', 'true');
  const { test_accuracy: accuracy, training_seconds: seconds } = version.metrics;
  return element('tr', {},
    element('th', { scope: 'row' }, link, ...version.aliases.flatMap((alias) => [' ', mark(alias)])),
    ...[percent(accuracy, 2), integer(version.parameters), duration(seconds), dateTime(version.created_at)]
      .map((text) => element('td', {}, text)));
}

/** @param {Model[]} models @param {Version} shown */
function versionTable(models, shown) {
  const rows = models.flatMap(({ versions }) => versions.map((version) => versionRow(version, version === shown)));
  return element('table', {},
    element('caption', { class: 'visually-hidden' }, 'Versions, the newest first'),
    element('thead', {}, element('tr', {}, ...HEADS.map((text) => element('th', { scope: 'col' }, text)))),
    element('tbody', {}, ...rows));
}

/** The version that the address asks for, else the one in production, else the newest. @param {State} state */
function shownVersion({ models, route }) {
  const [name, number] = route.view === 'models' ? route.rest : [];
  const model = models.find((one) => one.name === name) ?? models.find((one) => one.production) ?? models[0];
  const wanted = model?.name === name && number ? Number(number) : model?.production;
  return { model, version: model?.versions.find(({ version }) => version === wanted) ?? model?.versions[0] };
}

/**
 * Fills a part of the screen anew; what the reader had opened in it stays open.
 * @param {HTMLElement} place @param {Node[]} children
 */
function refill(place, children) {
  const titles = [...place.querySelectorAll('details[open] > summary')].map(({ textContent }) => textContent);
  place.replaceChildren(...children);
  for (const summary of place.querySelectorAll('summary')) {
    const { parentElement: part, textContent } = summary;
    if (part instanceof HTMLDetailsElement) part.open = titles.includes(textContent);
  }
}

/** The line that says what was done, and undoes it. */
function createSaid() {
  const line = byId('models-said', HTMLElement);
  return {
    /** @param {string} text @param {() => void} [undo] */
    say(text, undo) {
      const button = element('button', { class: 'button', type: 'button' }, 'Undo');
      button.addEventListener('click', () => undo?.());
      line.hidden = text === '';
      line.replaceChildren(element('span', {}, text), ...(undo ? [button] : []));
      if (undo) button.focus();
    },
  };
}

/**
 * What the screen changes in the registry; each change is followed by what the registry then says.
 * @param {Store} store
 */
function createChanges(store) {
  const { say } = createSaid();

  /** @param {() => Promise<void>} change */
  async function run(change) {
    try {
      await change();
    } catch (error) {
      tellFailure(store, error, ({ message }) => say(message));
    }
  }

  const reload = async () => store.set({ models: await listModels() });

  /** @param {string} model @param {string} alias @param {number} version */
  async function point(model, alias, version) {
    const before = store.state.models.find(({ name }) => name === model)?.aliases[alias];
    await moveAlias(model, alias, version);
    await reload();
    const undo = () => run(() => (before === undefined ? unname(model, alias) : point(model, alias, before)));
    say(alias === PRODUCTION ? `Version ${version} of ${model} is in production now.` : `${alias} points at version ${version} of ${model} now.`,
      before === version ? undefined : undo);
  }

  /** @param {string} model @param {string} alias */
  async function unname(model, alias) {
    const before = store.state.models.find(({ name }) => name === model)?.aliases[alias];
    await removeAlias(model, alias);
    await reload();
    say(`${alias} is gone.`, before === undefined ? undefined : () => run(() => point(model, alias, before)));
  }

  /** @param {string} model @param {string} alias */
  async function back(model, alias) {
    const { version, previous } = await rollBack(model, alias);
    await reload();
    say(`${alias} is back at version ${version} of ${model}.`, () => run(() => point(model, alias, previous)));
  }

  /** @param {Version} version */
  async function remove({ model, version }) {
    const isSure = await ask({ title: `Delete ${model}, version ${version}?`,
      text: 'Its weights are deleted from the disk. This cannot be undone.', go: 'Delete', keep: 'Keep' });
    if (!isSure) return;
    await deleteVersion(model, version);
    await reload();
    say(`Version ${version} of ${model} is deleted.`);
    byId('models-title', HTMLElement).focus();
  }

  return { run, reload, point, unname, back, remove, say };
}

/** The form that takes a file of weights. @param {ReturnType<typeof createChanges>} changes */
function startImport({ reload, say }) {
  const form = byId('import', HTMLFormElement);
  const [name, file] = [byId('import-name', HTMLInputElement), byId('import-file', HTMLInputElement)];
  const problem = byId('import-problem', HTMLElement);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const [chosen] = file.files ?? [];
    setText(problem, '');
    try {
      if (!chosen) throw new Error('Choose a file first.');
      const { model, version } = await importVersion(name.value.trim(), chosen);
      await reload();
      byId('import-details', HTMLDetailsElement).open = false;
      form.reset();
      location.hash = `models/${model}/${version}`;
      say(`Imported as ${model}, version ${version}. It answers requests that name it.`);
    } catch (error) {
      setText(problem, error instanceof ConnectionError ? 'The server did not answer.' : String(/** @type {Error} */ (error).message));
      (chosen ? name : file).focus();
    }
  });
}

/** @param {Store} store */
export function startModels(store) {
  const [list, card, aliases, content, empty] = ['models-list', 'version', 'aliases', 'models-content', 'models-empty']
    .map((id) => byId(id, HTMLElement));
  const changes = createChanges(store);
  let drawn = '';
  startImport(changes);

  store.subscribe((state) => {
    const { model, version } = shownVersion(state);
    empty.hidden = version !== undefined || state.jobs === null;
    content.hidden = version === undefined;
    const drawing = JSON.stringify([state.models, model?.name, version?.version]);
    if (!model || !version || drawn === drawing) return;
    drawn = drawing;
    const focused = list.contains(document.activeElement) ? document.activeElement?.getAttribute('href') : null;
    list.replaceChildren(versionTable(state.models, version));
    refill(card, versionCard(model, version, {
      use: () => changes.run(() => changes.point(model.name, PRODUCTION, version.version)),
      remove: () => changes.run(() => changes.remove(version)),
    }));
    refill(aliases, aliasCard(model, version.version, {
      back: (alias) => changes.run(() => changes.back(model.name, alias)),
      remove: (alias) => changes.run(() => changes.unname(model.name, alias)),
      name: (alias) => changes.point(model.name, alias, version.version),
    }));
    for (const link of list.querySelectorAll('a')) if (link.getAttribute('href') === focused) link.focus();
  });
}

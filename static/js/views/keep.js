// "Wrong? It was…": keeps the drawing with the digit that it really is, as own data, and trains the network on what was kept.

import { announce } from '../announce.js';
import { ConnectionError, OWN_DATA, keepDrawing, listModels, startJob, takeBack } from '../api.js';
import { element } from '../dom.js';
import { estimateJob } from '../estimate.js';
import { evaluated } from '../evaluated.js';
import { duration, plural } from '../format.js';
import { findVersion, inProduction, isActive } from '../store.js';

/**
 * @typedef {import('../api.js').Job} Job
 * @typedef {import('../store.js').Store} Store
 * @typedef {{ model: string, version: number }} From   the version that is trained further
 */

const DIGITS = [...'0123456789'];
const REPEAT = 20; // times an epoch that each drawing is trained on: they are few beside MNIST
const TRAINING = { epochs: 2, learning_rate: 0.0003 };

/** What becomes of a training, as long as there is no version of it. @type {Record<string, string>} */
const FATES = {
  queued: 'It waits for its turn. ', running: 'It is training. ', paused: 'It is paused. ',
  cancelled: 'It was cancelled; nothing has changed. ',
};

/** @param {number} count */
const drawings = (count) => `${count} ${plural(count, 'drawing')}`;

/** @param {number} count */
const kept = (count) => `${drawings(count)} ${count === 1 ? 'is' : 'are'} kept.`;

/** @param {From} from */
const request = (from) => ({ name: from.model, init_from: { model: from.model, version: from.version },
  datasets: [{ name: 'mnist' }, { name: OWN_DATA, repeat: REPEAT }], training: TRAINING });

/** Where Train's form has the same. @param {From} from */
const formAddress = ({ model, version }) => `#train?${new URLSearchParams({ from: `${model}/${version}`, dataset: 'mnist', mix: OWN_DATA,
  repeat: String(REPEAT), epochs: String(TRAINING.epochs), learning_rate: String(TRAINING.learning_rate) })}`;

/** How many of the drawings a version reads rightly. @param {string} model @param {number} version */
async function read(model, version) {
  const { confusion, count } = await evaluated(model, version, { dataset: OWN_DATA, split: 'train', limit: '0' });
  return { hits: confusion.reduce((sum, row, digit) => sum + row[digit], 0), count };
}

/**
 * Which version is in production after a training.
 * @param {import('../api.js').Version | undefined} current @param {From} from @param {NonNullable<Job['result']>} result
 */
function standing(current, { model, version: old }, { model: { version }, promoted }) {
  if (current?.model === model && current.version === version) return 'The new one is in production now. ';
  if (current?.model !== model || current.version !== old) return current ? `In production is ${current.model}, version ${current.version}. ` : '';
  return promoted ? `Version ${old} is in production again. ` : `Version ${old} stays in production: it reads more of the test images. `;
}

/** What the training was good for. @param {From} from @param {NonNullable<Job['result']>} result */
async function outcome(from, result) {
  const { model, version: old } = from;
  const { version } = result.model;
  const [before, after] = [await read(model, old), await read(model, version)];
  return [`Version ${version} reads ${after.hits} of your ${drawings(after.count)} rightly; version ${old} read ${before.hits}. `,
    standing(inProduction(await listModels()), from, result),
    element('a', { href: `#inspect/${model}/${version}?dataset=${OWN_DATA}&split=train` }, 'See them all')];
}

/**
 * The newest training on the drawings, started here or elsewhere, of which something is to be said: it is under way, or
 * what it made is there beside what it was made of.
 * @param {import('../store.js').State} state
 */
function latest({ jobs, models }) {
  const job = jobs?.find((one) => {
    const { init_from: from, datasets } = one.config;
    if (!from || !datasets?.some(({ name }) => name === OWN_DATA)) return false;
    return isActive(one) || [from.version, one.result?.model.version].every((number) => findVersion(models, from.model, number));
  });
  return job?.config.init_from ? { from: job.config.init_from, id: job.id, state: '' } : null;
}

/** @param {string} text @param {() => void} press */
function button(text, press, more = '') {
  const made = element('button', { class: `button ${more}`.trim(), type: 'button' }, text);
  made.addEventListener('click', press);
  return made;
}

/**
 * Ten buttons, the line that says what was kept and takes it back, and what a training would be and has become.
 * @param {HTMLElement} place @param {() => number[][][] | Blob} drawing @param {Store} store
 */
export function createKeep(place, drawing, store) {
  const said = element('p', { class: 'keep-said small', role: 'status' });
  const plan = element('div', { class: 'keep-plan', role: 'group', 'aria-label': 'Training on the drawings' });
  const training = element('p', { class: 'keep-said small', id: 'keep-training', role: 'status' });
  let changes = 0; // of the drawing
  /** @type {{ from: From, id: string, state: string } | null} the training that was started last */
  let started = null;

  /** @param {HTMLElement} line where a failure is said @param {() => Promise<void>} work */
  async function attempt(line, work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const { message } = error;
      const isLost = error instanceof ConnectionError;
      if (isLost) store.set({ connected: false });
      line.replaceChildren(isLost ? 'The server did not answer.' : message);
    }
  }

  /** @param {number} id @param {number} count that would be kept with it */
  const undo = (id, count) => attempt(said, async () => {
    await takeBack(id);
    plan.replaceChildren();
    said.replaceChildren(`Taken back. ${kept(count - 1)}`);
  });

  /** @param {From} from */
  const start = (from) => attempt(training, async () => {
    const { id } = await startJob(request(from));
    plan.replaceChildren();
    started = { from, id, state: '' };
    follow(store.state);
  });

  /** What would be trained, before it is. @param {From} from @param {number} count */
  function propose(from, count) {
    const takes = element('span', {}, 'Reckoning how long it takes…');
    const go = button('Start training', () => start(from), 'button-primary');
    plan.replaceChildren(
      element('p', {}, `${from.model}, version ${from.version}, learns on for ${TRAINING.epochs} epochs at a rate of ${TRAINING.learning_rate}, `
        + `from mnist and your ${drawings(count)}, each ${REPEAT} times an epoch. `, takes),
      element('div', { class: 'keep-said' }, go, element('a', { class: 'button', href: formAddress(from) }, 'Change it'),
        button('Not now', () => plan.replaceChildren())));
    go.focus();
    attempt(takes, async () => {
      const { seconds } = await estimateJob(request(from));
      takes.replaceChildren(seconds === null ? '' : `That takes about ${duration(seconds)}.`);
    });
  }

  /** Says what the training has become. @param {import('../store.js').State} all */
  function follow(all) {
    const own = started ??= latest(all);
    const job = all.jobs?.find(({ id }) => id === own?.id);
    const state = job?.state ?? 'queued';
    if (!own || own.state === state) return;
    const { from, id } = own;
    own.state = state;
    const link = element('a', { href: `#train/${id}` }, 'See the training');
    if (job?.state !== 'succeeded' || !job.result) {
      training.replaceChildren(FATES[state] ?? `${job?.error?.detail ?? 'It failed.'} `, link);
      return;
    }
    const { result } = job;
    training.replaceChildren('It is trained. Reading your drawings with it… ');
    attempt(training, async () => {
      const said = await outcome(from, result);
      if (started === own) training.replaceChildren(...said, ' ', link);
    });
  }

  /** @param {string} digit */
  const keep = (digit) => attempt(said, async () => {
    const asked = changes;
    const { id, count } = await keepDrawing(drawing(), Number(digit));
    if (asked !== changes) return announce(`The drawing before is kept as a ${digit}.`, 0); // no word of it belongs to this one
    const from = inProduction(store.state.models);
    const back = button('Undo', () => undo(id, count));
    plan.replaceChildren();
    said.replaceChildren(`Kept as a ${digit}, to train on. ${kept(count)} `, back,
      from ? button('Train on them…', () => propose(from, count)) : 'They can be trained on once a first version is in production.');
    back.focus();
  });

  const buttons = DIGITS.map((digit) => {
    const made = button(digit, () => keep(digit));
    made.setAttribute('aria-label', `It was a ${digit}`);
    return made;
  });
  place.replaceChildren(element('div', { class: 'keep-digits', role: 'group', 'aria-label': 'The digit that it was' }, ...buttons),
    said, plan, training);
  store.subscribe(follow);
  return {
    /** What was said of the drawing before goes; a training goes on. */
    clear() {
      changes++;
      said.replaceChildren();
      plan.replaceChildren();
    },
  };
}

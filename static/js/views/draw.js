// The screen with the pad: reads the drawing again whenever it, or the network, has changed.

import { announce } from '../announce.js';
import { ApiError, ConnectionError, explain as askWhy, imageFile, jobMetrics, predict } from '../api.js';
import { bringIntoView, byId, element, setText } from '../dom.js';
import { createPad } from '../draw/pad.js';
import { duration, milliseconds, percent, probability } from '../format.js';
import { activeJob, hasModel, shareDone, tellFailure } from '../store.js';

/**
 * @typedef {import('../api.js').Job} Job
 * @typedef {import('../api.js').Prediction} Prediction
 * @typedef {import('../store.js').State} State
 * @typedef {import('../store.js').Store} Store
 */

const READ_EVERY_MS = 50;
const WHY_EVERY_MS = 400;
const RETRY = [429, 503]; // the server is busy
const RETRY_MS = 1000;
const NO_MODEL = '/problems/no-model';
const DEFAULT_MODEL = 'digits'; // that answers a request which names none
const SAMPLES = 10_000; // test images of MNIST
const UPLOAD_SIDE = 1024; // the server takes no wider pictures

const DIGITS = [...'0123456789'];

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Runs `work` once for any number of calls that come while it is busy or rests: the latest wins.
 * @param {() => Promise<void>} work
 * @param {number} restMs between the starts of two runs
 * @param {(busy: boolean) => void} onBusy with whether a call is yet to be worked off
 * @returns {{ again: () => void, hurry: () => void }} `hurry` does without the rest if a call is waiting for its end
 */
function latestWins(work, restMs, onBusy) {
  let wanted = false;
  let running = false;
  let endRest = () => {};

  async function run() {
    while (wanted) {
      wanted = false;
      /** @type {Promise<void>} */
      const rest = new Promise((resolve) => {
        endRest = resolve;
        setTimeout(resolve, restMs);
      });
      await work();
      onBusy(wanted);
      await rest;
    }
  }

  return {
    async again() {
      wanted = true;
      onBusy(true);
      if (running) return;
      running = true;
      try {
        await run();
      } finally {
        running = false;
        onBusy(false);
      }
    },
    hurry() {
      if (wanted) endRest();
    },
  };
}

/**
 * What to tell someone whose drawing cannot be read yet.
 * @param {Job | undefined} job the one at work
 */
function whenReadable(job) {
  if (job?.state !== 'running') {
    return job ? 'A training waits to start; after its first epoch it can be tried here.'
      : 'Nothing has been trained yet. Start a training first.';
  }
  const { progress, config } = job;
  const what = `A network is in its first epoch of ${config.training.epochs}`;
  const done = progress ? shareDone(progress) : 0;
  if (typeof progress?.eta_seconds !== 'number' || done >= 1) return `${what}.`;
  const wait = progress.eta_seconds * ((1 / progress.epochs - done) / (1 - done));
  return `${what}: about ${duration(Math.max(wait, 1))} until it can read. Draw already, the answer comes by itself.`;
}

/** Differs when there may be another network to read with. @param {State} state */
const networkKey = ({ connected, models, route, jobs }) =>
  `${connected} ${models.map(({ name, production }) => `${name} ${production}`)} ${route.query} ${(jobs ?? []).map(({ id, state, progress }) => `${id} ${state} ${progress?.epoch}`)}`;

/** @param {Prediction['model']} model @param {Job | undefined} job that trains it */
function modelName({ name, version, epoch }, job) {
  if (version) return `${name}, version ${version}`;
  return `the network in training, after epoch ${epoch}${job ? ` of ${job.config.training.epochs}` : ''}`;
}

/** Says who has read, and how good it is where it is in training: that is asked for once an epoch. @param {Store} store */
function createWho(store) {
  const line = byId('model', HTMLElement);
  let known = '';
  let share = '';

  /** @param {Prediction['model']} model */
  return async (model) => {
    const { job: id, epoch } = model;
    const name = modelName(model, store.state.jobs?.find((job) => job.id === id));
    const key = `${id} ${epoch}`;
    setText(line, known === key ? name + share : name);
    if (!id || known === key) return;
    known = key;
    share = '';
    try {
      const { epochs } = await jobMetrics(id, 2);
      const accuracy = epochs.find((one) => one.epoch === epoch)?.validation_accuracy ?? null;
      if (known !== key || accuracy === null) return;
      share = `, right on ${percent(accuracy)} of its validation images`;
      if (line.textContent === name) setText(line, name + share);
    } catch (error) {
      tellFailure(store, error, () => {});
    }
  };
}

/** @param {Store} store */
function createResult(store) {
  const card = byId('result', HTMLElement);
  const digit = byId('digit', HTMLElement);
  const confidence = byId('confidence', HTMLElement);
  const runnerUp = byId('runner-up', HTMLElement);
  const model = byId('model', HTMLElement);
  const latency = byId('latency', HTMLElement);
  const sayWho = createWho(store);
  const seen = byId('seen', HTMLImageElement);
  const seenNone = byId('seen-none', HTMLElement);

  const bars = DIGITS.map((name) => {
    const fill = element('span', { class: 'bar-fill' });
    const value = element('span', { class: 'bar-value' });
    const row = element('li', { class: 'bar' }, element('span', {}, name),
      element('span', { class: 'bar-track', 'aria-hidden': 'true' }, fill), value);
    return { row, fill, value };
  });
  byId('bars', HTMLElement).append(...bars.map(({ row }) => row));

  /** @param {number[] | null} shares @param {number} [top] */
  function setBars(shares, top) {
    bars.forEach(({ row, fill, value }, i) => {
      fill.style.setProperty('--share', String(shares ? shares[i] : 0));
      setText(value, shares ? probability(shares[i]) : '–');
      row.toggleAttribute('data-top', i === top);
    });
  }

  digit.addEventListener('animationend', () => delete digit.dataset.fresh);

  return {
    /** @param {boolean} busy an answer is on its way */
    setBusy: (busy) => card.setAttribute('aria-busy', String(busy)),

    /** @param {Prediction} prediction @param {number} ms from request to answer */
    show(prediction, ms) {
      const shares = prediction.probabilities;
      const order = DIGITS.map((_, i) => i).sort((a, b) => shares[b] - shares[a]);
      const name = String(prediction.digit);
      if (digit.textContent !== name || card.dataset.state !== 'read') digit.dataset.fresh = '';
      card.dataset.state = 'read';
      setText(digit, name);
      setText(confidence, `${probability(prediction.confidence)} sure`);
      setText(runnerUp, prediction.uncertain ? `or perhaps a ${order[1]} (${percent(shares[order[1]])})` : '');
      setBars(shares, prediction.digit);
      seen.src = `data:image/png;base64,${prediction.input.png}`;
      seen.alt = 'Your drawing, centred and shrunk to 28 by 28 grey pixels';
      seen.hidden = false;
      seenNone.hidden = true;
      sayWho(prediction.model);
      setText(latency, `${milliseconds(ms)} (network ${milliseconds(prediction.timing.compute_us / 1000)})`);
      announce(`It looks like a ${name}, ${probability(prediction.confidence)} sure`);
    },

    /**
     * No digit, and why.
     * @param {string} title @param {string} text
     */
    say(title, text) {
      card.dataset.state = 'idle';
      setText(digit, '');
      setText(confidence, title);
      setText(runnerUp, text);
      setBars(null);
      seen.hidden = true;
      seenNone.hidden = false;
      setText(model, '–');
      setText(latency, '–');
    },
  };
}

/** Who is to read, by the address. @param {State['route']} route */
function readerOf({ view, query }) {
  if (view !== 'draw') return {};
  const { model, version, job } = Object.fromEntries(query);
  return { ...(model && { model }), ...(version && { version }), ...(job && { job }) };
}

/** The list of networks that can read; the choice is in the address. @param {Store} store */
function startReader(store) {
  const reader = byId('reader', HTMLSelectElement);
  let known = '';
  reader.addEventListener('change', () => {
    location.hash = reader.value ? `draw?${reader.value}` : 'draw';
  });
  store.subscribe(({ models, jobs, route }) => {
    const used = models.find(({ name, production }) => name === DEFAULT_MODEL && production);
    const training = jobs?.find(({ state, progress }) => state === 'running' && (progress?.epoch ?? 1) > 1);
    /** @type {[string, string][]} */
    const options = [['', used ? `In production \u2605 (${used.name}, version ${used.production})` : 'None in production yet'],
      ...(training ? [/** @type {[string, string]} */ ([`job=${training.id}`, 'The one in training'])] : []),
      ...models.flatMap(({ name, production, versions }) => versions.map(({ version, metrics }) =>
        /** @type {[string, string]} */ ([`model=${name}&version=${version}`,
          `${name}, version ${version}${version === production ? ' ★' : ''} (${percent(metrics.test_accuracy, 2)})`])))];
    const asked = route.view === 'draw' ? String(route.query) : reader.value;
    if (asked && !options.some(([value]) => value === asked)) options.push([asked, asked.replaceAll(/[&=]/g, ' ')]);
    const key = JSON.stringify([options, asked]);
    if (key === known) return;
    known = key;
    reader.replaceChildren(...options.map(([value, text]) => element('option', { value }, text)));
    reader.value = asked;
  });
}

/** Any picture that the browser can open as a PNG that the server takes. @param {Blob} file @returns {Promise<Blob>} */
async function asPng(file) {
  const bitmap = await createImageBitmap(file);
  const fit = Math.min(1, UPLOAD_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * fit));
  canvas.height = Math.max(1, Math.round(bitmap.height * fit));
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('It has no pixels.'))), 'image/png');
  });
}

/**
 * The buttons for a picture from elsewhere.
 * @param {(picture: Blob) => Promise<void>} show @param {(error: Error) => void} fail
 */
function startPictures(show, fail) {
  const file = byId('pad-file', HTMLInputElement);
  /** @param {() => Promise<Blob>} get */
  const bring = (get) => get().then(show).catch(fail);
  byId('pad-sample', HTMLButtonElement).addEventListener('click', () =>
    bring(() => imageFile({ dataset: 'mnist', split: 'test' }, Math.floor(Math.random() * SAMPLES))));
  byId('pad-upload', HTMLButtonElement).addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    const [chosen] = file.files ?? [];
    if (chosen) bring(() => asPng(chosen));
    file.value = '';
  });
}

/**
 * The part that says why, when it is open: again after each change of the drawing.
 * @param {() => Promise<import('../api.js').Explanation> | null} ask null when there is nothing to explain
 */
function startWhy(ask) {
  const why = byId('why', HTMLDetailsElement);
  const note = byId('why-note', HTMLElement);
  const maps = byId('why-maps', HTMLElement);
  let isOpened = false; // by the reader, just now: it lies below the window as a rule
  const explanation = latestWins(async () => {
    const asked = ask();
    note.hidden = asked !== null;
    if (!asked) maps.replaceChildren();
    setText(note, 'Draw a digit first.');
    try {
      const [answer, { showExplanation }] = await Promise.all([asked, import('./explain.js')]);
      if (answer) showExplanation(maps, answer);
    } catch (error) {
      note.hidden = false;
      setText(note, error instanceof ApiError ? error.message : 'The server did not answer.');
    }
    if (isOpened) bringIntoView(why);
    isOpened = false;
  }, WHY_EVERY_MS, (busy) => maps.setAttribute('aria-busy', String(busy)));
  const again = () => {
    if (why.open) explanation.again();
  };
  why.addEventListener('toggle', () => {
    isOpened = why.open;
    again();
  });
  return again;
}

/**
 * The part that keeps a drawing with the digit that it really is; its code comes when it is first opened.
 * @param {() => number[][][] | Blob} drawing @param {Store} store
 */
function startKeep(drawing, store) {
  const part = byId('keep', HTMLDetailsElement);
  const place = byId('keep-place', HTMLElement);
  /** @type {{ clear: () => void } | null} */
  let keep = null;
  part.addEventListener('toggle', async () => {
    if (!part.open || keep) return;
    try {
      const { createKeep } = await import('./keep.js');
      keep ??= createKeep(place, drawing, store);
    } catch {
      setText(place, 'The server did not answer.');
    }
  });
  return {
    /** @param {boolean} isRead whether there is an answer that may be wrong */
    show: (isRead) => part.toggleAttribute('hidden', !isRead),
    forget: () => keep?.clear(),
  };
}

/** @param {Store} store */
export function startDraw(store) {
  const canvas = byId('pad', HTMLCanvasElement);
  const hint = byId('pad-hint', HTMLElement);
  const undo = byId('pad-undo', HTMLButtonElement);
  const redo = byId('pad-redo', HTMLButtonElement);
  const clear = byId('pad-clear', HTMLButtonElement);
  const problem = byId('pad-problem', HTMLElement);
  const result = createResult(store);
  let refused = false; // the server found no network, and nothing has changed since

  const canRead = () => !refused && hasModel(store.state);

  function sayNothingRead() {
    keep.show(false);
    const isKnown = store.state.jobs !== null;
    if (isKnown && !canRead()) result.say('No network yet', whenReadable(activeJob(store.state)));
    else result.say('Nothing drawn yet', 'The answer appears here while you draw.');
  }

  /** @param {unknown} error */
  async function explain(error) {
    if (error instanceof ConnectionError) store.set({ connected: false });
    else if (!(error instanceof ApiError)) throw error;
    else if (error.type === NO_MODEL) {
      refused = true;
      sayNothingRead();
    } else if (RETRY.includes(error.status)) {
      await sleep(RETRY_MS);
      read();
    } else result.say('That could not be read', error.message);
  }

  const drawing = () => pad.strokes.picture?.blob ?? pad.strokes.list;
  const keep = startKeep(drawing, store);
  const sayWhy = startWhy(() => (pad.strokes.isEmpty || !canRead() ? null : askWhy(drawing(), readerOf(store.state.route))));

  const reading = latestWins(async () => {
    if (pad.strokes.isEmpty || !canRead()) return;
    const started = performance.now();
    try {
      const prediction = await predict(drawing(), readerOf(store.state.route));
      if (!pad.strokes.isEmpty) {
        result.show(prediction, performance.now() - started);
        keep.show(true);
      }
    } catch (error) {
      await explain(error);
    }
  }, READ_EVERY_MS, result.setBusy);
  const read = reading.again;

  const pad = createPad(canvas, () => {
    const { isEmpty, past, future } = pad.strokes;
    hint.hidden = !isEmpty;
    clear.disabled = isEmpty;
    undo.disabled = past.length === 0;
    redo.disabled = future.length === 0;
    setText(problem, '');
    sayWhy();
    keep.forget();
    if (isEmpty || !canRead()) sayNothingRead();
    else read();
  }, reading.hurry);

  /** @param {Blob} blob */
  async function showPicture(blob) {
    pad.setPicture({ blob, bitmap: await createImageBitmap(blob) });
  }

  startPictures(showPicture, (error) => {
    if (error instanceof ConnectionError) store.set({ connected: false });
    else setText(problem, `That picture could not be opened: ${error.message}`); // what is on the pad stays, and its answer
  });
  startReader(store);
  undo.addEventListener('click', () => pad.undo());
  redo.addEventListener('click', () => pad.redo());
  clear.addEventListener('click', () => {
    pad.clear();
    canvas.focus();
  });
  document.addEventListener('keydown', (event) => {
    const inField = event.target instanceof HTMLInputElement;
    const letter = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || inField || store.state.route.view !== 'draw') return;
    if (letter !== 'z' && letter !== 'y') return;
    event.preventDefault();
    if (letter === 'y' || event.shiftKey) pad.redo();
    else pad.undo();
  });

  let known = '';
  store.subscribe((state) => {
    const key = networkKey(state);
    if (key !== known) {
      known = key;
      refused = false;
      read();
      sayWhy();
    }
    if (pad.strokes.isEmpty || !canRead()) sayNothingRead();
  });
}

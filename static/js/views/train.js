// The screen of trainings: one job with its curves, the form that starts another, and those that were.

import { announce } from '../announce.js';
import { changeJob, deleteJob, moveAlias, prioritiseJob } from '../api.js';
import { ask } from '../ask.js';
import { createLineChart } from '../chart/line.js';
import { byId, element, setText } from '../dom.js';
import { dateTime, decimals, duration, integer, loss, percent } from '../format.js';
import { jobTitle } from '../job_title.js';
import { mayReplace } from '../replace.js';
import { STATES, isActive, isMissing, shareDone, shownJob, tellFailure } from '../store.js';
import { createOutcome } from './outcome.js';
import { startForm } from './train_form.js';

/**
 * @typedef {import('../api.js').Job} Job
 * @typedef {import('../store.js').State} State
 * @typedef {import('../store.js').Store} Store
 * @typedef {import('../events.js').Events} Events
 */

const NONE = {
  title: 'No training yet',
  text: 'Start one with the form: its values are the reference recipe.',
};
const MISSING = {
  title: 'No such training',
  text: 'There is none at this address, or not any more: it was deleted, or the comparison that it belonged to.',
};
const MEMORY = 0.9; // of the running mean: what a value still counts for when the next one comes

/** What a job does when it does not train. @type {Record<string, string>} */
const PHASES = {
  loading: 'Reading the images.',
  evaluating: 'Testing on images that it has never seen.',
};

/**
 * How far a job is: as the server says, or, where it rests or loads its images, as its curves do.
 * @param {Job} job @param {State['metrics']} metrics @returns {Job['progress']}
 */
function progressOf({ id, state, progress, config }, metrics) {
  if (progress?.steps || state === 'succeeded' || metrics?.job !== id) return progress;
  const { steps: { step }, steps_per_epoch: steps } = metrics.series;
  const last = step.at(-1);
  if (!steps || !last) return progress;
  const epoch = Math.ceil(last / steps);
  return { phase: 'training', epoch, epochs: config.training.epochs, step: last - (epoch - 1) * steps, steps,
    images_per_second: null, eta_seconds: null };
}

/** One sentence on where the job stands. @param {Job} job */
function jobLine(job) {
  if (job.state === 'failed') return job.error?.detail ?? 'It failed.';
  if (job.state === 'queued') return `It waits at place ${job.position ?? 1} of the queue.`;
  if (job.state === 'paused') return 'It rests, and goes on exactly where it stopped.';
  if (job.state === 'succeeded' && job.result?.model) {
    const { model } = job.result;
    return `Registered as ${model.name}, version ${model.version}.`;
  }
  if (job.state === 'cancelled') return 'It was cancelled; no version was made of it.';
  return PHASES[job.progress?.phase ?? ''] ?? '';
}

/** What is worth a number. @param {Job} job @param {Job['progress']} progress @returns {[string, string][]} */
function jobStats({ state, result }, progress) {
  if (result) {
    return [
      ['Test accuracy', percent(result.test_accuracy, 2)],
      ['Trained in', duration(result.training_seconds)],
      ['Parameters', integer(result.parameters)],
    ];
  }
  if (!progress) return [];
  /** @type {[string, string][]} */
  const done = [
    ['Epoch', `${progress.epoch} of ${progress.epochs}`],
    ['Step', `${integer(progress.step)} of ${integer(progress.steps)}`],
  ];
  if (state !== 'running') return done;
  return [...done,
    ['Images a second', progress.images_per_second ? integer(progress.images_per_second) : '–'],
    ['Time left', typeof progress.eta_seconds === 'number' ? duration(progress.eta_seconds) : '–'],
  ];
}

/**
 * Each value averaged with those before it, the older the less; a batch's loss alone jumps too much to be read.
 * @param {(number | null)[]} values
 */
function runningMean(values) {
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = sum * MEMORY + value;
    weight = weight * MEMORY + 1;
    return sum / weight;
  });
}

// ---- The job on show -------------------------------------------------------------------------------

function createJobCard() {
  const badge = byId('job-badge', HTMLElement);
  const line = byId('job-line', HTMLElement);
  const bar = byId('job-progress', HTMLProgressElement);
  const stats = byId('job-stats', HTMLElement);
  const charts = byId('charts', HTMLElement);
  const origin = byId('job-origin', HTMLElement);
  const outcome = createOutcome();
  const lossChart = createLineChart(byId('chart-loss', HTMLElement), 'Loss', { format: loss, tick: (value) => String(value), logarithmic: true });
  const accuracyChart = createLineChart(byId('chart-accuracy', HTMLElement), 'Accuracy', {
    format: (value) => percent(value, 2),
    tick: (value, step) => percent(value, decimals(step * 100)),
  });
  /** @type {unknown[]} */
  let drawn = [];

  /** @param {[string, string][]} pairs */
  function showStats(pairs) {
    stats.hidden = pairs.length === 0;
    const names = [...stats.querySelectorAll('dt')].map((dt) => dt.textContent);
    if (String(names) !== String(pairs.map(([name]) => name))) {
      stats.replaceChildren(...pairs.map(([name]) => element('div', {}, element('dt', {}, name), element('dd'))));
    }
    stats.querySelectorAll('dd').forEach((dd, i) => setText(dd, pairs[i][1]));
  }

  /** @param {Job} job @param {State} state */
  function showCurves(job, { metrics, recipes }) {
    const series = metrics?.job === job.id ? metrics.series : null;
    charts.hidden = !series || series.steps.step.length + series.epochs.length === 0;
    if (!series || charts.hidden || (metrics === drawn[0] && recipes === drawn[1])) return;
    drawn = [metrics, recipes];
    const { epochs, steps } = series;
    const common = { name: jobTitle(job, recipes), epochs: job.config.training.epochs, epoch: epochs.map(({ epoch }) => epoch) };
    const stepsAnEpoch = job.progress?.steps || (steps.step.at(-1) ?? 1) / Math.max(epochs.length, 1);
    lossChart.show({
      ...common,
      train: epochs.map((one) => one.train_loss),
      validation: epochs.map((one) => one.validation_loss),
      steps: { x: steps.step.map((step) => step / stepsAnEpoch), y: runningMean(steps.loss) },
    });
    accuracyChart.show({
      ...common,
      train: epochs.map((one) => one.train_accuracy),
      validation: epochs.map((one) => one.validation_accuracy),
    });
  }

  /** The card without a training. @param {{ title: string, text: string }} reason */
  function showNone({ title, text }) {
    setText(byId('job-title', HTMLElement), title);
    setText(line, text);
    line.hidden = false;
    origin.hidden = badge.hidden = bar.hidden = charts.hidden = true;
    for (const button of byId('job', HTMLElement).querySelectorAll('.job-actions button')) button.toggleAttribute('hidden', true);
    showStats([]);
  }

  return {
    /** @param {State} state */
    show(state) {
      const job = shownJob(state);
      outcome.show(job, state.models);
      if (isMissing(state)) showNone(MISSING);
      else if (state.jobs?.length === 0 && !state.picked) showNone(NONE);
      if (!job) return;
      const progress = progressOf(job, state.metrics);
      setText(byId('job-title', HTMLElement), jobTitle(job, state.recipes));
      badge.hidden = false;
      badge.dataset.state = job.state;
      setText(badge, STATES[job.state]);
      const text = jobLine(job);
      setText(line, text);
      line.hidden = text === '';
      bar.hidden = !isActive(job);
      bar.value = progress ? shareDone(progress) : 0;
      origin.hidden = !job.sweep;
      byId('job-sweep', HTMLAnchorElement).hash = `compare/${job.sweep}`;
      showButtons(job);
      showStats(jobStats(job, progress));
      showCurves(job, state);
    },
  };
}

/** Those that make sense for the job. @param {Job} job */
function showButtons({ state, position, sweep }) {
  const pause = byId('job-pause', HTMLButtonElement);
  const isOver = !isActive({ state });
  const isTrial = sweep !== null; // what is done to its comparison is done to it
  setText(pause, state === 'paused' ? 'Resume' : 'Pause');
  pause.hidden = isOver || isTrial;
  byId('job-next', HTMLButtonElement).hidden = (position ?? 1) === 1 || isTrial;
  byId('job-cancel', HTMLButtonElement).hidden = isOver || isTrial;
  byId('job-delete', HTMLButtonElement).hidden = !isOver || isTrial;
}

/** What stops, by the job's state. @type {Record<string, string>} */
const STOPS = {
  queued: 'It leaves the queue, and is not trained.',
  paused: 'It is not resumed any more. What it has learnt so far is not kept as a version.',
  running: 'It stops within a step. What it has learnt so far is not kept as a version.',
};

const CANCEL = {
  title: 'Cancel this training?',
  keep: 'Keep training',
  go: 'Cancel training',
};

const DELETE = {
  title: 'Delete this training?',
  text: 'It goes from the list, and its curves with it. A version that came of it stays.',
  keep: 'Keep',
  go: 'Delete',
};

/** The buttons of the job on show. @param {Store} store @param {Events} events */
function startButtons(store, { refresh, between }) {
  const problem = byId('job-problem', HTMLElement);

  /** @param {string} id @param {(job: Job) => Promise<string>} act says what it has done; '' for nothing */
  function onPress(id, act) {
    byId(id, HTMLButtonElement).addEventListener('click', async () => {
      const job = shownJob(store.state);
      if (!job) return;
      setText(problem, '');
      try {
        const done = await act(job);
        if (done) announce(done);
      } catch (error) {
        tellFailure(store, error, ({ message }) => setText(problem, message));
      }
      refresh();
    });
  }

  onPress('job-pause', async ({ id, state }) => {
    const isPaused = state === 'paused';
    await changeJob(id, isPaused ? 'resume' : 'pause');
    return isPaused ? 'The training goes on.' : 'The training is paused.';
  });
  onPress('job-promote', async ({ result }) => {
    if (!result?.model) return '';
    const { name, version } = result.model;
    if (!await mayReplace('The network of this training', result.test_accuracy, name)) return '';
    await moveAlias(name, 'production', version);
    byId('job-title', HTMLElement).focus({ preventScroll: true }); // the button goes
    return `Version ${version} of ${name} is in production now.`;
  });
  onPress('job-next', async ({ id }) => {
    const waiting = (store.state.jobs ?? []).filter(({ state }) => state === 'queued');
    await prioritiseJob(id, Math.max(...waiting.map(({ priority }) => priority)) + 1);
    return 'It is the next to be trained.';
  });
  onPress('job-cancel', async ({ id, state }) => {
    if (!await ask({ ...CANCEL, text: STOPS[state] })) return '';
    await changeJob(id, 'cancel');
    return 'The training is cancelled.';
  });
  onPress('job-delete', async ({ id }) => {
    if (!await ask(DELETE)) return '';
    await between(async () => {
      await deleteJob(id);
      if (store.state.picked !== id) return;
      location.hash = 'train';
      await new Promise((resolve) => window.addEventListener('hashchange', resolve, { once: true }));
    });
    return 'The training is deleted.';
  });
}

// ---- The others -----------------------------------------------------------------------------------

function createHistory() {
  const list = byId('history-list', HTMLElement);
  let known = '';

  /** @param {Job} job @param {State['recipes']} recipes @param {boolean} current */
  function row(job, recipes, current) {
    const state = job.position ? `${STATES[job.state]}, place ${job.position}` : STATES[job.state];
    const result = job.result ? percent(job.result.test_accuracy, 2) : state;
    const link = element('a', { href: `#train/${job.id}` },
      element('span', {}, jobTitle(job, recipes)),
      element('span', { class: 'muted small' }, dateTime(job.created_at)),
      element('span', { class: 'badge', 'data-state': job.state }, result));
    if (current) link.setAttribute('aria-current', 'true');
    return element('li', {}, link);
  }

  return {
    /** @param {State} state */
    show(state) {
      const { recipes } = state;
      const jobs = state.jobs ?? [];
      const shown = shownJob(state);
      const key = `${shown?.id} ${recipes.length} ${jobs.map(({ id, state, position }) => `${id} ${state} ${position}`)}`;
      if (key === known) return;
      known = key;
      const focused = document.activeElement?.getAttribute('href');
      byId('history', HTMLElement).hidden = jobs.length < 2;
      list.replaceChildren(...jobs.map((job) => row(job, recipes, job === shown)));
      for (const link of list.querySelectorAll('a')) if (link.getAttribute('href') === focused) link.focus();
    },
  };
}

/** Where the list is below the card, what is chosen in it is brought into sight. */
function leadToCard() {
  byId('history-list', HTMLElement).addEventListener('click', ({ target }) => {
    if (!(target instanceof Element && target.closest('a'))) return;
    const title = byId('job-title', HTMLElement);
    title.focus({ preventScroll: true });
    title.scrollIntoView({ block: 'nearest' });
  });
}

/** @param {Store} store @param {Events} events */
export function startTrain(store, events) {
  const card = createJobCard();
  leadToCard();
  const history = createHistory();
  startForm(store, events.refresh);
  startButtons(store, events);
  store.subscribe((state) => {
    card.show(state);
    history.show(state);
  });
}

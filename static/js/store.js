// What the page knows, in one place. Views read it and are told when it changes; nobody else keeps copies.

import { ApiError, ConnectionError } from './api.js';

/**
 * @typedef {import('./api.js').Job} Job
 * @typedef {import('./api.js').Metrics} Metrics
 * @typedef {import('./api.js').Model} Model
 * @typedef {import('./api.js').Sweep} Sweep
 * @typedef {import('./api.js').EpochMetrics} EpochMetrics
 *
 * @typedef {object} State
 * @property {boolean} connected   the last request reached the server
 * @property {Job[] | null} jobs   newest first; null until the server told us
 * @property {string | null} picked   id of the job that the address asks for
 * @property {{ id: string, job: Job | null } | null} asked   the job that was asked for, where the list leaves it out, such as
 *   a trial; without a job where there is none
 * @property {{ job: string, series: Metrics } | null} metrics   curves of the job on show
 * @property {Model[]} models   those of the registry, with their versions
 * @property {import('./api.js').Recipe[]} recipes   none until a screen has asked for them
 * @property {Sweep[] | null} sweeps   newest first; null until the server told us
 * @property {Comparison | null} comparison   of the sweep on show
 * @property {import('./router.js').Route} route   what the address asks for
 */

/**
 * @typedef {object} Comparison
 * @property {string} sweep   its id
 * @property {import('./api.js').SweepResults} results
 * @property {Map<string, EpochMetrics[]>} curves   of trials, by the id of their job
 *
 * @typedef {ReturnType<typeof createStore>} Store
 */

/** What a state is called. */
export const STATES = {
  queued: 'Waiting',
  running: 'Training',
  paused: 'Paused',
  succeeded: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** @param {import('./router.js').Route} route */
export function createStore(route) {
  /** @type {State} */
  let state = {
    connected: true, jobs: null, picked: null, asked: null, metrics: null, models: [], recipes: [], sweeps: null, comparison: null, route,
  };
  /** @type {Set<(state: State) => void>} */
  const listeners = new Set();

  return {
    get state() {
      return state;
    },

    /** @param {Partial<State>} change */
    set(change) {
      state = { ...state, ...change };
      for (const listener of listeners) listener(state);
    },

    /** @param {(state: State) => void} listener called at once, and after every change */
    subscribe(listener) {
      listeners.add(listener);
      listener(state);
    },
  };
}

/** @param {{ state: string }} job or a sweep */
export const isActive = ({ state }) => state === 'queued' || state === 'running' || state === 'paused';

/**
 * How far a whole run is, 0..1.
 * @param {import('./api.js').Progress} progress
 */
export const shareDone = ({ epoch, epochs, step, steps }) =>
  Math.max(0, epoch - 1 + (steps > 0 ? step / steps : 0)) / epochs;

/**
 * The job at work, or the next in the queue.
 * @param {State} state
 * @returns {Job | undefined}
 */
export function activeJob({ jobs }) {
  const waiting = (jobs ?? []).filter(isActive);
  return waiting.find((job) => job.state === 'running') ?? waiting.at(-1);
}

/**
 * The job on show: the one that was asked for, no other if it is not known, else the one at work, else the newest.
 * @param {State} state
 * @returns {Job | undefined}
 */
export function shownJob(state) {
  const { jobs, picked, asked } = state;
  if (picked === null) return activeJob(state) ?? jobs?.[0];
  return jobs?.find(({ id }) => id === picked) ?? (asked?.id === picked ? asked.job ?? undefined : undefined);
}

/** Whether the job that was asked for does not exist. @param {State} state */
export const isMissing = ({ jobs, picked, asked }) =>
  picked !== null && asked?.id === picked && !asked.job && !jobs?.some(({ id }) => id === picked);

/** The sweep at work, or the next to be. @param {State} state */
export function activeSweep({ sweeps }) {
  const active = (sweeps ?? []).filter(isActive);
  return active.find(({ state }) => state === 'running') ?? active.at(-1);
}

/** @param {Model[]} models @param {string | undefined} name of the model @param {number | null | undefined} number */
export const findVersion = (models, name, number) =>
  models.find((model) => model.name === name)?.versions.find(({ version }) => version === number);

/** The version that answers when a request names none. @param {Model[]} models @param {string} [only] of this model */
export function inProduction(models, only) {
  const model = models.find(({ name, production }) => production && (only === undefined || name === only));
  return findVersion(models, model?.name, model?.production);
}

/**
 * Why a request has failed: a lost connection is shown by the whole page, what the server refused by `say`.
 * @param {Store} store @param {unknown} error @param {(error: ApiError) => void} say
 */
export function tellFailure(store, error, say) {
  if (error instanceof ConnectionError) store.set({ connected: false });
  else if (error instanceof ApiError) say(error);
  else throw error;
}

/** How many trials of a sweep are over. @param {Sweep} sweep */
export const trialsOver = ({ counts }) => counts.succeeded + counts.stopped + counts.failed + counts.cancelled;

/**
 * Whether there is a network to predict with, as far as the page knows.
 * @param {State} state
 */
export const hasModel = ({ jobs, models }) =>
  models.length > 0 || (jobs ?? []).some((job) => job.state === 'succeeded' || (isActive(job) && (job.progress?.epoch ?? 1) > 1));

/**
 * The sweep that the address asks for, else the newest.
 * @param {State} state
 * @returns {Sweep | undefined}
 */
export function shownSweep({ sweeps, route }) {
  const asked = route.view === 'compare' ? route.rest[0] : undefined;
  return sweeps?.find(({ id }) => id === asked) ?? (asked === 'new' ? undefined : sweeps?.[0]);
}

// Keeps the store up to date with the server: one stream of events while the page is visible, which says what has to
// be read again. When the stream cannot be had, everything is read again now and then instead.

import {
  ApiError, ConnectionError, jobMetrics, listJobs, listModels, listSweeps, readJob, sweepResults,
} from './api.js';
import { shownJob, shownSweep } from './store.js';

const LOST_MS = [1000, 2000, 4000, 8000]; // between attempts to reach the server
const OPEN_MS = 3000; // something between may hold the stream back
const REST_MS = 250; // between two reads, however much happens
const CURVES_MS = 1000; // between two reads of the curves of a job while its steps go on
const CURVES_MAX = 8; // trials whose curves are compared: more lines than that nobody can tell apart

/** @typedef {import('./store.js').Store} Store */
/** @typedef {'jobs' | 'asked' | 'models' | 'curves' | 'sweeps'} Part what is read from the server at once */

/**
 * A message of the stream, as far as it is of interest here.
 * @typedef {{ job: string | null, sweep: string | null, data: Record<string, unknown> }} Message
 */

/**
 * What is out of date after an event of each type.
 * @type {Record<string, (message: Message) => Part[]>}
 */
const STALE = {
  state: ({ data, sweep }) => (sweep ? ['asked', 'curves', 'sweeps']
    : ['jobs', 'curves', ...(data.to === 'succeeded' ? [/** @type {Part} */ ('models')] : [])]),
  metrics: ({ sweep }) => (sweep ? ['curves', 'sweeps'] : ['curves']),
  alias: () => ['models'],
  sweep: () => ['sweeps'],
};

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * The curves of the trials that are furthest ahead. A trial that is over is asked for once.
 * @param {import('./api.js').SweepResults} results
 * @param {Map<string, import('./api.js').EpochMetrics[]>} known
 */
async function trialCurves({ data }, known) {
  /** @type {typeof known} */
  const curves = new Map();
  for (const { job, state, epochs: count } of data.filter((trial) => trial.job && trial.state !== 'queued').slice(0, CURVES_MAX)) {
    const id = String(job);
    const epochs = known.get(id);
    curves.set(id, state !== 'running' && epochs?.length === count ? epochs : (await jobMetrics(id, 2)).epochs);
  }
  return curves;
}

/** Whether what was asked for does not exist. @param {unknown} error */
const isGone = (error) => error instanceof ApiError && error.status === 404;

/** The job with this id, if there is one. @param {string} id */
async function jobOrNull(id) {
  try {
    return await readJob(id);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** What reads each part. @param {Store} store @returns {Record<Part, () => Promise<void>>} */
function readers(store) {
  return {
    async jobs() {
      const { data: jobs } = await listJobs();
      store.set({ jobs });
    },
    async asked() {
      const { picked: id, jobs } = store.state;
      if (id !== null && !jobs?.some((job) => job.id === id)) store.set({ asked: { id, job: await jobOrNull(id) } });
    },
    async models() {
      store.set({ models: await listModels() });
    },
    async curves() {
      const job = shownJob(store.state);
      if (store.state.route.view !== 'train' || !job) return;
      store.set({ metrics: { job: job.id, series: await jobMetrics(job.id) } });
    },
    async sweeps() {
      store.set({ sweeps: (await listSweeps()).data });
      if (store.state.route.view !== 'compare') return;
      const sweep = shownSweep(store.state);
      if (!sweep) return;
      const known = store.state.comparison;
      const results = await sweepResults(sweep.id);
      const curves = await trialCurves(results, known?.sweep === sweep.id ? known.curves : new Map());
      store.set({ comparison: { sweep: sweep.id, results, curves } });
    },
  };
}

/**
 * Reads what is out of date, one round at a time.
 * @param {Store} store @param {() => void} onFailure
 * @returns {{ read: (which?: Part[]) => void, between: (act: () => Promise<void>) => Promise<void> }}
 */
function startReading(store, onFailure) {
  const reader = readers(store);
  const parts = /** @type {Part[]} */ (Object.keys(reader)); // in this order: curves are those of a job
  /** @type {Set<Part>} */
  const stale = new Set();
  /** @type {Promise<void> | null} */
  let reading = null;
  let held = 0;

  async function round() {
    try {
      for (const part of parts) {
        if (!stale.delete(part)) continue;
        await reader[part]();
      }
      if (!store.state.connected) store.set({ connected: true });
    } catch (error) {
      if (isGone(error)) return; // deleted meanwhile, elsewhere: the event that says so is on its way
      if (error instanceof ConnectionError) store.set({ connected: false });
      else console.error(error);
      onFailure();
      stale.clear(); // all is read again after a failure
    }
  }

  async function readStale() {
    while (stale.size > 0 && held === 0) {
      await round();
      await sleep(REST_MS);
    }
    reading = null;
  }

  /** @param {Part[]} which */
  function read(which = parts) {
    for (const part of which) stale.add(part);
    if (held === 0) reading ??= readStale();
  }

  return {
    read,

    async between(act) {
      held++;
      try {
        await reading;
        await act();
      } finally {
        held--;
        read();
      }
    },
  };
}

/**
 * @typedef {object} Events
 * @property {() => void} refresh   reads everything again at once
 * @property {(act: () => Promise<void>) => Promise<void>} between   does what takes something away while nothing is read, and reads
 *   everything again afterwards: what is gone is not asked for any more
 */

/** @param {Store} store @returns {Events} */
export function startEvents(store) {
  /** @type {EventSource | null} */
  let stream = null;
  let timer = 0;
  let failures = 0;
  let curvesRead = 0;
  const { read, between } = startReading(store, giveUp);

  function stop() {
    stream?.close();
    stream = null;
    clearTimeout(timer);
  }

  /** Goes without the stream for a while, if there was one. */
  function giveUp() {
    if (!stream) return;
    stop();
    timer = window.setTimeout(start, LOST_MS[Math.min(failures, LOST_MS.length - 1)]);
    failures++;
    read(); // says whether the server is lost, or has no room for a stream
  }

  /** How far a job is, without asking. @param {Message} message */
  function follow({ job: id, data }) {
    const progress = /** @type {import('./api.js').Progress} */ (/** @type {unknown} */ (data));
    const { jobs, asked } = store.state;
    store.set({ jobs: jobs?.map((job) => (job.id === id ? { ...job, progress } : job)) ?? null,
      asked: asked?.job && asked.id === id ? { id, job: { ...asked.job, progress } } : asked });
    if (shownJob(store.state)?.id !== id || performance.now() - curvesRead < CURVES_MS) return;
    curvesRead = performance.now();
    read(['curves']);
  }

  function start() {
    stop();
    if (document.hidden) return;
    const opened = new EventSource('/api/v1/events');
    stream = opened;
    timer = window.setTimeout(giveUp, OPEN_MS);
    opened.addEventListener('open', () => {
      clearTimeout(timer);
      failures = 0;
      read(); // whatever happened without the stream is in it
    });
    // It would try again by itself, but not after a refusal, and for ever in the same rhythm.
    opened.addEventListener('error', () => stream === opened && giveUp());
    opened.addEventListener('progress', (event) => follow(JSON.parse(event.data)));
    for (const [type, parts] of Object.entries(STALE)) {
      opened.addEventListener(type, (event) => read(parts(JSON.parse(event.data))));
    }
  }

  document.addEventListener('visibilitychange', () => (document.hidden ? stop() : start()));
  window.addEventListener('online', start);
  store.subscribe(({ connected }) => connected || giveUp());
  start();
  return {
    between,
    refresh() {
      if (stream?.readyState !== EventSource.CONNECTING) read(); // else it is read when the stream opens
    },
  };
}

// Keeps the store up to date with the server: asks while the page is visible, at most once a second, and less
// often when nothing is being trained or the server does not answer.

import { ConnectionError, jobMetrics, listJobs, listModels } from './api.js';
import { activeJob, shownJob } from './store.js';

const ACTIVE_MS = 1000;
const IDLE_MS = 5000;
const LOST_MS = [1000, 2000, 4000, 8000];

/** @typedef {import('./store.js').Store} Store */

/** What the curves depend on: asked for again when it changes. @param {import('./api.js').Job | undefined} job */
const curvesKey = (job) => (job ? `${job.id} ${job.state} ${job.progress?.epoch} ${job.progress?.step}` : '');

/**
 * @param {Store} store
 * @returns {{ refresh: () => void }} `refresh` asks at once, and starts it
 */
export function startEvents(store) {
  let timer = 0;
  let failures = 0;
  let asking = false;
  let again = false;
  let knownCurves = '';
  /** @type {string | null} */
  let knownModels = null;

  async function readCurves() {
    const job = shownJob(store.state);
    const key = curvesKey(job);
    if (store.state.route.view !== 'train' || !job || key === knownCurves) return;
    const series = await jobMetrics(job.id);
    knownCurves = key;
    store.set({ metrics: { job: job.id, series } });
  }

  /** A version is made by a job that ends well. */
  async function readModels() {
    const key = String(store.state.jobs?.filter(({ state }) => state === 'succeeded').map(({ id }) => id));
    if (key === knownModels) return;
    const models = await listModels();
    knownModels = key;
    store.set({ models });
  }

  async function read() {
    try {
      const { data: jobs } = await listJobs();
      store.set({ jobs, connected: true });
      await readModels();
      await readCurves();
      failures = 0;
    } catch (error) {
      failures++;
      knownModels = null;
      if (error instanceof ConnectionError) store.set({ connected: false });
      else console.error(error);
    }
  }

  function pause() {
    if (failures > 0) return LOST_MS[Math.min(failures, LOST_MS.length) - 1];
    return activeJob(store.state) ? ACTIVE_MS : IDLE_MS;
  }

  async function refresh() {
    again = true;
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    while (again) {
      again = false;
      await read();
    }
    asking = false;
    if (!document.hidden) timer = window.setTimeout(refresh, pause());
  }

  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (!document.hidden) refresh();
  });
  window.addEventListener('online', refresh);
  return { refresh };
}

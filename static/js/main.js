// Brings the page to life: the shell at once, a view's code when the view is first on show.

import { byId, element, setText } from './dom.js';
import { startEvents } from './events.js';
import { duration } from './format.js';
import { currentRoute, startRouter } from './router.js';
import { STATES, activeJob, activeSweep, createStore, shareDone, trialsOver } from './store.js';
import { startTheme } from './theme.js';
import { startDraw } from './views/draw.js';

startTheme();
const store = createStore(currentRoute());
const events = startEvents(store);

/** @type {Map<string, Promise<void>>} by name */
const styles = new Map();

/** A style sheet that the first visit's screen does without. @param {string} name */
function style(name) {
  const known = styles.get(name);
  if (known) return known;
  const made = /** @type {Promise<void>} */ (new Promise((resolve, reject) => {
    const link = element('link', { rel: 'stylesheet', href: `/css/${name}.css` });
    link.addEventListener('load', () => resolve());
    link.addEventListener('error', () => {
      link.remove();
      styles.delete(name);
      reject(new TypeError('The style could not be fetched.'));
    });
    document.head.append(link);
  }));
  styles.set(name, made);
  return made;
}

/** A view's code, and its styles. @template Code @param {Promise<Code>} code @param {string[]} names @returns {Promise<Code>} */
const withStyle = async (code, ...names) => (await Promise.all([code, style('lab'), ...names.map(style)]))[0];

const STARTS = {
  draw: async () => startDraw(store),
  train: async () => (await withStyle(import('./views/train.js'))).startTrain(store, events),
  compare: async () => (await withStyle(import('./views/compare.js'), 'compare')).startCompare(store, events),
  models: async () => (await withStyle(import('./views/models.js'), 'models')).startModels(store),
  inspect: async () => (await withStyle(import('./views/inspect.js'), 'inspect')).startInspect(store),
};
/** @type {Set<string>} views that are alive, or on their way */
const started = new Set();

/** @param {import('./router.js').View} view */
async function start(view) {
  if (started.has(view)) return;
  started.add(view);
  await new Promise((resolve) => setTimeout(resolve)); // a task of its own: the shell's is long enough
  try {
    await STARTS[view]();
  } catch (error) {
    started.delete(view);
    if (!(error instanceof TypeError)) throw error;
    store.set({ connected: false }); // the view's code could not be fetched
  }
}

startRouter((route) => {
  store.set({ route, picked: route.view === 'train' ? route.rest[0] ?? null : null });
  start(route.view);
  events.refresh();
});

// The address is the view's: the link to its content moves the focus alone.
byId('skip-link', HTMLElement).addEventListener('click', (event) => {
  event.preventDefault();
  byId('main', HTMLElement).focus();
});

const banner = byId('banner', HTMLElement);
const pill = byId('job-pill', HTMLAnchorElement);

/** What the header says of a job. @param {import('./store.js').Job} job */
function jobInBrief({ id, state, progress }) {
  const running = state === 'running' ? progress : null;
  return { hash: `train/${id}`, left: running?.eta_seconds,
    text: running ? `Training ${Math.floor(shareDone(running) * 100)}\u202f%` : STATES[state] };
}

/** What the header says of a comparison. @param {import('./store.js').Sweep} sweep */
function sweepInBrief(sweep) {
  const { id, state, counts, eta_seconds: left } = sweep;
  const count = `${trialsOver(sweep)} of ${counts.total - counts.invalid}`;
  return { hash: `compare/${id}`, left: state === 'running' ? left : null,
    text: state === 'running' ? `Comparing ${count}` : `${STATES[state]}: comparison` };
}

/** The job or the comparison at work, in the header. @param {import('./store.js').State} state */
function showPill(state) {
  const [job, sweep] = [activeJob(state), activeSweep(state)];
  const isSweep = sweep && (!job || (job.state !== 'running' && sweep.state === 'running'));
  pill.hidden = !job && !sweep;
  if (!job && !sweep) return;
  const { hash, text, left } = isSweep ? sweepInBrief(sweep) : jobInBrief(/** @type {import('./store.js').Job} */ (job));
  pill.hash = hash;
  setText(byId('job-pill-state', HTMLElement), text);
  setText(byId('job-pill-left', HTMLElement), typeof left === 'number' ? `\u00a0· ${duration(left)} left` : '');
}

store.subscribe((state) => {
  banner.hidden = state.connected;
  setText(banner, state.connected ? '' : 'The connection to the server is lost. Trying again…');
  showPill(state);
  if (state.connected) start(state.route.view);
});

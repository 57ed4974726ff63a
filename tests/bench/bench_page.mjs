// The page in a real browser, on a digitd of its own: how soon it answers, how smoothly it draws, what it keeps.
// Writes a line of JSON a figure: {label, value, unit, most} or {…, least}, the last of them its budget.
//
//     node tests/bench/bench_page.mjs

import { Service, openBrowser } from '../browser/service.js';
import { strokesOnPad } from '../browser/digits.js';

const QUICK = { model: { preset: 'small' }, training: { train_limit: 12000, epochs: 2 } };
const BUSY = { training: { epochs: 100 } }; // trains on both processors as long as it is wanted
const TEN_EPOCHS = { model: { preset: 'small' }, training: { train_limit: 12000, epochs: 10 } };
const MANY_TRIALS = { preset: 'architecture', base: { training: { epochs: 1, train_limit: 256 } } };
const LOADS = 5;
const SETTLED_MS = 2500; // after which a new window has loaded what the browser itself shows
const ONE_STROKE = [0, 2, 3, 6, 7, 8, 9];
const DIGITS_DRAWN = 40;
const POINT_EVERY = 3; // of a stroke is made: each takes the browser's driver some milliseconds
const FRAMES_MS = 4000;
const MOVE_MS = 8; // from one event of a fast mouse to the next
const HIGH = 0.95;

const report = (label, value, unit, budget) => console.log(JSON.stringify({ label, value, unit, ...budget }));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {number[]} values @param {number} share */
const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.ceil(share * values.length) - 1];

/** Keeps, from before the first script on, what the browser notes about the page. */
function takeNotes() {
  const notes = { paint: 0, shift: 0, tasks: [] };
  globalThis.notes = notes;
  const follow = (type, note) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  follow('largest-contentful-paint', ({ startTime }) => { notes.paint = startTime; });
  follow('layout-shift', ({ hadRecentInput, value }) => { notes.shift += hadRecentInput ? 0 : value; });
  follow('longtask', ({ startTime, duration }) => notes.tasks.push({ startTime, duration }));
}

/** The longest task since the last call; those under 50 ms the browser does not tell. */
const longestTask = (page) => page.evaluate(() => Math.max(0, ...globalThis.notes.tasks.splice(0).map(({ duration }) => duration)));

/** A tab that has never seen the page, in a window at rest. */
async function openTab(browser) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.addInitScript(takeNotes);
  await pause(SETTLED_MS);
  return page;
}

/** Loads the page, and says what that took. */
async function load(service, page) {
  await page.goto(service.url);
  await page.locator('#confidence', { hasText: 'Nothing drawn yet' }).waitFor();
  await pause(500);
  const task = await longestTask(page);
  return page.evaluate((longest) => {
    const loads = ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type));
    const bytes = loads.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
    return { requests: loads.length, bytes, task: longest, paint: globalThis.notes.paint, shift: globalThis.notes.shift };
  }, task);
}

/** Medians of some first loads; returns the last tab. */
async function measureLoad(service, browser) {
  const loads = [];
  let page = await openTab(browser);
  loads.push(await load(service, page));
  while (loads.length < LOADS) {
    await page.close();
    page = await openTab(browser);
    loads.push(await load(service, page));
  }
  const median = (figure) => quantile(loads.map((one) => one[figure]), 0.5);
  report('first load', median('bytes') / 1024, 'KB', { most: 40 });
  report('first load', median('requests'), 'requests', { most: 20 });
  report('largest paint', median('paint'), 'ms', { most: 500 });
  report('layout shift', median('shift'), '', { most: 0.02 });
  report('longest task of the load', median('task'), 'ms', { most: 50 });
  return page;
}

/** Draws digits of one stroke, and says from pen-up to when the bars are those of the whole drawing. */
async function measureAnswers(page, when, budget) {
  const waits = [];
  for (let i = 0; i < DIGITS_DRAWN; i++) {
    const [stroke] = await strokesOnPad(page, ONE_STROKE[i % ONE_STROKE.length]);
    const settled = page.evaluate(() => new Promise((resolve) => {
      const result = document.getElementById('result');
      document.getElementById('pad').addEventListener('pointerup', () => {
        const penUp = performance.now();
        const look = () => (result.dataset.state === 'read' && result.getAttribute('aria-busy') === 'false'
          ? resolve(performance.now() - penUp) : setTimeout(look));
        look();
      }, { once: true });
    }));
    await page.mouse.move(...stroke[0]);
    await page.mouse.down();
    for (const point of stroke.filter((_, index) => index % POINT_EVERY === 0)) await page.mouse.move(...point);
    await page.mouse.move(...stroke.at(-1));
    await page.mouse.up();
    waits.push(await settled);
    await page.click('#pad-clear');
  }
  report(`pen-up to bars, p50, ${when}`, quantile(waits, 0.5), 'ms', {});
  report(`pen-up to bars, p95, ${when}`, quantile(waits, HIGH), 'ms', { most: budget });
}

/** Draws circles for a while, and counts the frames. */
async function measureFrames(page, when) {
  const box = await page.locator('#pad').boundingBox();
  const at = (i) => [box.x + box.width * (0.5 + 0.3 * Math.cos(i / 12)), box.y + box.height * (0.5 + 0.3 * Math.sin(i / 12))];
  await page.mouse.move(...at(0));
  await page.mouse.down();
  const counted = page.evaluate((ms) => new Promise((resolve) => {
    const from = performance.now();
    let frames = 0;
    const frame = (now) => {
      frames++;
      if (now - from < ms) requestAnimationFrame(frame);
      else resolve((1000 * frames) / (now - from));
    };
    requestAnimationFrame(frame);
  }), FRAMES_MS);
  let isOver = false;
  counted.then(() => { isOver = true; });
  for (let i = 1; !isOver; i++) {
    await page.mouse.move(...at(i));
    await pause(MOVE_MS);
  }
  await page.mouse.up();
  report(`drawing, ${when}`, await counted, 'frames/s', { least: 55 });
  await page.click('#pad-clear');
}

/** Waits for the end of a job or sweep. */
async function finish(service, path) {
  for (;;) {
    const { state } = await service.call('GET', path);
    if (state === 'succeeded') return;
    if (!['queued', 'running'].includes(state)) throw new Error(`${path} is ${state}`);
    await pause(500);
  }
}

/** How the heap of a tab has grown over a job and a sweep that it showed. */
async function measureHeap(service, page) {
  const session = await page.context().newCDPSession(page);
  const heap = async () => {
    await session.send('HeapProfiler.collectGarbage');
    return (await session.send('Runtime.getHeapUsage')).usedSize;
  };
  const show = async (at) => {
    await page.evaluate((hash) => { location.hash = hash; }, at);
    await pause(2000);
  };
  const job = await service.call('POST', '/api/v1/jobs', TEN_EPOCHS);
  await show(`train/${job.id}`);
  await page.locator('#chart-loss canvas').waitFor();
  const before = await heap();
  await finish(service, `/api/v1/jobs/${job.id}`);
  const sweep = await service.call('POST', '/api/v1/sweeps', MANY_TRIALS);
  await show(`compare/${sweep.id}`);
  await finish(service, `/api/v1/sweeps/${sweep.id}`);
  await show(`train/${job.id}`);
  report('heap grown over 10 epochs, 64 trials', ((await heap()) - before) / 2 ** 20, 'MB', { most: 5 });
  report('longest task meanwhile', await longestTask(page), 'ms', { most: 50 });
}

const service = new Service();
await service.start();
const browser = await openBrowser();
try {
  await service.train(QUICK);
  const page = await measureLoad(service, browser);
  await measureAnswers(page, 'idle', 50);
  await measureFrames(page, 'idle');
  const { id } = await service.call('POST', '/api/v1/jobs', BUSY);
  while (!((await service.call('GET', `/api/v1/jobs/${id}`)).progress?.step > 20)) await pause(200);
  await longestTask(page);
  await measureAnswers(page, 'training', 100);
  await measureFrames(page, 'training');
  report('longest task, training and drawing', await longestTask(page), 'ms', { most: 50 });
  await page.goto(`${service.url}/#train/${id}`);
  await page.locator('#chart-loss canvas').waitFor();
  await pause(3000);
  report('longest task, curves of a training', await longestTask(page), 'ms', { most: 50 });
  await service.call('POST', `/api/v1/jobs/${id}/cancel`);
  await measureHeap(service, page);
} finally {
  await browser.close();
  await service.remove();
}

// A sweep during which the server is killed again and again comes to the same results as one that is left alone.
//
// `make soak` trains the 64 combinations of the preset `architecture`, an epoch on 6,000 images each, and kills five times.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { LONG, makeDice, SEED } from './dice.js';
import { Killable } from './killable.js';

const KILLS = LONG ? 5 : 2;
const SHORT_SWEEP = {
  parameters: { '/training/learning_rate': [0.001, 0.01], '/training/batch_size': [16, 64], '/model/layers/1/pool_size': [2, 4] },
  base: {
    model: { layers: [{ type: 'conv2d', filters: 4, kernel_size: 3 }, { type: 'max_pool2d', pool_size: 2 },
      { type: 'max_pool2d', pool_size: 2 }, { type: 'conv2d', filters: 4, kernel_size: 5 }, { type: 'flatten' },
      { type: 'dense', units: 10 }] },
    training: { epochs: 3, train_limit: 2000 },
  },
};
const SWEEP = LONG ? { preset: 'architecture', base: { training: { epochs: 1, train_limit: 6000 } } } : SHORT_SWEEP;
const EXPECTED = LONG ? { total: 64, invalid: 24, succeeded: 40 } : { total: 8, invalid: 4, succeeded: 4 };

const GOES_ON = /^(queued|running)$/;

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
const service = new Killable();
after(() => service.remove());

const read = (id, what = '') => service.call('GET', `/api/v1/sweeps/${id}${what}`);

/** Until so many trials have succeeded. */
async function waitForSuccesses(id, count) {
  for (;;) {
    const sweep = await read(id);
    if (sweep.counts.succeeded >= count) return;
    assert.match(sweep.state, GOES_ON, JSON.stringify(sweep));
    await sleep(20);
  }
}

async function waitForEnd(id) {
  for (;;) {
    const sweep = await read(id);
    if (sweep.state === 'succeeded') return sweep;
    assert.match(sweep.state, GOES_ON, JSON.stringify(sweep));
    await sleep(LONG ? 500 : 20);
  }
}

/** The results without what the clock decides, and names. */
async function readResults(id) {
  const results = await read(id, '/results');
  return { ...results, data: results.data.map(({ job, training_seconds, ...rest }) => rest) };
}

/** That each job of the sweep has succeeded once, and that there is one for each trial. */
async function checkJobs(id) {
  const jobs = (await service.call('GET', `/api/v1/jobs?sweep=${id}&limit=1000`)).data;
  const trials = (await read(id, '/results')).data.filter((row) => row.state === 'succeeded').map((row) => row.job);
  assert.deepEqual(jobs.map((job) => job.id).sort(), [...new Set(trials)].sort());
  assert.equal(jobs.length, EXPECTED.succeeded);
  for (const job of jobs) {
    const events = (await service.call('GET', `/api/v1/jobs/${job.id}/events?limit=1000`)).data;
    assert.equal(events.filter((event) => event.type === 'state' && event.data.to === 'succeeded').length, 1);
  }
}

test(`a sweep is the same after ${KILLS} kills (seed ${SEED})`, async () => {
  const dice = makeDice(SEED);
  await service.start();
  const began = Date.now();
  const alone = (await service.call('POST', '/api/v1/sweeps', SWEEP)).id;
  await waitForEnd(alone);
  const between = Date.now();
  const killed = (await service.call('POST', '/api/v1/sweeps', SWEEP)).id;
  for (let kill = 0; kill < KILLS; kill++) {
    await waitForSuccesses(killed, Math.floor((kill * EXPECTED.succeeded) / KILLS));
    await sleep(dice.below((between - began) / EXPECTED.succeeded));
    await service.kill();
    service.checkDatabase();
    await service.start();
  }
  const sweep = await waitForEnd(killed);
  for (const [name, count] of Object.entries(EXPECTED)) assert.equal(sweep.counts[name], count, name);
  await checkJobs(killed);
  assert.deepEqual(await readResults(killed), await readResults(alone));
  console.error(`${EXPECTED.succeeded} trials: ${(between - began) / 1000} s left alone, ${(Date.now() - between) / 1000} s with ${KILLS} kills`);
});

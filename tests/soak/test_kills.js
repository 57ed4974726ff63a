// A server that is killed at random moments, and has lost nothing that it acknowledged.
//
// Clients post, pause, resume, cancel and forget jobs, import weights and move an alias, one stream follows the log of
// events; then comes SIGKILL. What a client was told is in a ledger of its own, what it was not told may be either way.
// `make soak` kills 300 times; SOAK_KILLS and SOAK_SEED say otherwise.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { LONG, makeDice, SEED } from './dice.js';
import { Killable } from './killable.js';
import { Ledger } from './ledger.js';

const KILLS = Number(process.env.SOAK_KILLS ?? (LONG ? 300 : 10));
const CLIENTS = 4;
const UNFINISHED_MAX = 12; // jobs that a client leaves undone
const MODEL = {
  layers: [{ type: 'conv2d', filters: 8, kernel_size: 3, activation: 'relu' }, { type: 'max_pool2d', pool_size: 4 },
    { type: 'max_pool2d', pool_size: 2 }, { type: 'flatten' }, { type: 'dense', units: 10 }],
};
const REQUESTS = [1, 2, 3].flatMap((seed) => [300, 2000].map((limit) => (
  { name: 'trained', model: MODEL, promotion: 'never', training: { epochs: 2 + seed, train_limit: limit, seed } })));

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
const service = new Killable(['--concurrent-jobs', '2']);
const ledger = new Ledger(service);
after(() => service.remove());

let alive = false;
let posted = 0;
let sample; // a version's file, and its digest

/** What a client does, and how often. Each job belongs to one client, so that its orders have an order. */
const DEEDS = [
  [4, async (dice, mine) => {
    if (mine.filter((job) => !job.isOver).length < UNFINISHED_MAX) mine.push(await ledger.post(`key-${SEED}-${posted++}`, dice.pick(REQUESTS)));
  }],
  [2, (dice, mine) => withJob(dice, mine, (job) => ledger.order(job, 'pause'))],
  [3, (dice, mine) => withJob(dice, mine, (job) => ledger.order(job, 'resume'))],
  [1, (dice, mine) => withJob(dice, mine, (job) => ledger.order(job, 'cancel'))],
  [1, (dice, mine) => withJob(dice, mine, (job) => ledger.forget(job))],
  [1, (dice, mine) => withJob(dice, mine, (job) => ledger.repeatPost(job))],
  [4, (dice, mine) => withJob(dice, mine, (job) => ledger.look(job))],
].flatMap(([times, deed]) => Array(times).fill(deed));

const isKnown = (job) => job.id && !job.may.has('gone');

async function withJob(dice, mine, deed) {
  const jobs = mine.filter((job) => isKnown(job) && ledger.jobs.includes(job));
  if (jobs.length) await deed(dice.pick(jobs.slice(-20)));
}

async function client(dice, mine) {
  while (alive) {
    await dice.pick(DEEDS)(dice, mine);
    await sleep(dice.below(20));
  }
}

/** Imports versions and moves the alias to one of them. */
async function librarian(dice) {
  while (alive && sample) {
    if (dice.next() < 0.2) await ledger.importWeights('imported', sample.bytes, sample.digest);
    const imported = [...ledger.versions.keys()].filter((path) => path.startsWith('imported/'));
    if (imported.length) await ledger.moveAlias('imported', 'candidate', Number(dice.pick(imported).split('/')[1]));
    await sleep(20 + dice.below(60));
  }
}

/** Notes each event that it is told, until the server is gone. */
async function follower() {
  let text = '';
  try {
    const response = await fetch(`${service.url}/api/v1/events`, { headers: { Accept: 'text/event-stream' } });
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      const messages = (text + decoder.decode(chunk, { stream: true })).split('\n\n');
      text = messages.pop() ?? '';
      for (const message of messages) {
        const id = /^id: (\d+)$/m.exec(message);
        const data = /^data: (.*)$/m.exec(message);
        if (id && data) ledger.events.set(Number(id[1]), JSON.parse(data[1]));
      }
    }
  } catch {
    // killed
  }
}

async function takeSample() {
  const [path, known] = [...ledger.versions].find(([, version]) => version.digest) ?? [];
  if (!path || sample) return;
  const [model, version] = path.split('/');
  const file = await service.ask('GET', `/api/v1/models/${model}/versions/${version}/weights.safetensors`);
  sample = { bytes: file.body, digest: known.digest };
}

async function liveAndDie(dice, clients) {
  await takeSample();
  alive = true;
  const work = [follower(), librarian(dice), ...clients.map(([own, mine]) => client(own, mine))];
  await sleep(dice.next() < 0.3 ? dice.below(100) : dice.below(LONG ? 1200 : 400));
  const killed = service.kill();
  alive = false;
  await Promise.all([killed, ...work]);
  if (dice.next() < 0.2) await service.startAndKill(dice.below(400));
  service.checkDatabase();
  await service.start();
}

test(`${KILLS} kills lose nothing that was acknowledged (seed ${SEED})`, async () => {
  console.error(`SOAK_SEED=${SEED} SOAK_KILLS=${KILLS}`);
  const dice = makeDice(SEED);
  const clients = Array.from({ length: CLIENTS }, (_, i) => [makeDice(SEED + i + 1), []]);
  await service.start();
  for (let kill = 0; kill < KILLS; kill++) {
    await liveAndDie(dice, clients);
    await ledger.check(false);
  }
  await finish();
  await service.kill();
  service.checkDatabase();
  await service.start();
  await ledger.check(true);
  const count = (state) => ledger.jobs.filter((job) => job.may.has(state)).length;
  console.error(`${service.starts} starts; ${ledger.jobs.length} jobs: ${count('succeeded')} succeeded, ${count('cancelled')} cancelled, `
    + `${count('gone')} deleted; ${ledger.versions.size} versions`);
});

/** Everything that was begun comes to its end. */
async function finish() {
  for (const job of ledger.jobs.filter((known) => known.may.has('paused'))) await ledger.order(job, 'resume');
  for (const job of ledger.jobs) {
    while (!job.isOver) {
      await ledger.look(job);
      await sleep(5);
    }
    assert.ok(!job.may.has('failed'));
  }
}

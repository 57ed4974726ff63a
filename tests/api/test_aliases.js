// Aliases move while predictions run: none fails, none is answered by two versions at once, and who has read that an alias
// moved is answered by the version that it moved to.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Service } from '../browser/service.js';

const MOVES = Number(process.env.DIGITD_ALIAS_MOVES ?? 200);
const CLIENTS = 8;
const DRAWING = { strokes: [[[60, 60], [200, 60], [120, 220]]] };

const service = new Service();
/** @type {number[][]} what each version answers, by its number */
const answers = [];

const predict = (query) => service.call('POST', `/api/v1/predict?${query}`, DRAWING);
const point = (alias, version) => service.call('PUT', `/api/v1/models/digits/aliases/${alias}`, { version });

before(async () => {
  await service.start();
  for (const [index, units] of [16, 64].entries()) {
    const layers = [{ type: 'flatten' }, { type: 'dense', units, activation: 'relu' },
      { type: 'dense', units: 10, activation: 'softmax' }];
    await service.train({ model: { layers }, training: { epochs: 1, train_limit: 600, seed: units }, promotion: 'never' });
    answers[index + 1] = (await predict(`version=${index + 1}`)).probabilities;
  }
  const distance = Math.max(...answers[1].map((p, i) => Math.abs(p - answers[2][i])));
  assert.ok(distance > 0.02, `the versions answer alike: ${distance}`);
  await point('production', 1);
  await point('candidate', 2);
});

after(() => service.remove());

function isWholly(answer, version) {
  return answer.probabilities.every((p, i) => Math.abs(p - answers[version][i]) < 1e-4);
}

test(`predictions under ${MOVES} moves`, async () => {
  let done = false;
  let count = 0;
  const seen = new Set();
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    while (!done) {
      const answer = await predict(client % 2 ? 'alias=candidate' : 'mode=auto');
      const { version } = answer.model;
      assert.ok(isWholly(answer, version), `an answer as of version ${version} is not its own`);
      seen.add(version);
      count++;
    }
  });
  for (let move = 0; move < MOVES; move++) {
    const alias = move % 2 ? 'candidate' : 'production';
    const version = (move >> 1) % 2 ? 1 : 2;
    await point(alias, version);
    if (move % 10 < 2) assert.equal((await predict(`alias=${alias}`)).model.version, version);
  }
  done = true;
  await Promise.all(clients);
  assert.deepEqual([...seen].sort(), [1, 2]);
  assert.ok(count >= CLIENTS);
  console.log(`${MOVES} moves, ${count} predictions: 0 failed, 0 mixed`);
});

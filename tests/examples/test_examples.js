// The examples for clients do what they say: each reads the same picture, is let in by a key, and says what is wrong.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { Service } from '../browser/service.js';

const BUILD = process.env.DIGITD_BINARY?.replace(/\/[^/]*$/, '') ?? 'build';
const KEY = 'examples-examples-examples';
const PICTURE = 'docs/seven.png';
const run = promisify(execFile);

const CLIENTS = {
  curl: ['examples/predict.sh'],
  C: [join(BUILD, 'examples', 'predict')],
  JavaScript: [process.execPath, 'examples/predict.mjs'],
  Python: ['python3', 'examples/predict.py'],
};

const service = new Service();

before(async () => {
  await service.start();
  await service.train({ model: { preset: 'small' }, training: { epochs: 1, train_limit: 6000 }, promotion: 'always' });
  await service.stop();
  const keys = join(service.store, 'keys');
  writeFileSync(keys, `examples predict ${KEY}\n`, { mode: 0o600 });
  process.env.DIGITD_API_KEY_FILE = keys;
  await service.start();
});

after(() => service.remove());

function call([program, ...args], picture, key = KEY) {
  return run(program, [...args, picture, service.url], { env: { ...process.env, DIGITD_API_KEY: key } });
}

describe('each example', () => {
  for (const [name, client] of Object.entries(CLIENTS)) {
    test(`${name}: reads a seven`, async () => {
      const { stdout } = await call(client, PICTURE);
      const answer = JSON.parse(stdout);
      assert.equal(answer.digit, 7);
      assert.equal(answer.probabilities.length, 10);
    });

    test(`${name}: fails with the reason`, async () => {
      await assert.rejects(call(client, 'README.md'), (error) => /PNG/.test(error.stdout + error.stderr));
      await assert.rejects(call(client, PICTURE, 'wrong-wrong-wrong-wrong'),
        (error) => /API key/.test(error.stdout + error.stderr));
    });
  }

  test('Python: infers tensors in binary as JSON does', async () => {
    const script = `import sys, json; sys.path.insert(0, 'examples'); import predict
images = [[0.0] * 784, [i % 28 / 28 for i in range(784)]]
print(json.dumps(predict.infer(sys.argv[1], images)))`;
    const { stdout } = await run('python3', ['-c', script, service.url],
      { env: { ...process.env, DIGITD_API_KEY: KEY } });
    const rows = JSON.parse(stdout);
    const instances = [Array(784).fill(0), Array.from({ length: 784 }, (_, i) => (i % 28) / 28)];
    const response = await fetch(`${service.url}/v1/models/digits:predict`, {
      method: 'POST', body: JSON.stringify({ instances }), headers: { Authorization: `Bearer ${KEY}` },
    });
    const { predictions } = await response.json();
    rows.forEach((row, i) => row.forEach((value, c) => assert.ok(Math.abs(value - predictions[i][c]) < 1e-6)));
    assert.equal(rows.length, 2);
  });
});

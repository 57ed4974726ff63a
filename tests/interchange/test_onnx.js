// Exported models in ONNX Runtime: the same probabilities as the engine's, for every image of MNIST's test set.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const BINARY = process.env.DIGITD_BINARY ?? 'build/digitd';
const DATA_DIR = process.env.DIGITD_DATA_DIR ?? 'data/datasets';
const PROBABILITIES = join(dirname(BINARY), 'tests/interchange/probabilities');

const IMAGES = 10_000;
const PIXELS = 28 * 28;
const CLASSES = 10;
const BATCH = 500;
const TOLERANCE = 1e-5;

// Even and odd kernels, a pool that leaves a rim, channels that fill no vector, every activation, dropout.
const ODD_MODEL = {
  layers: [
    { type: 'conv2d', filters: 5, kernel_size: 5, padding: 'same', activation: 'tanh' },
    { type: 'max_pool2d', pool_size: 3 },
    { type: 'conv2d', filters: 19, kernel_size: 4, padding: 'same', activation: 'sigmoid' },
    { type: 'dropout', rate: 0.1 },
    { type: 'conv2d', filters: 7, kernel_size: 2, padding: 'same', activation: 'linear' },
    { type: 'max_pool2d', pool_size: 2 },
    { type: 'conv2d', filters: 21, kernel_size: 3, activation: 'relu' },
    { type: 'flatten' },
    { type: 'dense', units: 33, activation: 'sigmoid' },
    { type: 'dropout', rate: 0.1 },
    { type: 'dense', units: 10, activation: 'softmax' },
  ],
};

const folder = mkdtempSync(join(tmpdir(), 'digitd-onnx-'));
after(() => rmSync(folder, { recursive: true }));

const mnist = (/** @type {string} */ file, /** @type {number} */ header) =>
  readFileSync(join(DATA_DIR, 'mnist', file)).subarray(header);
const images = Float32Array.from(mnist('t10k-images-idx3-ubyte', 16), (level) => level / 255);
const labels = mnist('t10k-labels-idx1-ubyte', 8);
assert.equal(images.length, IMAGES * PIXELS);
assert.equal(labels.length, IMAGES);

/** Trains for a moment and exports; returns the paths of both files. */
function trainAndExport(/** @type {string} */ name, /** @type {string[]} */ options) {
  const weights = join(folder, `${name}.safetensors`);
  const onnx = join(folder, `${name}.onnx`);
  const quiet = { stdio: /** @type {const} */ (['ignore', 'ignore', 'pipe']) };
  execFileSync(BINARY, ['train', '--data-dir', DATA_DIR, '--output', weights, ...options], quiet);
  execFileSync(BINARY, ['export', weights, '--onnx', onnx], quiet);
  return { weights, onnx };
}

/** The engine's, [IMAGES][CLASSES]. */
function enginesProbabilities(/** @type {string} */ weights) {
  const output = execFileSync(PROBABILITIES, [weights, join(DATA_DIR, 'mnist')], { maxBuffer: 2 ** 24 });
  return new Float32Array(new Uint8Array(output).buffer);
}

/** ONNX Runtime's of images [first, first + count). */
async function runtimesProbabilities(/** @type {InferenceSession} */ session, /** @type {number} */ first,
  /** @type {number} */ count) {
  const pixels = images.subarray(first * PIXELS, (first + count) * PIXELS);
  const { probabilities } = await session.run({ image: new Tensor('float32', pixels, [count, 1, 28, 28]) });
  assert.deepEqual(probabilities.dims, [count, CLASSES]);
  return /** @type {Float32Array} */ (probabilities.data);
}

function accuracy(/** @type {Float32Array} */ probabilities) {
  const right = labels.filter((label, i) => {
    const row = probabilities.subarray(i * CLASSES, (i + 1) * CLASSES);
    return row.every((p) => p <= row[label]);
  });
  return right.length / IMAGES;
}

const largestDifference = (/** @type {Float32Array} */ a, /** @type {Float32Array} */ b) =>
  a.reduce((largest, p, i) => Math.max(largest, Math.abs(p - b[i])), 0);

async function compare(/** @type {string} */ name, /** @type {string[]} */ options) {
  const { weights, onnx } = trainAndExport(name, options);
  const ours = enginesProbabilities(weights);
  assert.equal(ours.length, IMAGES * CLASSES);
  assert.ok(accuracy(ours) > 0.5, 'it has learned, so the probabilities differ from image to image');

  const session = await InferenceSession.create(onnx);
  for (let first = 0; first < IMAGES; first += BATCH) {
    const theirs = await runtimesProbabilities(session, first, BATCH);
    const difference = largestDifference(theirs, ours.subarray(first * CLASSES));
    assert.ok(difference <= TOLERANCE, `images ${first} and on: a difference of ${difference}`);
  }
  const alone = await runtimesProbabilities(session, 1234, 1);
  assert.ok(largestDifference(alone, ours.subarray(1234 * CLASSES)) <= TOLERANCE, 'one image alone');
  await session.release();
}

test('the reference model gives the same probabilities', () =>
  compare('reference', ['--preset', 'reference', '--epochs', '1', '--train-limit', '2000']));

test('the small model gives the same probabilities', () =>
  compare('small', ['--preset', 'small', '--epochs', '2', '--train-limit', '5000']));

test('a model of odd sizes and every activation gives the same probabilities', () => {
  const file = join(folder, 'odd.json');
  writeFileSync(file, JSON.stringify(ODD_MODEL));
  return compare('odd', ['--model', file, '--epochs', '4', '--train-limit', '5000', '--learning-rate', '0.01']);
});

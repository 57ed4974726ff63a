/* The same measurement as bench_predict.c with ONNX Runtime: `bench_predict_onnx.mjs MODEL.onnx BATCH_SIZE SECONDS`. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const onnxruntime = require('onnxruntime-node');
const [path, batchSize, seconds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const session = await onnxruntime.InferenceSession.create(path, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});
const pixels = Float32Array.from({ length: batchSize * 784 }, (_, i) => ((i * 37) % 256) / 255);
const image = new onnxruntime.Tensor('float32', pixels, [batchSize, 1, 28, 28]);

const { version } = JSON.parse(
  readFileSync(new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url), 'utf8'),
);
console.log(JSON.stringify({ name: `ONNX Runtime ${version}`, detail: 'onnxruntime-node, one thread' }));

for await (const line of createInterface({ input: process.stdin })) {
  if (line === '') continue;
  const start = performance.now();
  let count = 0;
  let elapsed;
  do {
    await session.run({ image });
    count += batchSize;
    elapsed = (performance.now() - start) / 1000;
  } while (elapsed < seconds);
  console.log(JSON.stringify({ images_per_second: count / elapsed }));
}

/* The peer that bench_serve loads: Node's HTTP server with pngjs and ONNX Runtime: `bench_serve_node.mjs MODEL.onnx`.
 * It answers POST with a PNG by the digit and its probabilities, and ends when its standard input does. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const onnxruntime = require('onnxruntime-node');
const { PNG } = require('pngjs');

const session = await onnxruntime.InferenceSession.create(process.argv[2], {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});

/** @param {Buffer} body a PNG of 28×28 */
async function answer(body) {
  const { data } = PNG.sync.read(body);
  const pixels = new Float32Array(784);
  for (let i = 0; i < pixels.length; i++) pixels[i] = data[4 * i] / 255;
  const image = new onnxruntime.Tensor('float32', pixels, [1, 1, 28, 28]);
  const outputs = await session.run({ image });
  const probabilities = Array.from(outputs[session.outputNames[0]].data);
  const confidence = Math.max(...probabilities);
  return JSON.stringify({ digit: probabilities.indexOf(confidence), confidence, probabilities });
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    const text = await answer(Buffer.concat(chunks));
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    response.end(text);
  } catch (error) {
    response.writeHead(400, { 'Content-Type': 'text/plain' });
    response.end(String(error));
  }
});

server.listen(0, '127.0.0.1', () => {
  const { version } = JSON.parse(
    readFileSync(new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url), 'utf8'),
  );
  const detail = `Node ${process.versions.node} with onnxruntime-node ${version} and pngjs`;
  console.log(JSON.stringify({ name: 'Node', detail, port: server.address().port }));
});
process.stdin.resume().on('end', () => process.exit(0));

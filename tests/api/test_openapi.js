// The description is kept: every operation in /openapi.json is asked for with each of its example bodies, with each of
// its examples of a query parameter, and with faults; each reply must have a status, a media type and a body that the
// description declares, and no field that it does not.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

import { Service } from '../browser/service.js';

const QUICK = { model: { preset: 'small' }, training: { epochs: 1, train_limit: 500 }, promotion: 'always' };
const ABSENT = {
  id: 'job_ffffffffffffffff', model: 'absent', version: 999, name: 'absent', split: 'absent', index: 999999,
  label: 'absent', alias: 'absent', sweep: 'sweep_ffffffffffffffff', dataset: 'absent', sample: 999999,
};

// The job and the sweep that are known have succeeded, its version is in production, the
// dataset is one of files: these are what cannot be done with them.
const TOO_LATE = new Set(['cancelJob', 'pauseJob', 'resumeJob', 'prioritiseJob', 'deleteVersion',
  'pauseSweep', 'resumeSweep', 'cancelSweep', 'deleteDataset']);
const SWEEP = { parameters: { '/training/seed': [1, 2] }, base: { model: QUICK.model, training: QUICK.training } };

const service = new Service();
let spec;
let schemas;
let requests; // the same, as they say it: an object may have other fields
let weights; // a model's file
let known; // what the path parameters of examples stand for here

before(async () => {
  await service.start();
  spec = await service.call('GET', '/openapi.json');
  schemas = new Ajv({ strict: false, allErrors: true });
  addFormats(schemas);
  schemas.addSchema({ $id: 'spec', ...forbidExtraFields(spec) });
  requests = new Ajv({ strict: false });
  addFormats(requests);
  requests.addSchema({ $id: 'requests', ...spec });
  const job = await service.train(QUICK);
  known = {
    id: job.id, model: job.result.model.name, version: job.result.model.version, name: 'mnist', split: 'train', index: 7,
    label: 'production', alias: 'candidate', sweep: await finishedSweep(),
    dataset: 'mine', sample: await newSample(),
  };
  const file = await fetch(`${service.url}/api/v1/models/${known.model}/versions/${known.version}/weights.safetensors`);
  weights = Buffer.from(await file.arrayBuffer());
});

after(() => service.remove());

/** What a file in a form or a body is. */
const FILES = {
  image: () => examplePng(),
  images: () => Buffer.from([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28, ...Array(28 * 28).fill(0)]),
  labels: () => Buffer.from([0, 0, 8, 1, 0, 0, 0, 1, 7]),
  weights: () => weights,
};

// ---- Reading the description ----------------------------------------------------------------------

/** The same description, in which an object has the fields that it lists and no others. */
function forbidExtraFields(node) {
  if (Array.isArray(node)) return node.map(forbidExtraFields);
  if (node === null || typeof node !== 'object') return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, forbidExtraFields(value)]));
  return node.type === 'object' && node.properties ? { additionalProperties: false, ...copy } : copy;
}

function resolve(node) {
  if (!node?.$ref) return node;
  return node.$ref.slice(2).split('/').reduce((place, key) => place[key], spec);
}

const pointer = (...keys) => keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

function operations() {
  return Object.entries(spec.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([method]) => method !== 'parameters').map(([method, operation]) => ({
      path, method: method.toUpperCase(), operation, place: pointer('paths', path, method),
      parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve),
    })));
}

/** What a PNG in a JSON example is as bytes. */
const examplePng = () =>
  Buffer.from(spec.components.requestBodies.drawing.content['application/json'].examples.image.value.image, 'base64');

/** Every body that the description shows for an operation, by name. */
function exampleBodies({ operation }) {
  const content = resolve(operation.requestBody)?.content ?? {};
  return Object.entries(content).flatMap(([type, media]) => {
    const labelled = operation.operationId === 'addSample' ? '?label=7' : '';
    if (type === 'image/png') return [{ name: type, type, query: labelled, body: examplePng() }];
    if (type === 'application/octet-stream' && media.schema) return [{ name: type, type, body: weights }];
    if (type === 'multipart/form-data') {
      return (media.schema.oneOf ?? [media.schema]).map(({ required }) => {
        const form = new FormData();
        for (const name of required) form.set(name, new Blob([FILES[name]()]), name);
        return { name: required.join(), query: required.includes('image') ? labelled : '', body: form };
      });
    }
    return Object.entries(media.examples ?? {}).map(([name, { value }]) => ({ name, type, body: JSON.stringify(value) }));
  });
}

// ---- Asking, and holding the reply against the description -----------------------------------------

async function ask({ method, path }, values, { query = '', type, body, headers = {} } = {}) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const response = await fetch(service.url + filled + query, {
    method, body, headers: type ? { 'Content-Type': type, ...headers } : headers,
  });
  return { response, bytes: Buffer.from(await response.arrayBuffer()), what: `${method} ${filled}${query}` };
}

/** Checks a reply and returns its status. */
function conforms({ operation, place }, { response, bytes, what }) {
  const { status } = response;
  const declared = operation.responses[status];
  assert.ok(declared, `${what}: ${status} is not declared; ${bytes.toString().slice(0, 300)}`);
  const { content = {}, headers = {} } = resolve(declared);
  for (const name of Object.keys(headers)) assert.ok(response.headers.has(name), `${what}: ${status} without ${name}`);
  if (Object.keys(content).length === 0) {
    assert.equal(bytes.length, 0, `${what}: ${status} has a body that is not declared`);
    return status;
  }
  const type = response.headers.get('Content-Type')?.split(';')[0] ?? 'none';
  assert.ok(content[type], `${what}: ${status} is of type ${type}, declared is ${Object.keys(content)}`);
  if (content[type].schema) {
    const where = declared.$ref ? declared.$ref.slice(1) : `${place}${pointer('responses', String(status))}`;
    const validate = schemas.compile({ $ref: encodeURI(`spec#${where}${pointer('content', type, 'schema')}`) });
    assert.ok(validate(JSON.parse(bytes.toString())),
      `${what}: ${status}: ${schemas.errorsText(validate.errors)}: ${bytes.toString().slice(0, 600)}`);
  }
  return status;
}

/** The id of a job that is over, and that nobody needs. */
async function cancelledJob() {
  const { id } = await service.call('POST', '/api/v1/jobs', QUICK);
  await fetch(`${service.url}/api/v1/jobs/${id}/cancel`, { method: 'POST' }); // 409: it is over by itself
  return id;
}

/** The id of a sweep that is over. */
async function finishedSweep() {
  const { id } = await service.call('POST', '/api/v1/sweeps', SWEEP);
  while ((await service.call('GET', `/api/v1/sweeps/${id}`)).state !== 'succeeded')
    await new Promise((resolve) => setTimeout(resolve, 100));
  return id;
}

/** The id of a sample. */
async function newSample() {
  return (await service.call('POST', '/api/v1/datasets/mine/samples', { strokes: [[[60, 60], [200, 60], [120, 220]]], label: 7 })).id;
}

/** Ends the job or sweep that a reply tells of. */
async function endJob(response) {
  if (response.status !== 202 || !response.headers.has('Location')) return;
  await service.call('POST', `${response.headers.get('Location')}/cancel`);
}

// ---- Values that break a schema ---------------------------------------------------------------------

const OF_OTHER_TYPES = [null, true, -7, 0.5, 'nonsense', [], {}, [[]], { nonsense: 1 }];

/** What breaks the constraints of a schema one at a time, or may; whether it does, Ajv says. */
function breakers(schema, value) {
  const broken = [...OF_OTHER_TYPES];
  if ('minimum' in schema) broken.push(schema.minimum - 1, -1e300);
  if ('maximum' in schema) broken.push(schema.maximum + 1, 1e300);
  if ('exclusiveMinimum' in schema) broken.push(schema.exclusiveMinimum);
  if ('exclusiveMaximum' in schema) broken.push(schema.exclusiveMaximum);
  if ('minLength' in schema) broken.push('x'.repeat(Math.max(0, schema.minLength - 1)));
  if ('maxLength' in schema) broken.push('x'.repeat(schema.maxLength + 1));
  if ('pattern' in schema) broken.push('', 'No Such Thing!', '\u0000', 'ü'.repeat(70));
  if (Array.isArray(value) && value.length > 0) {
    if ('minItems' in schema) broken.push(value.slice(0, schema.minItems - 1));
    if ('maxItems' in schema) broken.push(Array(schema.maxItems + 1).fill(value[0]));
  }
  return broken;
}

/** Every place in an example that a schema says something about, with the schemas that do. */
function places(schema, value, path = []) {
  const resolved = resolve(schema);
  if (!resolved || typeof resolved !== 'object') return [];
  const found = [{ path, schema: resolved, value }];
  for (const key of ['oneOf', 'anyOf', 'allOf'])
    for (const part of resolved[key] ?? []) found.push(...places(part, value, path));
  if (value && typeof value === 'object' && !Array.isArray(value)) {
    for (const [key, part] of Object.entries(resolved.properties ?? {}))
      if (key in value) found.push(...places(part, value[key], [...path, key]));
      else found.push({ path: [...path, key], schema: resolve(part), value: undefined });
  }
  if (Array.isArray(value) && value.length > 0 && resolved.items) found.push(...places(resolved.items, value[0], [...path, 0]));
  return found;
}

/** The example with another value at a place; undefined takes it away. */
function replaced(example, path, value) {
  if (path.length === 0) return value;
  const copy = structuredClone(example);
  const parent = path.slice(0, -1).reduce((node, key) => node?.[key], copy);
  if (value === undefined) delete parent[path.at(-1)];
  else parent[path.at(-1)] = value;
  return copy;
}

/** Bodies made of an example by breaking it in one place, each once. */
function brokenBodies(schema, example) {
  const bodies = new Map();
  const add = (path, value) => {
    const body = JSON.stringify(replaced(example, path, value));
    if (body !== undefined && body.length < 4096 * 4) bodies.set(body, `${pointer(...path.map(String))} = ${JSON.stringify(value)?.slice(0, 60)}`);
  };
  for (const place of places(schema, example)) {
    for (const value of breakers(place.schema, place.value)) add(place.path, value);
    if (place.value !== undefined && place.path.length > 0) add(place.path, undefined);
    if (place.value && typeof place.value === 'object' && !Array.isArray(place.value)) add([...place.path, 'nonsense'], 1);
  }
  return bodies;
}

const succeeds = (status) => status >= 200 && status < 300;

// ---- Tests -----------------------------------------------------------------------------------------

describe('the description', () => {
  test('every operation succeeds as it is shown', async () => {
    for (const one of operations()) {
      const bodies = exampleBodies(one);
      for (const body of bodies.length > 0 ? bodies : [{}]) {
        const values = { ...known };
        if (one.operation.operationId === 'deleteJob') values.id = await cancelledJob();
        if (one.operation.operationId === 'deleteSweep') values.sweep = await finishedSweep();
        if (one.operation.operationId === 'deleteSample') values.sample = await newSample();
        const reply = await ask(one, values, body);
        const status = conforms(one, reply);
        if (TOO_LATE.has(one.operation.operationId)) assert.equal(status, 409);
        else assert.ok(succeeds(status), `${reply.what} with ${body.name}: ${status} ${reply.bytes.toString().slice(0, 300)}`);
        await endJob(reply.response);
      }
    }
  });

  test('every example of a query parameter is taken', async () => {
    for (const one of operations()) {
      for (const { name, in: place, example } of one.parameters) {
        if (place !== 'query' || example === undefined) continue;
        const reply = await ask(one, known, { ...exampleBodies(one)[0], query: `?${name}=${example}` });
        assert.ok(succeeds(conforms(one, reply)), `${reply.what}: ${reply.response.status}`);
      }
    }
  });

  test('an unknown query parameter is refused where that is declared, and only there', async () => {
    for (const one of operations()) {
      const reply = await ask(one, known, { ...exampleBodies(one)[0], query: '?nonsense=1' });
      assert.equal(conforms(one, reply), '400' in one.operation.responses ? 400 : 200, reply.what);
    }
  });

  test('what is not there is missed as declared', async () => {
    const makesIt = ['importVersion', 'addSample']; // a model or dataset that is not there is new
    for (const one of operations().filter(({ path }) => path.includes('{'))) {
      if (makesIt.includes(one.operation.operationId)) continue;
      const reply = await ask(one, ABSENT, exampleBodies(one)[0]);
      assert.equal(conforms(one, reply), 404, reply.what);
    }
  });

  test('a body that is not what it should be is refused as declared', async () => {
    const faults = [
      { type: 'text/plain', body: 'seven' },
      { type: 'application/json', body: '{"a":' },
      { type: 'application/json', body: '[]' },
      { type: 'application/json', body: '{"nonsense":1}' },
      { type: 'image/png', body: 'no picture' },
    ];
    for (const one of operations().filter(({ operation }) => operation.requestBody)) {
      for (const fault of faults) {
        const reply = await ask(one, known, fault);
        const status = conforms(one, reply);
        assert.ok(status >= 400 && status < 500, `${reply.what} with ${fault.body}: ${status}`);
      }
    }
  });

  test('each constraint of a body is kept', async () => {
    const taken = []; // against the description
    for (const one of operations().filter(({ operation }) => operation.requestBody)) {
      const media = resolve(one.operation.requestBody).content['application/json'];
      const place = one.operation.requestBody.$ref?.slice(1) ?? `${one.place}/requestBody`;
      if (!media?.schema || !media.examples) continue;
      const validate = requests.compile({ $ref: encodeURI(`requests#${place}${pointer('content', 'application/json', 'schema')}`) });
      for (const { value } of Object.values(media.examples)) {
        for (const [body, what] of brokenBodies(media.schema, value)) {
          const reply = await ask(one, known, { type: 'application/json', body });
          const status = conforms(one, reply);
          assert.ok(status < 500, `${reply.what} with ${what}: ${status}`);
          if (status < 400 && !validate(JSON.parse(body))) taken.push(`${reply.what} takes ${what}`);
          await endJob(reply.response);
        }
      }
    }
    assert.deepEqual(taken, []);
    assert.equal((await service.call('GET', '/livez')).status, 'alive');
  });

  test('each constraint of a parameter is kept', async () => {
    for (const one of operations()) {
      const body = exampleBodies(one)[0];
      for (const parameter of one.parameters) {
        const schema = resolve(parameter.schema);
        const validate = requests.compile(schema.$ref ? schema : { ...parameter.schema, ...(parameter.schema.$ref ? { $ref: `requests${parameter.schema.$ref}` } : {}) });
        for (const broken of breakers(schema).filter((value) => value !== null && typeof value !== 'object')) {
          const text = String(broken);
          const typed = ['integer', 'number', 'boolean'].includes(schema.type) && text !== 'nonsense' ? JSON.parse(text) : text;
          if (text === '' || text === '\u0000' || validate(typed) || validate(text)) continue;
          const encoded = encodeURIComponent(text);
          const reply = parameter.in === 'path'
            ? await ask(one, { ...known, [parameter.name]: encoded }, body)
            : parameter.in === 'query' ? await ask(one, known, { ...body, query: `?${parameter.name}=${encoded}` }) : null;
          if (!reply) continue;
          const status = conforms(one, reply);
          assert.ok(status >= 400 && status < 500, `${reply.what}: ${status}`);
        }
      }
    }
  });

  test('an ETag brings 304 where that is declared, and only there', async () => {
    for (const one of operations().filter(({ method }) => method === 'GET')) {
      const etag = (await ask(one, known)).response.headers.get('ETag');
      assert.equal(etag !== null, '304' in one.operation.responses, one.path);
      if (etag === null) continue;
      const reply = await ask(one, known, { headers: { 'If-None-Match': etag } });
      assert.equal(conforms(one, reply), 304, reply.what);
    }
  });
});

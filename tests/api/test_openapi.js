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
  label: 'absent',
};

const service = new Service();
let spec;
let schemas;
let known; // what the path parameters of examples stand for here

before(async () => {
  await service.start();
  spec = await service.call('GET', '/openapi.json');
  schemas = new Ajv({ strict: false, allErrors: true });
  addFormats(schemas);
  schemas.addSchema({ $id: 'spec', ...forbidExtraFields(spec) });
  const job = await service.train(QUICK);
  known = {
    id: job.id, model: job.result.model.name, version: job.result.model.version, name: 'mnist', split: 'train', index: 7,
    label: 'production',
  };
});

after(() => service.remove());

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
    if (type === 'image/png') return [{ name: type, type, body: examplePng() }];
    if (type === 'multipart/form-data') {
      const form = new FormData();
      form.set('image', new Blob([examplePng()], { type: 'image/png' }), 'seven.png');
      return [{ name: type, body: form }];
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

async function endJob(response, bytes) {
  if (response.status !== 202 || !response.headers.has('Location')) return;
  await service.call('POST', `/api/v1/jobs/${JSON.parse(bytes.toString()).id}/cancel`);
}

const succeeds = (status) => status >= 200 && status < 300;

// ---- Tests -----------------------------------------------------------------------------------------

describe('the description', () => {
  test('every operation succeeds as it is shown', async () => {
    for (const one of operations()) {
      const bodies = exampleBodies(one);
      for (const body of bodies.length > 0 ? bodies : [{}]) {
        const reply = await ask(one, known, body);
        const status = conforms(one, reply);
        // The job that is known has succeeded: to cancel it is the one thing that cannot be done.
        if (one.operation.operationId === 'cancelJob') assert.equal(status, 409);
        else assert.ok(succeeds(status), `${reply.what} with ${body.name}: ${status} ${reply.bytes.toString().slice(0, 300)}`);
        await endJob(reply.response, reply.bytes);
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
    for (const one of operations().filter(({ path }) => path.includes('{'))) {
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

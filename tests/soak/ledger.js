// What a server has acknowledged, kept outside of it, and what may therefore be found after a kill.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

const FINAL = new Set(['succeeded', 'failed', 'cancelled']);
const LIVE = ['queued', 'running', 'succeeded'];

/** A job of which a client knows. `may`: the states that it can be in; "gone" when it can have been deleted. */
class KnownJob {
  /** @param {string} key @param {object} request */
  constructor(key, request) {
    this.key = key;
    this.request = request;
    this.id = ''; // until it is acknowledged
    this.may = new Set(LIVE);
    this.epochs = []; // metrics that were read
    this.result = null;
  }

  get isOver() {
    return this.may.size === 1 && (FINAL.has([...this.may][0]) || this.may.has('gone'));
  }

  /** @param {string} state that a reply has told */
  saw(state) {
    this.may = new Set(FINAL.has(state) || state === 'paused' ? [state] : LIVE);
  }
}

/** What of an epoch does not depend on the clock. */
const figures = ({ seconds, ...rest }) => rest;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

export class Ledger {
  jobs = [];
  versions = new Map(); // "model/version" -> { digest, bytes: sha256 of the file, or "" before it was read }
  events = new Map(); // id -> event, as read from a stream
  weights = new Map(); // request -> digest of what it trains
  metrics = new Map(); // request -> what can be read about its whole training
  aliasMay = new Set(); // versions that the alias can be at; empty: nothing is known

  /** Of the service as a client sees it. @param {import('./killable.js').Killable} service */
  constructor(service) {
    this.service = service;
  }

  // ---- What clients do, noted down ------------------------------------------------------------------

  async post(key, request) {
    const job = new KnownJob(key, request);
    this.jobs.push(job);
    await this.repeatPost(job);
    return job;
  }

  /** With the same key: the job of the first time, if that arrived. */
  async repeatPost(job) {
    const reply = await this.service.ask('POST', '/api/v1/jobs', { body: job.request, headers: { 'Idempotency-Key': job.key } });
    if (!reply) return;
    if (reply.status === 429) {
      assert.equal(job.id, '');
      this.jobs.splice(this.jobs.indexOf(job), 1);
      return;
    }
    assert.ok(reply.status === 202 || reply.status === 200, JSON.stringify(reply));
    if (job.id) assert.equal(reply.body.id, job.id, 'a repeated request gave a second job');
    job.id = reply.body.id;
  }

  /** @param {'pause' | 'resume' | 'cancel'} order */
  async order(job, order) {
    const to = { pause: 'paused', resume: 'queued', cancel: 'cancelled' }[order];
    const before = new Set(job.may);
    job.may = new Set([...before, ...(order === 'resume' ? LIVE : [to])]);
    const reply = await this.service.ask('POST', `/api/v1/jobs/${job.id}/${order}`);
    if (!reply) return;
    if (reply.status === 200 || reply.status === 202) job.may = new Set(order === 'resume' ? LIVE : [to]);
    else if (reply.status === 409) job.may = before; // it was over, or not paused
    else assert.fail(JSON.stringify(reply));
  }

  async forget(job) {
    const before = new Set(job.may);
    job.may = new Set([...before, 'gone']);
    const reply = await this.service.ask('DELETE', `/api/v1/jobs/${job.id}`);
    if (!reply) return;
    if (reply.status === 204) job.may = new Set(['gone']);
    else if (reply.status === 409) job.may = before;
    else assert.ok(reply.status === 404 && before.has('gone'), JSON.stringify(reply));
  }

  async look(job) {
    const reply = await this.service.ask('GET', `/api/v1/jobs/${job.id}`);
    if (reply) this.checkJob(job, reply.status === 404 ? { state: 'gone' } : reply.body);
    const metrics = await this.service.ask('GET', `/api/v1/jobs/${job.id}/metrics`);
    if (metrics?.status === 200) this.checkEpochs(job, metrics.body.epochs);
  }

  async importWeights(model, bytes, digest) {
    const reply = await this.service.ask('POST', `/api/v1/models/${model}/versions`,
      { body: bytes, json: false, headers: { 'Content-Type': 'application/octet-stream' } });
    if (!reply) return;
    assert.equal(reply.status, 201, JSON.stringify(reply));
    this.versions.set(`${model}/${reply.body.version}`, { digest, bytes: '' });
  }

  async moveAlias(model, alias, version) {
    this.aliasMay.add(version);
    const reply = await this.service.ask('PUT', `/api/v1/models/${model}/aliases/${alias}`, { body: { version } });
    if (!reply) return;
    assert.equal(reply.status, 200, JSON.stringify(reply));
    this.aliasMay = new Set([version]);
  }

  // ---- What is found -------------------------------------------------------------------------------

  checkJob(job, found) {
    assert.ok(job.may.has(found.state), `${job.id} is ${found.state}, not ${[...job.may].join(' or ')}: ${JSON.stringify(found)}`);
    if (found.state === 'gone') {
      job.may = new Set(['gone']);
      return;
    }
    job.saw(found.state);
    if (job.result) assert.deepEqual(found.result, job.result);
    if (found.state !== 'succeeded') return;
    job.result = found.result;
    const { name, version } = found.result.model;
    const digest = this.versions.get(`${name}/${version}`)?.digest ?? '';
    this.versions.set(`${name}/${version}`, this.versions.get(`${name}/${version}`) ?? { digest, bytes: '', job });
  }

  /** None of those read before is missing or another. */
  checkEpochs(job, found) {
    assert.ok(found.length >= job.epochs.length, `${job.id} has lost epochs: ${found.length} of ${job.epochs.length}`);
    job.epochs.forEach((epoch, i) => assert.deepEqual(figures(found[i]), figures(epoch)));
    job.epochs = found;
  }

  /** Nothing is missing of a training that has succeeded, whether it was read before or not: each epoch and each step once,
   * and the same as of the others with the same request. */
  checkMetrics(job, { epochs, steps, steps_per_epoch }) {
    const numbers = Array.from({ length: job.request.training.epochs }, (_, i) => i + 1);
    assert.deepEqual(epochs.map(({ epoch }) => epoch), numbers, `${job.id} has lost epochs`);
    assert.equal(steps.step.at(-1), numbers.length * steps_per_epoch, `${job.id} has lost steps`);
    const request = JSON.stringify(job.request);
    const found = { epochs: epochs.map(figures), steps };
    if (!this.metrics.has(request)) this.metrics.set(request, found);
    assert.deepEqual(found, this.metrics.get(request), `${job.id} has other metrics than the same request before`);
  }

  /** The log tells how a job came to its end without a gap, and that it ended once. */
  async checkHistory(job) {
    const events = (await this.service.call('GET', `/api/v1/jobs/${job.id}/events?limit=1000`)).data;
    let state = null;
    for (const { type, data } of events) {
      if (type !== 'state') continue;
      assert.equal(data.from, state, `${job.id} became ${data.to} from ${data.from} when it was ${state}`);
      assert.ok(!FINAL.has(state), `${job.id} became ${data.to} after its end`);
      state = data.to;
    }
    assert.equal(state, 'succeeded', `the log has ${job.id} ${state}`);
    const epochs = events.filter(({ type }) => type === 'metrics').map(({ data }) => data.epoch);
    assert.deepEqual([...new Set(epochs)], job.epochs.map(({ epoch }) => epoch), `the log has lost epochs of ${job.id}`);
  }

  /** Every version is the result of one job, and every job that has one has one alone. */
  async checkOwners() {
    const results = new Map(this.jobs.filter((job) => job.result).map((job) => [job.id, job.result.model.version]));
    if (results.size === 0) return;
    for (let after = ''; ;) {
      const page = await this.service.call('GET', `/api/v1/models/trained?limit=1000${after && `&after=${after}`}`);
      for (const { job, version } of page.versions) {
        assert.equal(results.get(job) ?? version, version, `${job} has made version ${version} as well as ${results.get(job)}`);
        results.set(job, version);
      }
      if (!page.has_more) return;
      after = page.versions.at(-1).version;
    }
  }

  async listJobs() {
    const found = new Map();
    for (let after = ''; ;) {
      const page = await this.service.call('GET', `/api/v1/jobs?limit=1000${after && `&after=${after}`}`);
      for (const job of page.data) found.set(job.id, job);
      if (!page.has_more) return found;
      after = page.data.at(-1).id;
    }
  }

  /** After a kill and a start. `all`: with every version's file and every job's metrics, not only `recent` ones. */
  async check(all, recent = 50) {
    for (const job of this.jobs) if (!job.id) await this.repeatPost(job);
    const found = await this.listJobs();
    for (const job of this.jobs) this.checkJob(job, found.get(job.id) ?? { state: 'gone' });
    assert.equal(found.size, this.jobs.filter((job) => !job.may.has('gone')).length, 'there are jobs that nobody has posted');
    for (const job of all ? this.jobs : this.jobs.slice(-recent)) {
      if (job.may.has('gone')) continue;
      const metrics = await this.service.call('GET', `/api/v1/jobs/${job.id}/metrics?max_points=100000`);
      this.checkEpochs(job, metrics.epochs);
      if (job.result) this.checkMetrics(job, metrics);
      if (job.result) await this.checkHistory(job);
    }
    await this.checkVersions(all);
    await this.checkOwners();
    await this.checkEvents();
  }

  async checkVersions(all) {
    for (const [path, known] of this.versions) {
      if (!all && known.bytes) continue;
      const [model, version] = path.split('/');
      const found = await this.service.call('GET', `/api/v1/models/${model}/versions/${version}`);
      known.digest ||= found.weights_digest;
      assert.equal(found.weights_digest, known.digest);
      const file = await this.service.ask('GET', `/api/v1/models/${model}/versions/${version}/weights.safetensors`);
      assert.equal(file?.status, 200);
      known.bytes ||= sha256(file.body);
      assert.equal(sha256(file.body), known.bytes);
      if (known.job) this.checkWeights(known);
    }
    if (this.aliasMay.size === 0) return;
    const model = await this.service.call('GET', '/api/v1/models/imported');
    assert.ok(this.aliasMay.has(model.aliases.candidate), `the alias is at ${model.aliases.candidate}`);
    this.aliasMay = new Set([model.aliases.candidate]);
  }

  /** However often a job was killed, its weights are those of the others with the same request. */
  checkWeights({ job, digest }) {
    const request = JSON.stringify(job.request);
    if (!this.weights.has(request)) this.weights.set(request, digest);
    assert.equal(digest, this.weights.get(request), `${job.id} has other weights than the same request before`);
  }

  /** Those that a stream has told since the last check. */
  async checkEvents() {
    const ids = [...this.events.keys()];
    while (ids.length) {
      const page = await this.service.call('GET', `/api/v1/events?after=${ids[0] - 1}&limit=1000`);
      const found = new Map(page.data.map((event) => [event.id, event]));
      const last = page.data.at(-1)?.id ?? 0;
      for (let id; ids.length && (id = ids[0]) <= last; ids.shift()) assert.deepEqual(found.get(id), this.events.get(id));
      assert.ok(page.has_more || ids.length === 0, `event ${ids[0]} is lost`);
    }
    this.events.clear();
  }
}

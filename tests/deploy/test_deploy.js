// What deploy/ holds works: the unit is well-formed and confined, nginx serves digitd over TLS, Prometheus takes its metrics.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Service } from '../browser/service.js';

const service = new Service();
const folder = mkdtempSync(join(tmpdir(), 'digitd-deploy-'));

before(async () => {
  process.env.DIGITD_ALLOW_HOST = 'digits.example.com';
  await service.start();
});

after(async () => {
  await service.remove();
  rmSync(folder, { recursive: true, force: true });
});

const freePort = () => new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

describe('the systemd unit', () => {
  test('scores at most 1.2', () => {
    const { stdout, status } = spawnSync('systemd-analyze',
      ['security', '--offline=true', '--threshold=12', '--no-pager', 'deploy/digitd.service'], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /Overall exposure level/);
  });
});

describe('Prometheus', () => {
  test('finds no fault in the metrics', async () => {
    await fetch(`${service.url}/api/v1/jobs`);
    await fetch(`${service.url}/api/v1/predict`, { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } });
    const input = await (await fetch(`${service.url}/metrics`)).text();
    assert.match(input, /route="\/api\/v1\/predict",code="422"/);
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    assert.equal(stdout + stderr, '');
  });
});

describe('nginx', () => {
  /** @type {import('node:child_process').ChildProcess} */
  let nginx;
  let tls;

  /** The configuration as it is, but for what this test cannot have: its ports, its certificate, the address of digitd. */
  async function writeConfig() {
    const [secure, plain] = [await freePort(), await freePort()];
    tls = secure;
    const site = readFileSync('deploy/nginx.conf', 'utf8')
      .replaceAll(/listen \[::\]:.*\n/g, '')
      .replace('listen 443', `listen 127.0.0.1:${secure}`)
      .replace('listen 80', `listen 127.0.0.1:${plain}`)
      .replaceAll('/etc/ssl/digits.example.com', folder)
      .replace('127.0.0.1:8080', service.url.slice('http://'.length));
    writeFileSync(join(folder, 'site.conf'), site);
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`).join('\n');
    writeFileSync(join(folder, 'nginx.conf'), `daemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log stderr;
events {}\nhttp {\naccess_log off;\n${paths}\ninclude ${folder}/site.conf;\n}\n`);
  }

  before(async () => {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=digits.example.com', '-keyout', join(folder, 'privkey.pem'), '-out', join(folder, 'fullchain.pem')],
      { stdio: 'ignore' });
    await writeConfig();
    nginx = spawn('/usr/sbin/nginx', ['-e', 'stderr', '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
    process.once('exit', () => nginx.kill('SIGKILL'));
    while ((await ask('/livez').catch(() => null)) === null) {
      assert.equal(nginx.exitCode, null, 'nginx ended');
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  });

  after(() => nginx.kill('SIGTERM'));

  const ask = (path, options = {}, body = undefined) => new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1', port: tls, path, servername: 'digits.example.com', ca: readFileSync(join(folder, 'fullchain.pem')),
      ...options, headers: { Host: 'digits.example.com', ...options.headers },
    }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(pieces).toString() }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

  test('takes the configuration', () => {
    const { status, stderr } = spawnSync('/usr/sbin/nginx', ['-e', 'stderr', '-t', '-c', join(folder, 'nginx.conf')], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /\[warn\]/);
  });

  test('serves the page and the API over TLS, with its id for the request', async () => {
    const page = await ask('/');
    assert.equal(page.status, 200);
    assert.match(page.headers['strict-transport-security'], /max-age/);
    const version = await ask('/api/v1/version');
    assert.equal(version.status, 200);
    assert.match(version.headers['x-request-id'], /^[0-9a-f]{32}$/);
  });

  test('passes on what a page of its own writes, and nothing of another site', async () => {
    const write = (origin) => ask('/api/v1/predict',
      { method: 'POST', headers: { 'Content-Type': 'application/json', Origin: origin } }, '{}');
    assert.equal((await write('https://digits.example.com')).status, 422);
    assert.equal((await write('https://evil.example')).status, 403);
  });

  test('a large body gets through', async () => {
    const { status, text } = await ask('/v2/models/absent/infer', { method: 'POST' }, Buffer.alloc(4 << 20, 32));
    assert.equal(status, 404, text);
  });
});

// A digitd of its own for a test file, and a browser to look at it with.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const BINARY = process.env.DIGITD_BINARY ?? 'build/digitd';
const DATA_DIR = process.env.DIGITD_DATA_DIR ?? 'data/datasets';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const CHROMIUM_FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const openBrowser = () => chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });

export class Service {
  store = mkdtempSync(join(tmpdir(), 'digitd-page-'));
  listen = '127.0.0.1:0';
  url = '';
  /** @type {import('node:child_process').ChildProcess | undefined} */
  process;
  killed = false;

  /** @param {string[]} flags of `digitd serve`, besides where it listens and what it serves */
  constructor(flags = []) {
    this.flags = flags;
    process.once('exit', () => this.process?.kill('SIGKILL'));
  }

  /** Starts it, on the same port as before if it ran before, and waits until it says where it listens. */
  async start() {
    const child = spawn(BINARY, ['serve', '--listen', this.listen, '--store', this.store, '--data-dir', DATA_DIR,
      '--no-bootstrap', ...this.flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    this.killed = false;
    let output = '';
    child.once('exit', (code, signal) => {
      if (code !== 0 && !this.killed) console.error(`digitd ended with ${code ?? signal}:\n${output}`);
    });
    this.url = await new Promise((resolve, reject) => {
      const read = (/** @type {Buffer} */ chunk) => {
        output += chunk;
        const ready = /http:\/\/[\d.]+:\d+/.exec(output);
        if (ready) resolve(ready[0]);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('error', reject);
      child.once('exit', () => reject(new Error('digitd ended before it was ready')));
    });
    this.listen = this.url.slice('http://'.length);
  }

  /** As a power cut would: nothing is told to it. */
  async kill() {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    this.killed = true;
    child.kill('SIGKILL');
    await ended;
  }

  async stop() {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  async remove() {
    await this.stop();
    rmSync(this.store, { recursive: true, force: true });
  }

  /** @param {string} method @param {string} path @param {object} [body] */
  async call(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: body && { 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** Trains and waits for the end. @param {object} request */
  async train(request) {
    const { id } = await this.call('POST', '/api/v1/jobs', request);
    for (;;) {
      const job = await this.call('GET', `/api/v1/jobs/${id}`);
      if (job.state === 'succeeded') return job;
      if (job.state !== 'queued' && job.state !== 'running') throw new Error(`the training ended: ${JSON.stringify(job)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

// A runner that gives up ends this process by a signal: leave nothing behind.
process.once('SIGTERM', () => process.exit(143));

// A server that is killed and started again on the same store, and a database that is looked at in between.

import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';

import { Service } from '../browser/service.js';

const INTEGRITY = join(dirname(process.env.DIGITD_BINARY ?? 'build/digitd'), 'tests/soak/integrity');

export class Killable extends Service {
  starts = 0;

  async start() {
    this.starts++;
    await super.start();
  }

  /** Starts it and kills it `ms` later, ready or not. @param {number} ms */
  async startAndKill(ms) {
    const started = this.start().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, ms));
    await this.kill();
    await started;
  }

  /** Reading is repeated once on a new connection: the server may close one that idles just when it is used again.
   * @param {string} method @param {string} path @param {object} [body] */
  async call(method, path, body) {
    try {
      return await super.call(method, path, body);
    } catch (error) {
      if (method !== 'GET' || !(error instanceof TypeError)) throw error;
      return super.call(method, path, body);
    }
  }

  checkDatabase() {
    execFileSync(INTEGRITY, [join(this.store, 'digitd.db')], { encoding: 'utf8' });
  }

  /** A reply of any status; `undefined` when none came: nothing is known then. @param {string} method @param {string} path */
  async ask(method, path, { body = undefined, headers = {}, json = true } = {}) {
    try {
      const response = await fetch(this.url + path, {
        method,
        headers: { ...(body && json ? { 'Content-Type': 'application/json' } : {}), ...headers },
        body: body && json ? JSON.stringify(body) : body,
      });
      const type = response.headers.get('content-type') ?? '';
      const text = type.includes('json') ? await response.text() : Buffer.from(await response.arrayBuffer());
      return { status: response.status, body: type.includes('json') ? JSON.parse(text) : text };
    } catch {
      return undefined;
    }
  }
}

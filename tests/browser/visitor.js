// Somebody who looks at the page: pages of their own for a test, what they complained about, and what axe finds.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { openBrowser } from './service.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export class Visitor {
  /** @type {import('playwright-core').Browser | undefined} */
  browser;
  /** @type {import('playwright-core').BrowserContext[]} */
  contexts = [];
  /** @type {string[]} what the browser complained about during a test */
  complaints = [];

  /** @param {import('./service.js').Service} service */
  constructor(service) {
    this.service = service;
  }

  async start() {
    this.browser = await openBrowser();
  }

  async end() {
    await this.browser?.close();
  }

  /** Closes what a test opened; nothing may have complained. */
  async leave() {
    for (const context of this.contexts) await context.close();
    this.contexts = [];
    const heard = this.complaints;
    this.complaints = [];
    assert.deepEqual(heard, [], 'console errors, exceptions and violations of the policy');
  }

  /**
   * A page of its own for a test.
   * @param {import('playwright-core').BrowserContextOptions & { expect?: RegExp, at?: string }} [options] `expect`: complaints that
   *   belong to the test, such as the browser's line about a 422; `at`: the address's part after the host
   */
  async visit({ expect, at = '', ...options } = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    this.contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(120_000); // training yields to whatever else the machine does
    const complain = (/** @type {string} */ text) => {
      if (!expect?.test(text)) this.complaints.push(text);
    };
    page.on('pageerror', (error) => complain(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complain(`${message.type()}: ${message.text()}`);
    });
    await page.goto(`${this.service.url}/${at}`);
    return page;
  }
}

/** Waits until the text of the element is as wanted. */
export async function expectText(page, selector, wanted) {
  const expression = wanted instanceof RegExp ? wanted : new RegExp(`^${wanted}$`);
  await page.locator(selector).filter({ hasText: expression }).first().waitFor();
}

/** What axe finds wrong. */
export async function violations(page) {
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(() => globalThis.axe.run());
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** By how many pixels the page sticks out. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/** Goes on by the Tab key until what has this name, or this text, has the focus. @param {string | RegExp} name */
export async function tabTo(page, name) {
  for (let presses = 0; presses < 200; presses++) {
    await page.keyboard.press('Tab');
    const said = await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);
    if (name instanceof RegExp ? name.test(said ?? '') : said === name) return;
  }
  throw new Error(`no Tab leads to ${name}`);
}

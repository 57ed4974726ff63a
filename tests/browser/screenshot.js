// Makes the README's pictures from the real page, one a screen: `node tests/browser/screenshot.js docs`. It trains small
// networks first, which takes a minute or two.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { answer, drawDigit } from './digits.js';
import { Service, openBrowser } from './service.js';

const DIGIT = 3;
const BYTES_MAX = 350 * 1024;
const SWEEP = { name: 'activations', method: 'grid', parameters: { '/model/blocks/activation': ['relu', 'sigmoid', 'tanh'],
  '/model/blocks/filters': [4, 8] }, base: { model: { blocks: { conv_blocks: 1, dense_units: 32 } },
  training: { epochs: 4, train_limit: 6000 } } };

/** What is done on each screen before the picture is taken. */
const SCREENS = {
  draw: async (page) => {
    await drawDigit(page, DIGIT);
    await answer(page);
    await page.click('#why summary');
    await page.locator('.saliency canvas').waitFor();
  },
  train: async (page) => {
    await page.locator('#chart-accuracy canvas').waitFor();
    await page.locator('#start-estimate', { hasText: 'About' }).waitFor();
  },
  compare: async (page) => {
    await page.locator('.trials tbody tr').first().waitFor();
    await page.locator('.compare-plot svg').first().waitFor();
    await page.locator('#compare-estimate', { hasText: 'take about' }).waitFor();
  },
  models: async (page) => {
    await page.click('text=What the first layer looks for');
    await page.locator('.filters canvas').first().waitFor();
  },
  inspect: async (page) => {
    await page.locator('.matrix').waitFor();
    await page.locator('.matrix .wrong').filter({ hasText: await mostWrong(page) }).first().locator('a').click();
    await page.locator('.gallery a').first().click();
    await page.locator('#inspect-detail .saliency canvas').waitFor();
  },
};

/** The highest count outside the matrix's diagonal. */
async function mostWrong(page) {
  const counts = await page.locator('.matrix .wrong').allTextContents();
  return String(Math.max(...counts.map(Number)));
}

/** Compares a few networks, and waits for the end. */
async function compare() {
  const { id } = await service.call('POST', '/api/v1/sweeps', SWEEP);
  for (;;) {
    const { state } = await service.call('GET', `/api/v1/sweeps/${id}`);
    if (state === 'succeeded') return;
    if (state !== 'queued' && state !== 'running') throw new Error(`the comparison ended: ${state}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: node tests/browser/screenshot.js FOLDER\n');
  process.exit(2);
}

const service = new Service();
await service.start();
const browser = await openBrowser();
try {
  await service.train({ model: { preset: 'small' }, training: { epochs: 4, train_limit: 12000 } });
  await compare();
  for (const [screen, prepare] of Object.entries(SCREENS)) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
    await page.goto(`${service.url}/#${screen}`);
    await prepare(page);
    await page.mouse.move(0, 0);
    await page.evaluate(() => window.scrollTo(0, 0));
    const path = join(folder, `${screen}.png`);
    await page.screenshot({ path, fullPage: true, animations: 'disabled' });
    const { size } = statSync(path);
    if (size > BYTES_MAX) throw new Error(`${path} has ${size} bytes, more than ${BYTES_MAX}`);
  }
} finally {
  await browser.close();
  await service.remove();
}

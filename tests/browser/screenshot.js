// Makes the README's pictures from the real page, one a screen: `node tests/browser/screenshot.js docs`. It trains a small
// network first, which takes a minute or less.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { answer, drawDigit } from './digits.js';
import { Service, openBrowser } from './service.js';

const DIGIT = 3;
const BYTES_MAX = 150 * 1024;

/** What is done on each screen before the picture is taken. */
const SCREENS = {
  draw: async (page) => {
    await drawDigit(page, DIGIT);
    await answer(page);
    await page.click('#why summary');
    await page.locator('.saliency canvas').waitFor();
  },
  train: (page) => page.locator('#chart-accuracy canvas').waitFor(),
  models: (page) => page.locator('#version-title').waitFor(),
};

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: node tests/browser/screenshot.js FOLDER\n');
  process.exit(2);
}

const service = new Service();
await service.start();
const browser = await openBrowser();
try {
  await service.train({ model: { preset: 'small' }, training: { epochs: 5 } });
  for (const [screen, prepare] of Object.entries(SCREENS)) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
    await page.goto(`${service.url}/#${screen}`);
    await prepare(page);
    await page.mouse.move(0, 0);
    const path = join(folder, `${screen}.png`);
    await page.screenshot({ path, fullPage: true, animations: 'disabled' });
    const { size } = statSync(path);
    if (size > BYTES_MAX) throw new Error(`${path} has ${size} bytes, more than ${BYTES_MAX}`);
  }
} finally {
  await browser.close();
  await service.remove();
}

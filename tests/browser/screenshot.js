// Makes the README's picture from the real page: `node tests/browser/screenshot.js docs/draw.png`. It trains the
// reference network first, which takes a minute or more.

import { statSync } from 'node:fs';
import { answer, drawDigit } from './digits.js';
import { Service, openBrowser } from './service.js';

const DIGIT = 3;
const BYTES_MAX = 150 * 1024;

const [output] = process.argv.slice(2);
if (output === undefined) {
  process.stderr.write('usage: node tests/browser/screenshot.js OUTPUT.png\n');
  process.exit(2);
}

const service = new Service();
await service.start();
const browser = await openBrowser();
try {
  await service.train({ training: { epochs: 5 } });
  const page = await browser.newPage({ viewport: { width: 1280, height: 1480 }, colorScheme: 'light' });
  await page.goto(service.url);
  await page.locator('#chart-accuracy canvas').waitFor();
  await drawDigit(page, DIGIT);
  await answer(page);
  await page.mouse.move(0, 0);
  await page.screenshot({ path: output, fullPage: true, animations: 'disabled' });
} finally {
  await browser.close();
  await service.remove();
}

const { size } = statSync(output);
if (size > BYTES_MAX) throw new Error(`${output} has ${size} bytes, more than ${BYTES_MAX}`);

// "Wrong? It was…": drawings that are kept with the digit that they are.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { answer, drawDigit } from './digits.js';
import { Service } from './service.js';
import { Visitor, expectText, overflow, tabTo, violations } from './visitor.js';

const service = new Service();
const visitor = new Visitor(service);
const visit = (options) => visitor.visit(options);
const labels = async () => (await service.call('GET', '/api/v1/datasets/drawings/samples')).data.map(({ label }) => label);

before(async () => {
  await service.start();
  await visitor.start();
  await service.train({ model: { preset: 'small' }, training: { train_limit: 2000, epochs: 1 } });
});

after(async () => {
  await visitor.end();
  await service.remove();
});

afterEach(() => visitor.leave());

test('a drawing is kept as what it was, and taken back', async () => {
  const page = await visit();
  assert.equal(await page.locator('#keep').isHidden(), true);
  await drawDigit(page, 4);
  await answer(page);
  await page.click('#keep summary');
  await page.getByRole('button', { name: 'It was a 4' }).click();
  await expectText(page, '.keep-said', /Kept as a 4\. 1 drawing is kept\./);
  await page.getByRole('button', { name: 'It was a 9' }).click();
  await expectText(page, '.keep-said', /Kept as a 9\. 2 drawings are kept\./);
  assert.deepEqual(await labels(), [9, 4]);
  await page.locator('.keep-said').getByRole('button', { name: 'Undo' }).click();
  await expectText(page, '.keep-said', /Taken back\. 1 drawing is kept\./);
  assert.deepEqual(await labels(), [4]);
  await drawDigit(page, 1); // a new drawing: nothing of it was kept yet
  await page.waitForFunction(() => document.querySelector('.keep-said').textContent === '');
});

test('a picture is kept too, and what was stored is what the network saw', async () => {
  const page = await visit();
  await page.click('#pad-sample');
  await answer(page);
  await page.click('#keep summary');
  const answered = page.waitForResponse(/drawings\/samples/);
  await page.getByRole('button', { name: 'It was a 0' }).click();
  const { png } = await (await answered).json();
  const pixels = (source) => page.evaluate(async (src) => {
    const image = new Image();
    image.src = src;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: 28, height: 28 });
    canvas.getContext('2d').drawImage(image, 0, 0);
    return [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data];
  }, source);
  assert.deepEqual(await pixels(`data:image/png;base64,${png}`), await pixels(await page.locator('#seen').getAttribute('src')));
});

test('what was kept is trained on, mixed with what the network may know', async () => {
  const page = await visit();
  await drawDigit(page, 2);
  await answer(page);
  await page.click('#keep summary');
  await page.getByRole('button', { name: 'It was a 2' }).click();
  const started = page.waitForResponse((response) => response.request().method() === 'POST' && response.url().endsWith('/jobs'));
  await page.getByRole('button', { name: 'Train on them' }).click();
  const { id, config } = await (await started).json();
  await page.waitForFunction((hash) => location.hash === hash, `#train/${id}`);
  assert.deepEqual(config.init_from, { model: 'digits', version: 1 });
  assert.deepEqual(config.datasets.map(({ name }) => name), ['mnist', 'drawings']);
  await service.call('POST', `/api/v1/jobs/${id}/cancel`);
});

test('the keyboard does it', async () => {
  const page = await visit();
  await drawDigit(page, 7);
  await answer(page);
  const before7 = (await labels()).filter((label) => label === 7).length;
  await tabTo(page, 'Wrong? It was…');
  await page.keyboard.press('Enter');
  await page.locator('.keep-digits').waitFor();
  await tabTo(page, 'It was a 7');
  await page.keyboard.press('Enter');
  await expectText(page, '.keep-said', /Kept as a 7/);
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Undo');
  assert.equal((await labels()).filter((label) => label === 7).length, before7 + 1);
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [320, 768, 1280]) {
    test(`${colorScheme}, ${width} px: nothing sticks out, and axe finds nothing`, async () => {
      const page = await visit({ colorScheme, viewport: { width, height: 800 } });
      await drawDigit(page, 3);
      await answer(page);
      await page.click('#keep summary');
      await page.getByRole('button', { name: 'It was a 3' }).click();
      await expectText(page, '.keep-said', /Kept as a 3/);
      assert.ok(await overflow(page) <= 0);
      assert.deepEqual(await violations(page), []);
    });
  }
}

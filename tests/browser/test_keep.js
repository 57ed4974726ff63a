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
  await expectText(page, '.keep-said', /Kept as a 4, to train on\. 1 drawing is kept\./);
  await page.getByRole('button', { name: 'It was a 9' }).click();
  await expectText(page, '.keep-said', /Kept as a 9, to train on\. 2 drawings are kept\./);
  assert.deepEqual(await labels(), [9, 4]);
  await page.locator('.keep-said').getByRole('button', { name: 'Undo' }).click();
  await expectText(page, '.keep-said', /Taken back\. 1 drawing is kept\./);
  assert.deepEqual(await labels(), [4]);
  await drawDigit(page, 1); // a new drawing: nothing of it was kept yet
  await page.waitForFunction(() => document.querySelector('.keep-said').textContent === '');
});

test('what is drawn while a drawing is being kept is not taken for it', async () => {
  const page = await visit();
  await drawDigit(page, 4);
  await answer(page);
  await page.click('#keep summary');
  /** @type {() => void} */
  let letGo = () => {};
  const held = new Promise((resolve) => { letGo = resolve; });
  await page.route('**/drawings/samples?*', async (route) => {
    await held;
    await route.continue();
  });
  const asked = page.waitForRequest(/drawings\/samples/);
  const answered = page.waitForResponse(/drawings\/samples/);
  await page.getByRole('button', { name: 'It was a 4' }).click();
  const { strokes } = (await asked).postDataJSON();
  await page.locator('#pad').focus();
  await drawDigit(page, 1);
  await answer(page);
  letGo();
  await (await answered).finished();
  await expectText(page, '#announcer', /kept as a 4/);
  assert.equal(strokes.length, 2); // of the 4 alone
  assert.equal(await page.locator('.keep-said').first().textContent(), '');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'pad');
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

/** How many of the kept drawings a version reads rightly. */
async function hits(version) {
  const { confusion } = await service.call('GET', `/api/v1/models/digits/versions/${version}/evaluation?dataset=drawings&split=train&limit=0`);
  return confusion.reduce((sum, row, digit) => sum + row[digit], 0);
}

/** A page that has kept a 2 and been asked to train on what is kept. */
async function proposed(options) {
  const page = await visit(options);
  await drawDigit(page, 2);
  await answer(page);
  await page.click('#keep summary');
  await page.getByRole('button', { name: 'It was a 2' }).click();
  await page.getByRole('button', { name: 'Train on them…' }).click();
  await expectText(page, '.keep-plan', /^digits, version \d+, learns on for 2 epochs at a rate of 0\.0003, from mnist and your \d+ drawings, each 20 times an epoch\. That takes about /);
  return page;
}

test('what training on them would be is said before it is started, and can be changed in the form', async () => {
  const page = await proposed();
  assert.deepEqual((await service.call('GET', '/api/v1/jobs')).data.filter(({ state }) => state !== 'succeeded'), []);
  await page.getByRole('link', { name: 'Change it' }).click();
  await page.waitForFunction(() => document.querySelector('#mix')?.value === 'drawings');
  const values = await page.locator('#start :is(input, select)').evaluateAll((fields) => Object.fromEntries(fields.map(({ id, value }) => [id, value])));
  assert.deepEqual([values.init_from, values.dataset, values.repeat, values.epochs, values.learning_rate],
    ['digits/1', 'mnist', '20', '2', '0.0003']);
  await page.goBack();
  await page.getByRole('button', { name: 'Not now' }).click();
  assert.equal(await page.locator('.keep-plan').textContent(), '');
});

test('what was kept is trained on, and the page says whether the new version reads it', async () => {
  const page = await proposed();
  await page.route('**/api/v1/jobs', (route) => { // fewer images, so that it ends soon
    const { training, ...rest } = route.request().postDataJSON();
    return route.continue({ postData: JSON.stringify({ ...rest, training: { ...training, train_limit: 2000 } }) });
  }, { times: 1 });
  const posted = page.waitForResponse((response) => response.request().method() === 'POST' && response.url().endsWith('/jobs'));
  await page.getByRole('button', { name: 'Start training' }).click();
  const { id, config } = await (await posted).json();
  assert.deepEqual(config.init_from, { model: 'digits', version: 1 });
  assert.deepEqual(config.datasets.map(({ name, repeat }) => [name, repeat]), [['mnist', 1], ['drawings', 20]]);
  await expectText(page, '#keep-training', /^Version 2 reads \d+ of your \d+ drawings rightly; version 1 read \d+\. /);
  const { count } = await service.call('GET', '/api/v1/models/digits/versions/2/evaluation?dataset=drawings&split=train&limit=0');
  await expectText(page, '#keep-training', new RegExp(`^Version 2 reads ${await hits(2)} of your ${count} drawings rightly; version 1 read ${await hits(1)}\\.`));
  await expectText(page, '#keep-training', (await service.call('GET', '/api/v1/models/digits')).production === 2
    ? /The new one is in production now/ : /Version 1 stays in production/);
  assert.equal(await page.getByRole('link', { name: 'See the training' }).getAttribute('href'), `#train/${id}`);
  assert.deepEqual(await violations(page), []);
  await page.getByRole('link', { name: 'See them all' }).click();
  await expectText(page, '#inspect-images', new RegExp(`^On ${count} images of drawings\\. It was trained on`));
});

test('what came of it is said again after a reload, as it stands then', async () => {
  const reopened = async () => {
    const page = await visit();
    await drawDigit(page, 2);
    await answer(page);
    await page.click('#keep summary');
    return page;
  };
  for (const [version, said] of [[1, 'Version 1 (is|stays) in production'], [2, 'The new one is in production now']]) {
    await service.call('PUT', '/api/v1/models/digits/aliases/production', { version });
    const page = await reopened();
    await expectText(page, '#keep-training', new RegExp(`^Version 2 reads ${await hits(2)} of your \\d+ drawings rightly; version 1 read ${await hits(1)}\\. ${said}`));
    assert.match(await page.getByRole('link', { name: 'See the training' }).getAttribute('href'), /^#train\/job_/);
  }
  await service.call('PUT', '/api/v1/models/digits/aliases/production', { version: 1 });
});

test('a training that is cancelled says so', async () => {
  const page = await proposed();
  const posted = page.waitForResponse((response) => response.request().method() === 'POST' && response.url().endsWith('/jobs'));
  await page.getByRole('button', { name: 'Start training' }).click();
  const { id } = await (await posted).json();
  await expectText(page, '#keep-training', /^It (is training|waits for its turn)\./);
  await service.call('POST', `/api/v1/jobs/${id}/cancel`);
  await expectText(page, '#keep-training', /^It was cancelled; nothing has changed\./);
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
      const page = await proposed({ colorScheme, viewport: { width, height: 800 } });
      assert.ok(await overflow(page) <= 0);
      assert.deepEqual(await violations(page), []);
    });
  }
}

// The page in a real browser, on a real digitd with an empty store: what a visitor does, and what must never happen.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';

import { DIGIT_COUNT, answer, drawDigit, strokesOnPad } from './digits.js';
import { Service } from './service.js';
import { Visitor, expectText, overflow, violations } from './visitor.js';

const WIDTHS = [320, 768, 1280];
const QUICK = { model: { preset: 'small' }, training: { train_limit: 12000, epochs: 2 } };
const LONG = { model: { preset: 'reference' }, training: { epochs: 100 } };
const MANY_SHORT_EPOCHS = { model: { preset: 'small' }, training: { train_limit: 12000, epochs: 100 } };
const BUDGET_BYTES = 40 * 1024;
const BUDGET_REQUESTS = 20;

const service = new Service();
const visitor = new Visitor(service);
/** @type {{ id: string }} the job that made the network */
let trained;

before(async () => {
  await service.start();
  await visitor.start();
});

after(async () => {
  await visitor.end();
  await service.remove();
});

afterEach(() => visitor.leave());

const visit = (options) => visitor.visit(options);

async function cancelEverything() {
  const { data } = await service.call('GET', '/api/v1/jobs');
  for (const { id, state } of data) {
    if (state === 'queued' || state === 'running') await service.call('POST', `/api/v1/jobs/${id}/cancel`);
  }
}

describe('before anything was trained', () => {
  test('the page says that there is no network, and where to train one', async () => {
    const page = await visit();
    await expectText(page, '#confidence', 'No network yet');
    await expectText(page, '#runner-up', /Start a training first/);
    await drawDigit(page, 7);
    await expectText(page, '#confidence', 'No network yet');
    assert.equal(await page.locator('#digit').textContent(), '');
  });

  test('the first load stays within its budget', async () => {
    const page = await visit();
    await page.locator('#confidence', { hasText: 'No network yet' }).waitFor();
    const loads = await page.evaluate(() => ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))
      .map(({ name, encodedBodySize }) => ({ name, bytes: encodedBodySize })));
    const bytes = loads.reduce((sum, load) => sum + load.bytes, 0);
    assert.ok(bytes > 5000, 'the browser knows the sizes');
    assert.ok(bytes <= BUDGET_BYTES, `${bytes} bytes: ${JSON.stringify(loads)}`);
    assert.ok(loads.length <= BUDGET_REQUESTS, `${loads.length} requests: ${JSON.stringify(loads)}`);
  });

  test('the other screens say what to do first', async () => {
    const page = await visit();
    await page.click('nav a[href="#models"]');
    await expectText(page, '#models-empty', /No version yet/);
    assert.deepEqual(await violations(page), []);
    await page.click('#models-empty a');
    await expectText(page, '#job-title', 'No training yet');
    assert.deepEqual(await violations(page), []);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'train-title');
  });

  test('what is wrong with a request is said beside its field', async () => {
    const page = await visit({ expect: /status of 422/, at: '#train' });
    await page.fill('#epochs', 'ten');
    await page.fill('#learning_rate', '-1');
    await page.click('#start-button');
    await expectText(page, '#epochs-problem', /whole number.*"ten"/);
    await expectText(page, '#learning_rate-problem', /above 0.*-1/);
    assert.equal(await page.locator('#seed-problem').textContent(), '');
    assert.equal(await page.locator('#epochs').getAttribute('aria-invalid'), 'true');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'epochs');
    assert.deepEqual(await violations(page), []);
    const { data } = await service.call('GET', '/api/v1/jobs');
    assert.deepEqual(data, []);
  });
});

/**
 * The epoch of the model in training that answered last.
 * @param {import('playwright-core').Page} page
 */
async function epochOfModel(page) {
  const text = await page.locator('#model').textContent();
  return Number(text?.match(/after epoch (\d+) of /)?.[1]);
}

describe('while a network trains', () => {
  after(cancelEverything);

  test('a training is started, watched and cancelled', async () => {
    const page = await visit({ at: '#train' });
    await page.fill('#epochs', '100');
    await page.click('#start-button');
    await expectText(page, '#job-badge', 'Training');
    await expectText(page, '#job-stats', /of 100/);
    await page.waitForFunction(() => document.querySelector('#job-progress').value > 0);
    await page.click('.brand');
    await expectText(page, '#confidence', 'No network yet');
    await expectText(page, '#runner-up', /first epoch/);
    await page.click('#job-pill');

    await page.click('#job-cancel');
    await page.getByRole('button', { name: 'Keep training' }).click();
    await expectText(page, '#job-badge', 'Training');
    await page.click('#job-cancel');
    await page.getByRole('button', { name: 'Cancel training' }).click();
    await expectText(page, '#job-badge', 'Cancelled');
    const { data } = await service.call('GET', '/api/v1/jobs');
    assert.equal(data[0].state, 'cancelled');
  });

  test('what the network has learnt so far reads a drawing, without being asked again', async () => {
    const page = await visit();
    await drawDigit(page, 1);
    const { id } = await service.call('POST', '/api/v1/jobs', MANY_SHORT_EPOCHS);
    await expectText(page, '#model', /^the network in training, after epoch \d+ of 100, right on /);
    const [, at, share] = /(\d+) of 100, right on ([\d.]+)/.exec(await page.locator('#model').textContent()) ?? [];
    const { epochs } = await service.call('GET', `/api/v1/jobs/${id}/metrics`);
    assert.equal(share, (100 * epochs[Number(at) - 1].validation_accuracy).toFixed(1));
    const first = await epochOfModel(page);
    while (await epochOfModel(page) <= first) await page.waitForTimeout(100);
    await expectText(page, '#digit', '1');
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      assert.ok(await overflow(page) <= 0, `${width} px`);
    }
    await service.call('POST', `/api/v1/jobs/${id}/cancel`);
    await expectText(page, '#confidence', 'No network yet');
  });

  test('a reload shows the training that is under way', async () => {
    const { id } = await service.call('POST', '/api/v1/jobs', LONG);
    const page = await visit();
    await expectText(page, '#job-pill-state', /Training/);
    await page.click('#job-pill');
    await expectText(page, '#job-title', /100 epochs/);
    await page.reload();
    await expectText(page, '#job-badge', 'Training');
    await expectText(page, '#job-title', /100 epochs/);
    await service.call('POST', `/api/v1/jobs/${id}/cancel`);
    await expectText(page, '#job-badge', 'Cancelled');
  });
});

describe('with a trained network', () => {
  before(async () => {
    trained = await service.train(QUICK);
  });

  for (const square of [{ size: 0.9, left: 0.05, top: 0.05 }, { size: 0.65, left: 0.3, top: 0.3 }, { size: 0.4, left: 0.5, top: 0.1 }]) {
    test(`ten digits drawn with the mouse at ${square.size * 100} % of the pad are read`, async () => {
      const page = await visit();
      const read = [];
      for (let digit = 0; digit < DIGIT_COUNT; digit++) {
        await drawDigit(page, digit, square);
        read.push(await answer(page));
        await page.click('#pad-clear');
        await expectText(page, '#confidence', 'Nothing drawn yet');
        assert.equal(await page.locator('#digit').textContent(), '');
      }
      assert.deepEqual(read, [...'0123456789']);
    });
  }

  test('the page shows what the server answered', async () => {
    const page = await visit();
    const answers = [];
    page.on('response', (response) => {
      if (response.url().endsWith('/api/v1/predict')) answers.push(response.json());
    });
    await drawDigit(page, 3);
    assert.equal(await answer(page), '3');
    const last = await answers.at(-1);
    assert.equal(last.digit, 3);
    const shares = await page.locator('.bar-fill').evaluateAll((fills) =>
      fills.map((fill) => Number(fill.style.getPropertyValue('--share'))));
    assert.deepEqual(shares, last.probabilities);
    assert.equal(await page.locator('#seen').getAttribute('src'), `data:image/png;base64,${last.input.png}`);
    assert.equal(await page.locator('#seen').evaluate((image) => image.naturalWidth), 28);
    await expectText(page, '#model', 'digits, version 1');
    await expectText(page, '#latency', /ms/);
  });

  test('the answer follows the drawing: undo, and clear', async () => {
    const page = await visit();
    await drawDigit(page, 4); // its first stroke alone is no 4
    assert.equal(await answer(page), '4');
    const whole = await page.locator('#seen').getAttribute('src');
    await page.keyboard.press('Control+z');
    await answer(page);
    assert.notEqual(await page.locator('#seen').getAttribute('src'), whole);
    await page.click('#pad-undo');
    await expectText(page, '#confidence', 'Nothing drawn yet');
    assert.equal(await page.locator('#pad-clear').isDisabled(), true);
    await page.click('#pad-redo');
    await page.keyboard.press('Control+y');
    await answer(page);
    assert.equal(await page.locator('#seen').getAttribute('src'), whole);
    await page.click('#pad-clear');
    await expectText(page, '#confidence', 'Nothing drawn yet');
    await page.click('#pad-undo'); // a pad cleared by mistake comes back
    await answer(page);
    assert.equal(await page.locator('#seen').getAttribute('src'), whole);
  });

  test('a sample of the test images, and a picture from a file, are read', async () => {
    const page = await visit();
    await page.click('#pad-sample');
    await answer(page);
    assert.equal(await page.locator('#pad-hint').isHidden(), true);
    await page.setInputFiles('#pad-file', 'docs/seven.png');
    await expectText(page, '#digit', '7');
    await drawDigit(page, 1); // drawn over a picture, which goes
    await expectText(page, '#digit', '1');
  });

  /** How dark the pad is at a place, in sides of it: 0 where nothing was drawn. */
  const inkAt = (page, x, y) => page.evaluate(([left, top]) => new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const pad = document.querySelector('#pad');
      const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
      context.drawImage(pad, -Math.round(left * pad.width), -Math.round(top * pad.height));
      resolve(context.getImageData(0, 0, 1, 1).data[3]);
    }));
  }), [x, y]);

  test('a tap draws a dot, which is on the pad as it is in what the network saw', async () => {
    const page = await visit();
    await page.locator('#pad').click({ position: { x: 100, y: 100 } });
    await answer(page);
    const { width } = await page.locator('#pad').boundingBox();
    assert.equal(await inkAt(page, 100 / width, 100 / width), 255);
    assert.equal(await inkAt(page, 100 / width + 0.1, 100 / width), 0);
    await page.click('#pad-undo');
    assert.equal(await inkAt(page, 100 / width, 100 / width), 0);
  });

  test('a picture that is drawn over, or cleared, comes back, and goes again', async () => {
    const page = await visit();
    await page.setInputFiles('#pad-file', 'docs/seven.png');
    await expectText(page, '#digit', '7');
    await drawDigit(page, 1);
    await expectText(page, '#digit', '1');
    await page.click('#pad-undo');
    await expectText(page, '#digit', '7');
    await page.click('#pad-redo');
    await expectText(page, '#digit', '1');
    await page.click('#pad-undo');
    await page.click('#pad-clear');
    await expectText(page, '#confidence', 'Nothing drawn yet');
    await page.click('#pad-undo');
    await expectText(page, '#digit', '7');
    await page.click('#pad-undo');
    await expectText(page, '#confidence', 'Nothing drawn yet');
  });

  test('a file that is no picture is said to be none, and leaves the pad and its answer alone', async () => {
    const page = await visit();
    await page.setInputFiles('#pad-file', 'docs/seven.png');
    await expectText(page, '#digit', '7');
    await page.setInputFiles('#pad-file', 'README.md');
    await expectText(page, '#pad-problem', /could not be opened/);
    assert.deepEqual(await violations(page), []);
    await expectText(page, '#digit', '7');
    await drawDigit(page, 1);
    await expectText(page, '#digit', '1');
    assert.equal(await page.locator('#pad-problem').textContent(), '');
  });

  test('the network that reads is chosen, and is in the address', async () => {
    const page = await visit();
    await page.waitForFunction(() => /^In production . \(digits, version 1\)$/.test(document.querySelector('#reader option').textContent));
    await page.selectOption('#reader', 'model=digits&version=1');
    assert.equal(new URL(page.url()).hash, '#draw?model=digits&version=1');
    const asked = page.waitForRequest(/predict/);
    await drawDigit(page, 3);
    assert.match((await asked).url(), /\/models\/digits\/predict\?version=1$/);
    await expectText(page, '#digit', '3');
    await page.reload();
    await page.waitForFunction(() => document.querySelector('#reader').selectedOptions[0].text.startsWith('digits, version 1'));
  });

  test('why the network answers so is shown when asked for, and follows the drawing', async () => {
    const page = await visit();
    await page.click('#why summary');
    await expectText(page, '#why-note', 'Draw a digit first.');
    const answers = [];
    page.on('response', (response) => {
      if (response.url().endsWith('/predict/explain')) answers.push(response.json());
    });
    await drawDigit(page, 3);
    await expectText(page, '.saliency-names', /speaks for a 3/);
    await page.locator('#why-maps[aria-busy="false"]').waitFor();
    const { layers } = await answers.at(-1);
    assert.deepEqual(await page.locator('#why-maps img[alt]:not([alt=""])').evaluateAll((images) => images.map(({ src }) => src)),
      layers.map(({ png }) => `data:image/png;base64,${png}`));
    const painted = await page.locator('.saliency canvas').evaluate((canvas) =>
      canvas.getContext('2d').getImageData(0, 0, 28, 28).data.some((value) => value > 0));
    assert.ok(painted);
    assert.deepEqual(await violations(page), []);
    await page.click('#pad-clear');
    await expectText(page, '#why-note', 'Draw a digit first.');
    assert.equal(await page.locator('#why-maps figure').count(), 0);
  });

  test('what is opened comes into the window, and nothing moves when the first stroke is read', async () => {
    const page = await visit();
    const top = () => page.locator('#why').evaluate((card) => card.getBoundingClientRect().top + scrollY);
    await expectText(page, '#confidence', 'Nothing drawn yet');
    const before = await top();
    await drawDigit(page, 3);
    await answer(page);
    assert.equal(await top(), before);
    await page.click('#why summary');
    await page.waitForFunction(() => document.querySelector('.saliency canvas')?.getBoundingClientRect().bottom <= innerHeight);
  });

  test('a version shows what it is, is downloaded, drawn with and trained further', async () => {
    const page = await visit();
    await page.click('nav a[href="#models"]');
    const version = await service.call('GET', '/api/v1/models/digits/versions/1');
    await expectText(page, '#version-title', 'digits, version 1');
    await expectText(page, '#version', new RegExp(`${(version.metrics.test_accuracy * 100).toFixed(2)}`));
    assert.equal(await page.locator('.layers tbody tr').count(), version.config.model.layers.length + 1);
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: /^Weights/ }).click();
    assert.equal(statSync(await (await download).path()).size, version.file_bytes);
    await page.getByRole('link', { name: 'Train it further' }).click();
    await page.waitForFunction(() => document.querySelector('#init_from')?.value === 'digits/1');
    await page.fill('#epochs', '100'); // one would be over before it is seen
    const started = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/jobs'));
    await page.click('#start-button');
    assert.deepEqual((await started).postDataJSON().init_from, { model: 'digits', version: 1 });
    await expectText(page, '#job-badge', 'Training');
    await cancelEverything();
    await page.goBack();
    await page.goBack();
    await page.getByRole('link', { name: 'Draw with it' }).click();
    await page.waitForFunction(() => document.querySelector('#reader')?.value === 'model=digits&version=1');
  });

  test('a version that was imported without its training is shown as far as it is known', async () => {
    const file = await fetch(`${service.url}/api/v1/models/digits/versions/1/weights.safetensors`);
    const weights = Buffer.from(await file.arrayBuffer());
    const length = Number(weights.readBigUInt64LE(0));
    const { __metadata__: { spec }, ...tensors } = JSON.parse(weights.toString('utf8', 8, 8 + length));
    const bare = Buffer.from(JSON.stringify({ __metadata__: { spec }, ...tensors }));
    const header = Buffer.concat([bare, Buffer.alloc((8 - bare.length % 8) % 8, ' ')]);
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(header.length));
    const imported = await fetch(`${service.url}/api/v1/models/imported/versions`, {
      method: 'POST', headers: { 'Content-Type': 'application/octet-stream' },
      body: Buffer.concat([prefix, header, weights.subarray(8 + length)]),
    });
    assert.equal(imported.status, 201);
    assert.equal((await imported.json()).config, null);
    const page = await visit({ at: '#models/imported/1' });
    await expectText(page, '#version-title', 'imported, version 1');
    await expectText(page, '#version', /Test accuracy\s*–/);
    assert.deepEqual(await violations(page), []);
    await page.close();
    assert.equal((await fetch(`${service.url}/api/v1/models/imported/versions/1`, { method: 'DELETE' })).status, 204);
  });

  test('a recipe fills the form with its values', async () => {
    const page = await visit({ at: '#train' });
    const { data: recipes } = await service.call('GET', '/api/v1/recipes');
    const best = recipes.find(({ name }) => name === 'best');
    await page.locator('#recipe option[value=best]').waitFor({ state: 'attached' });
    await page.selectOption('#recipe', 'best');
    await expectText(page, '#recipe-note', new RegExp(best.description));
    assert.equal(await page.inputValue('#epochs'), String(best.training.epochs));
    assert.equal(await page.inputValue('#batch_size'), String(best.training.batch_size));
  });

  test('curves are kept as CSV and as a picture', async () => {
    const page = await visit({ at: `#train/${trained.id}` });
    await page.locator('#chart-accuracy canvas').waitFor();
    const files = {};
    for (const form of ['CSV', 'PNG']) {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: `Accuracy as ${form}` }).click();
      files[form] = readFileSync(await (await download).path());
    }
    const rows = files.CSV.toString().trim().split('\r\n');
    const last = await page.locator('#chart-accuracy tbody tr').count();
    assert.equal(rows[0], 'epoch,training,validation');
    assert.equal(rows.length, last + 1);
    assert.equal(files.PNG.subarray(1, 4).toString(), 'PNG');
    const plot = await page.locator('#chart-accuracy canvas').evaluate(({ width, height }) => ({ width, height }));
    assert.equal(files.PNG.readUInt32BE(16), plot.width);
    assert.ok(files.PNG.readUInt32BE(20) > plot.height); // a title, a legend and a summary are around it
  });

  test('the line of single steps is drawn whole, and named', async () => {
    const page = await visit({ at: `#train/${trained.id}` });
    await page.locator('#chart-loss canvas').waitFor();
    await expectText(page, '#chart-loss .readout', /single steps/);
    const beyond = await page.locator('#chart-loss').evaluate((figure) => {
      const [canvas, area] = [figure.querySelector('canvas'), figure.querySelector('.u-over')];
      const scale = canvas.width / canvas.clientWidth;
      const [top, left] = ['offsetTop', 'offsetLeft'].map((side) => Math.round(area[side] * scale));
      const { data } = canvas.getContext('2d').getImageData(left + 2, top, Math.round(area.clientWidth * scale) - 2, 2);
      return [...data].filter((value, i) => i % 4 === 3 && value > 0 && data[i - 1] - data[i - 3] > 60).length; // blue, not the grid
    });
    assert.equal(beyond, 0, 'no line ends at the upper edge');
  });

  test('a finger draws, and does not scroll the page', async () => {
    const page = await visit({ viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
    const [stroke] = await strokesOnPad(page, 2);
    const finger = await page.context().newCDPSession(page);
    const touch = (type, ...points) => finger.send('Input.dispatchTouchEvent', {
      type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    const box = await page.locator('#pad').boundingBox();
    const palm = [box.x + box.width - 10, box.y + box.height - 10];
    await touch('touchStart', stroke[0]);
    for (const point of stroke.slice(1)) await touch('touchMove', point, palm);
    await touch('touchEnd');
    assert.equal(await answer(page), '2');
    assert.equal(await page.evaluate(() => window.scrollY), 0);
    await page.tap('#pad-undo');
    await expectText(page, '#confidence', 'Nothing drawn yet'); // it was one stroke, without the palm's
  });

  test('the keyboard draws, and a screen reader is told', async () => {
    const page = await visit();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter'); // the skip link
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'pad');
    for (let i = 0; i < 7; i++) await page.keyboard.press('ArrowUp');
    await page.keyboard.press(' ');
    await expectText(page, '#announcer', 'Pen down');
    for (let i = 0; i < 14; i++) await page.keyboard.press('ArrowDown');
    assert.equal(await answer(page), '1');
    const seen = await page.locator('#seen').getAttribute('src');
    await page.keyboard.press(' ');
    for (let i = 0; i < 6; i++) await page.keyboard.press('ArrowLeft'); // with the pen up
    assert.equal(await answer(page), '1');
    assert.equal(await page.locator('#seen').getAttribute('src'), seen);
    await drawDigit(page, 7);
    await expectText(page, '#announcer', /It looks like a/);
  });

  test('curves are drawn from the metrics, and are there as a table', async () => {
    const page = await visit({ at: `#train/${trained.id}` });
    const { data } = await service.call('GET', '/api/v1/jobs?status=succeeded');
    const { epochs } = await service.call('GET', `/api/v1/jobs/${data[0].id}/metrics`);
    await page.locator('#chart-accuracy').scrollIntoViewIfNeeded();
    await page.locator('#chart-loss canvas').waitFor();
    const button = page.locator('#chart-accuracy').getByRole('button', { name: /CSV/ });
    const place = await button.boundingBox();
    await page.locator('#chart-accuracy summary').click();
    assert.deepEqual(await button.boundingBox(), place);
    const rows = await page.locator('#chart-accuracy tbody tr').evaluateAll((all) =>
      all.map((row) => [...row.children].map((cell) => parseFloat(cell.textContent ?? ''))));
    assert.deepEqual(rows, epochs.map(({ epoch, train_accuracy, validation_accuracy }) =>
      [epoch, ...[train_accuracy, validation_accuracy].map((share) => Number((share * 100).toFixed(2)))]));
  });

  test('a connection that is lost is said, and mends itself', async () => {
    const page = await visit({ expect: /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/ });
    await expectText(page, '#confidence', 'Nothing drawn yet');
    const place = await page.locator('#pad').boundingBox();
    await service.stop();
    await drawDigit(page, 7);
    await expectText(page, '#banner', /connection to the server is lost/i);
    assert.deepEqual(await page.locator('#pad').boundingBox(), place); // nothing moves away
    await service.start();
    await page.locator('#banner').waitFor({ state: 'hidden' });
    assert.equal(await answer(page), '7');
  });
});

describe('for everybody', () => {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of WIDTHS) {
      test(`${colorScheme}, ${width} px: nothing sticks out, and axe finds nothing`, async () => {
        const page = await visit({ colorScheme, viewport: { width, height: 800 } });
        const check = async (state) => {
          assert.ok(await overflow(page) <= 0, state);
          assert.deepEqual(await violations(page), [], state);
        };
        await expectText(page, '#confidence', 'Nothing drawn yet');
        await check('empty pad');
        await drawDigit(page, 8);
        await answer(page);
        await page.click('#why summary');
        await page.locator('.saliency canvas').waitFor();
        await check('with an answer, and why');
        await page.goto(`${service.url}/#train/${trained.id}`);
        await page.locator('#chart-loss summary').click();
        await page.locator('#chart-loss canvas').waitFor();
        await check('curves, with open data');
        await page.click('nav a[href="#models"]');
        await page.locator('#version-title').waitFor();
        await check('models');
      });
    }
  }

  test('the colours follow the system until the reader chooses, and the choice is kept', async () => {
    const page = await visit({ colorScheme: 'dark' });
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assert.equal(await background(), 'rgb(15, 20, 26)');
    await page.emulateMedia({ colorScheme: 'light' });
    assert.equal(await background(), 'rgb(255, 255, 255)');
    await page.click('#theme-toggle');
    assert.equal(await background(), 'rgb(15, 20, 26)');
    await page.reload();
    assert.equal(await background(), 'rgb(15, 20, 26)');
  });
});

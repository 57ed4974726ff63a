// The screen that looks into a network: from the matrix to the mistakes, and from a mistake to the layers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';

import { keepDigits } from './digits.js';
import { Service } from './service.js';
import { Visitor, expectText, overflow, tabTo, violations } from './visitor.js';

const BAD = { model: { preset: 'small' }, training: { train_limit: 2000, epochs: 1 } }; // makes mistakes of every kind

const service = new Service();
const visitor = new Visitor(service);
const visit = (options) => visitor.visit(options);
const evaluation = (query = '') => service.call('GET', `/api/v1/models/digits/versions/1/evaluation?${query}`);

before(async () => {
  await service.start();
  await visitor.start();
});

after(async () => {
  await visitor.end();
  await service.remove();
});

afterEach(() => visitor.leave());

/** The digits that are taken for each other most often. @param {number[][]} confusion */
function worstPair(confusion) {
  const pairs = confusion.flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
    .filter(({ label, predicted }) => label !== predicted);
  return pairs.sort((a, b) => b.count - a.count)[0];
}

test('before anything was trained the screen says what will be there, and where to train', async () => {
  const page = await visit({ at: '#inspect' });
  await expectText(page, '#inspect-empty', /No version yet/);
  assert.deepEqual(await violations(page), []);
  await page.click('#inspect-empty a');
  await page.locator('#view-train').waitFor();
});

describe('a network that was trained a little', () => {
  before(() => service.train(BAD));

  test('the matrix and the figures are those of the evaluation', async () => {
    const page = await visit();
    await page.click('nav a[href="#inspect"]');
    await page.locator('.matrix').waitFor();
    const { confusion, classes, accuracy } = await evaluation();
    const cells = await page.locator('.matrix tbody tr').evaluateAll((rows) => rows.map((row) =>
      [...row.children].slice(1, 11).map((cell) => Number(cell.textContent.replace(',', '')))));
    assert.deepEqual(cells, confusion);
    await expectText(page, '#inspect-figures', new RegExp((accuracy * 100).toFixed(2)));
    const recalls = await page.locator('#inspect-grid .figures tbody tr').evaluateAll((rows) => rows.map((row) =>
      parseFloat(row.children[2].textContent)));
    assert.deepEqual(recalls, classes.map(({ recall }) => Number((recall * 100).toFixed(1))));
  });

  test('a mistake is followed from the matrix to the maps of every layer, and back', async () => {
    const page = await visit({ at: '#inspect/digits/1' });
    const { confusion } = await evaluation('limit=0');
    const { label, predicted, count } = worstPair(confusion);
    const { mistakes } = await evaluation(`label=${label}&predicted=${predicted}`);
    await page.getByRole('link', { name: new RegExp(`of ${label} read as ${predicted}`) }).click();
    await expectText(page, '#mistakes-title', `${label} read as ${predicted}`);
    assert.equal(new URL(page.url()).hash, `#inspect/digits/1?label=${label}&predicted=${predicted}`);
    const all = page.getByRole('button', { name: /^Show all/ });
    if (await all.count() > 0) await all.click();
    const names = await page.locator('.gallery a').evaluateAll((links) => links.map(({ textContent }) => parseInt(textContent.slice(6), 10)));
    await expectText(page, '#inspect-mistakes', names.length < count ? new RegExp(`The worst ${names.length} of ${count}`) : /worst, first/);
    assert.deepEqual(names, mistakes.map(({ index }) => index));

    const explained = page.waitForResponse(/\/models\/digits\/predict\/explain\?version=1$/);
    await page.locator('.gallery a').nth(1).click();
    const { layers, digit } = await (await explained).json();
    assert.equal(digit, predicted);
    await expectText(page, '#mistake-title', `Image ${mistakes[1].index}: a ${label}, read as ${predicted}`);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'mistake-title');
    await page.locator('#inspect-detail .saliency canvas').waitFor();
    assert.deepEqual(await page.locator('#inspect-detail .why-maps img[alt]:not([alt=""])').evaluateAll((images) => images.map(({ src }) => src)),
      layers.map(({ png }) => `data:image/png;base64,${png}`));
    assert.equal(await page.locator('#inspect-detail .bar[data-top]').getAttribute('data-top'), '');
    await page.reload(); // all of it is in the address
    await expectText(page, '#mistake-title', new RegExp(`^Image ${mistakes[1].index}`));
    await page.goBack();
    await page.locator('#inspect-detail').waitFor({ state: 'hidden' });
    await page.getByRole('link', { name: 'All mistakes' }).click();
    await expectText(page, '#mistakes-title', 'Mistakes');
  });

  test('the keyboard alone leads from the matrix to a mistake', async () => {
    const page = await visit({ at: '#inspect/digits/1' });
    await page.locator('.matrix').waitFor();
    const { label, predicted } = worstPair((await evaluation('limit=0')).confusion);
    await tabTo(page, new RegExp(`of ${label} read as ${predicted}$`));
    await page.keyboard.press('Enter');
    await expectText(page, '#mistakes-title', `${label} read as ${predicted}`);
    await page.waitForFunction(() => document.activeElement?.id === 'mistakes-title');
    await page.locator('.gallery a').first().waitFor();
    await page.waitForFunction(() => document.querySelector('.gallery a').getBoundingClientRect().bottom <= innerHeight);
    await page.goBack();
    const name = new RegExp(`of ${label} read as ${predicted}$`);
    await page.waitForFunction((text) => new RegExp(text).test(document.activeElement?.getAttribute('aria-label')), name.source);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.id === 'mistakes-title');
    await tabTo(page, /^Image \d+: a/);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.activeElement?.id === 'mistake-title');
    await page.locator('#inspect-detail .saliency canvas').waitFor();
  });

  test('a finger does too', async () => {
    const page = await visit({ at: '#inspect/digits/1', viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
    await page.locator('.matrix .wrong a').first().tap();
    await page.locator('.gallery a').first().tap();
    await page.locator('#inspect-detail .saliency canvas').waitFor();
    assert.ok(await overflow(page) <= 0);
  });

  test('the matrix is kept as CSV, SVG and PNG', async () => {
    const page = await visit({ at: '#inspect/digits/1' });
    const files = {};
    for (const form of ['CSV', 'SVG', 'PNG']) {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: `Matrix as ${form}` }).click();
      const file = await download;
      assert.equal(file.suggestedFilename(), `confusion-digits-1-mnist.${form.toLowerCase()}`);
      files[form] = readFileSync(await file.path());
    }
    const { confusion } = await evaluation('limit=0');
    const rows = files.CSV.toString().trim().split('\r\n').slice(1).map((row) => row.split(',').slice(1).map(Number));
    assert.deepEqual(rows, confusion);
    assert.match(files.SVG.toString(), new RegExp(`<svg[^]*>${worstPair(confusion).count}</text>`));
    assert.equal(files.PNG.subarray(1, 4).toString(), 'PNG');
  });

  for (const width of [320, 390, 768, 1024, 1280]) {
    test(`${width} px: the matrix has columns of one width, is there without scrolling, and its numbers fit`, async () => {
      const page = await visit({ at: '#inspect/digits/1', viewport: { width, height: 800 } });
      await page.locator('.matrix').waitFor();
      const { widths, cut, tooLong } = await page.locator('.matrix').evaluate((matrix) => {
        const cells = [...matrix.querySelectorAll('tbody td:not(.share)')];
        const lengthOf = (cell) => {
          const range = document.createRange();
          range.selectNodeContents(cell.querySelector('a') ?? cell);
          return range.getBoundingClientRect().width;
        };
        const { parentElement: box } = matrix;
        return { widths: cells.map((cell) => cell.getBoundingClientRect().width), cut: box.scrollWidth - box.clientWidth,
          tooLong: cells.filter((cell) => lengthOf(cell) > cell.clientWidth).map(({ textContent }) => textContent) };
      });
      assert.equal(widths.length, 100);
      assert.ok(Math.max(...widths) - Math.min(...widths) < 1, String(widths));
      assert.equal(cut, 0);
      assert.deepEqual(tooLong, []);
    });
  }

  test('the pictures of a mistake begin at one height in a row, and each unit of the last has its digit on it', async () => {
    const [{ index }] = (await evaluation('limit=1')).mistakes;
    const page = await visit({ at: `#inspect/digits/1?image=${index}` });
    await page.locator('.digit-units span').last().waitFor();
    const tops = await page.locator('#inspect-detail .maps').evaluateAll((figures) => figures.map((figure) =>
      [...figure.children].map((child) => Math.round(child.getBoundingClientRect().top))));
    for (const [caption, picture] of tops) assert.equal(picture, tops.find(([other]) => other === caption)[1], JSON.stringify(tops));
    const units = await page.locator('.digit-units').evaluate((box) => {
      const image = box.querySelector('img');
      const { left, top, width, height } = image.getBoundingClientRect();
      const [columns, rows] = [image.naturalWidth, image.naturalHeight];
      return { pixels: columns * rows, names: [...box.querySelectorAll('span')].map((name) => {
        const { x, y } = name.getBoundingClientRect();
        return [name.textContent, Math.floor(((y - top) / height) * rows + 0.05) * columns + Math.floor(((x - left) / width) * columns + 0.05)];
      }) };
    });
    assert.deepEqual(units, { pixels: 10, names: Array.from({ length: 10 }, (_, digit) => [String(digit), digit]) });
  });

  test('its headings are of one size', async () => {
    const [{ index }] = (await evaluation('limit=1')).mistakes;
    const page = await visit({ at: `#inspect/digits/1?image=${index}` });
    await page.locator('#inspect-detail .saliency canvas').waitFor();
    const sizes = await page.locator('#view-inspect h2').evaluateAll((all) => all.map((one) => getComputedStyle(one).fontSize));
    assert.equal(sizes.length, 5);
    assert.equal(new Set(sizes).size, 1, String(sizes));
  });

  test('what the address asks for in vain is said in words', async () => {
    const page = await visit({ at: '#inspect/digits/1?dataset=none', expect: /status of 404/ });
    await expectText(page, '#inspect-note', /none/);
    assert.equal(await page.locator('#inspect-content').isHidden(), true);
    await page.selectOption('#inspect-dataset', 'mnist/test');
    await page.locator('.matrix').waitFor();
  });

  test('the training images are read too, after a word on how long it takes, and what it was trained on is said', async () => {
    const page = await visit({ at: '#inspect/digits/1' });
    await expectText(page, '#inspect-images', /^On 10,000 test images of mnist\.$/);
    await page.selectOption('#inspect-dataset', 'mnist/train');
    await expectText(page, '#inspect-note', /Reading the images of mnist\. .* only once\./);
    await page.locator('.inspect progress').waitFor();
    assert.deepEqual(await violations(page), []);
    await expectText(page, '#inspect-images', /^On 60,000 training images of mnist\. It was trained on images of these/);
    assert.equal(await page.locator('#inspect-note').isHidden(), true);
    assert.equal(await page.locator('.inspect progress').isHidden(), true);
    assert.equal(new URL(page.url()).hash, '#inspect/digits/1?dataset=mnist&split=train');
    const { accuracy, mistakes: [worst] } = await evaluation('dataset=mnist&split=train&limit=1');
    await expectText(page, '#inspect-figures', new RegExp((accuracy * 100).toFixed(2)));
    const picture = page.waitForResponse(new RegExp(`/datasets/mnist/train/${worst.index}\\.png$`));
    await page.locator('.gallery a').first().click();
    assert.equal((await picture).status(), 200);
    await page.locator('#inspect-detail .saliency canvas').waitFor();
    await page.selectOption('#inspect-dataset', 'fashion-mnist/test');
    await expectText(page, '#inspect-images', /^On 10,000 test images of fashion-mnist\.$/);
  });

  test('own data is read, and again when it has changed meanwhile', async () => {
    const first = await keepDigits(service, { 0: 1, 1: 2 }); // with labels that they are not
    const page = await visit({ at: '#inspect/digits/1' });
    await page.selectOption('#inspect-dataset', { label: 'drawings, your 2 images' });
    await expectText(page, '#inspect-images', /^On 2 images of drawings\.$/);
    const pictures = () => page.locator('.gallery img').evaluateAll((images) => Promise.all(images.map(async (image) => {
      await image.decode();
      const canvas = Object.assign(document.createElement('canvas'), { width: 28, height: 28 });
      canvas.getContext('2d').drawImage(image, 0, 0);
      return [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].join();
    })));
    const before = await pictures();
    assert.equal(before.length, 2);

    await service.call('DELETE', `/api/v1/datasets/drawings/samples/${first[0]}`);
    await page.locator('.gallery a[href$="image=1"]').click(); // there is no image 1 any more
    await expectText(page, '#inspect-changed', /The images of drawings have changed since/);
    await expectText(page, '#inspect-images', /^On 1 image of drawings\.$/);
    assert.equal(new URL(page.url()).hash, '#inspect/digits/1?dataset=drawings&split=train');
    const [left, ...none] = await pictures();
    assert.deepEqual(none, []);
    assert.ok(before.includes(left));
    assert.deepEqual(await violations(page), []);

    await page.locator('.gallery a').click();
    await page.locator('#inspect-detail .saliency canvas').waitFor();
    await service.call('DELETE', '/api/v1/datasets/drawings');
    await page.click('nav a[href="#models"]');
    await page.goBack();
    await expectText(page, '#inspect-images', /no longer there/);
    await expectText(page, '#inspect-figures', /1 of 1/);
  });

  test('own data that is not there yet is missed in words, and found when it is', async () => {
    const page = await visit({ at: '#inspect/digits/1?dataset=mine&split=train', expect: /status of 404/ });
    await expectText(page, '#inspect-note', /mine/);
    await keepDigits(service, { 3: 3 }, 'mine');
    await page.reload();
    await expectText(page, '#inspect-images', /^On 1 image of mine\.$/);
    await service.call('DELETE', '/api/v1/datasets/mine');
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [320, 768, 1280]) {
      test(`${colorScheme}, ${width} px: with a mistake open, nothing sticks out, and axe finds nothing`, async () => {
        const [{ index }] = (await evaluation('limit=1')).mistakes;
        const page = await visit({ colorScheme, viewport: { width, height: 800 }, at: `#inspect/digits/1?image=${index}` });
        await page.locator('#inspect-detail .saliency canvas').waitFor();
        await page.locator('#inspect-trust summary').click();
        assert.ok(await overflow(page) <= 0);
        assert.deepEqual(await violations(page), []);
        await page.selectOption('#inspect-dataset', 'mnist/train');
        await expectText(page, '#inspect-images', /training images/);
        assert.ok(await overflow(page) <= 0);
        assert.deepEqual(await violations(page), []);
      });
    }
  }
});

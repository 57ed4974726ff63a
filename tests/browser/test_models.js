// The screen of models: versions promoted, rolled back, named, imported and deleted.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';

import { Service } from './service.js';
import { Visitor, expectText, overflow, tabTo, violations } from './visitor.js';

const SMALL = { model: { preset: 'small' }, training: { train_limit: 4000, epochs: 1 }, promotion: 'never' };

const service = new Service();
const visitor = new Visitor(service);

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

const production = async () => (await service.call('GET', '/api/v1/models/digits')).production;
const isProduction = (page, version) => expectText(page, '#models-list tr:has(.star)', new RegExp(`digits, version ${version}`));

describe('the screen of models', () => {
  before(async () => {
    await service.train({ ...SMALL, promotion: 'always' });
    await service.train(SMALL);
  });

  test('a version is put into production, undone, put again and rolled back', async () => {
    const page = await visit({ at: '#models/digits/2' });
    await isProduction(page, 1);
    await page.getByRole('button', { name: 'Put into production' }).click();
    await expectText(page, '#models-said', /Version 2 of digits is in production now/);
    await isProduction(page, 2);
    assert.equal(await production(), 2);
    await page.locator('#models-said').getByRole('button', { name: 'Undo' }).click();
    await isProduction(page, 1);
    assert.equal(await production(), 1);
    await page.getByRole('button', { name: 'Put into production' }).click();
    await isProduction(page, 2);
    await page.getByRole('button', { name: 'Roll back production' }).click();
    await expectText(page, '#models-said', /production is back at version 1/);
    await isProduction(page, 1);
    assert.equal(await production(), 1);
    await page.getByText('Moves of production').click();
    await expectText(page, '.moves li:first-child', /version 2 → version 1, rolled back/);
    assert.deepEqual(await violations(page), []);
  });

  test('the keyboard alone promotes, and the focus is on the way back', async () => {
    const page = await visit({ at: '#models/digits/2' });
    await page.locator('#version-title').waitFor();
    await tabTo(page, 'Put into production');
    await page.keyboard.press('Enter');
    await isProduction(page, 2);
    await page.waitForFunction(() => document.activeElement?.textContent === 'Undo');
    await page.keyboard.press('Enter');
    await isProduction(page, 1);
    assert.equal(await production(), 1);
  });

  test('a version gets another name, which is removed and comes back', async () => {
    const page = await visit({ at: '#models/digits/2', expect: /status of 4/ });
    await page.getByRole('button', { name: 'Name it' }).click();
    await expectText(page, '#alias-problem', /Type a name first/);
    await page.getByLabel('Another alias for version 2').fill('no name/');
    await page.getByRole('button', { name: 'Name it' }).click();
    await expectText(page, '#alias-problem', /1 to 64 characters: a to z in lower case/);
    assert.deepEqual(await violations(page), []);
    await page.getByLabel('Another alias for version 2').fill('candidate');
    await page.getByText('Configuration and origin').click();
    await page.getByLabel('Another alias for version 2').press('Enter');
    await expectText(page, '#version .badge', 'candidate');
    assert.equal(await page.locator('#version .origin').isVisible(), true); // what was opened stays open
    await page.getByRole('button', { name: 'Remove candidate' }).click();
    await expectText(page, '#models-said', /candidate is gone/);
    await page.locator('#models-said').getByRole('button', { name: 'Undo' }).click();
    await expectText(page, '#version .badge', 'candidate');
    assert.equal((await service.call('GET', '/api/v1/models/digits')).aliases.candidate, 2);
    await service.call('DELETE', '/api/v1/models/digits/aliases/candidate');
  });

  test('weights are imported, and the version is deleted only after a yes', async () => {
    const page = await visit({ at: '#models/digits/1', expect: /status of 4/ });
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: /^Weights/ }).click();
    const weights = readFileSync(await (await download).path());
    await page.getByText('Import weights').click();
    const submit = page.getByRole('button', { name: 'Import', exact: true });
    await submit.click();
    await expectText(page, '#import-problem', /Choose a file/);
    await page.setInputFiles('#import-file', { name: 'broken.safetensors', mimeType: '', buffer: weights.subarray(0, 999) });
    await submit.click();
    await page.waitForFunction(() => !/Choose|^$/.test(document.querySelector('#import-problem').textContent));
    assert.deepEqual(await violations(page), []);
    await page.setInputFiles('#import-file', { name: 'good.safetensors', mimeType: '', buffer: weights });
    await submit.click();
    await expectText(page, '#version-title', 'imported, version 1');
    assert.equal(new URL(page.url()).hash, '#models/imported/1');
    assert.deepEqual(Buffer.from(await (await fetch(`${service.url}/api/v1/models/imported/versions/1/weights.safetensors`))
      .arrayBuffer()).subarray(-1000), weights.subarray(-1000));

    await page.getByRole('button', { name: 'Delete…' }).click();
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Keep', exact: true }).click();
    assert.equal((await service.call('GET', '/api/v1/models/imported')).versions.length, 1);
    await page.getByRole('button', { name: 'Delete…' }).click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await expectText(page, '#models-said', /Version 1 of imported is deleted/);
    assert.equal((await service.call('GET', '/api/v1/models/imported')).versions.length, 0);
  });

  test('what production points at offers no deletion', async () => {
    const page = await visit({ at: '#models/digits/1' });
    await expectText(page, '#version .badge', '★ in production');
    assert.equal(await page.getByRole('button', { name: 'Delete…' }).count(), 0);
  });

  test('the layers add up to the parameters, and hand on what the network itself says', async () => {
    const page = await visit({ at: '#models/digits/1' });
    const version = await service.call('GET', '/api/v1/models/digits/versions/1');
    await page.getByText('Layers as a table').click();
    const rows = await page.locator('.layers tbody tr').evaluateAll((all) => all.map((row) => ({
      type: row.dataset.type, shape: row.children[2].textContent, parameters: row.children[3].textContent })));
    const number = (text) => Number(text.replace(/\D/g, ''));
    assert.equal(rows.reduce((sum, { parameters }) => sum + number(parameters), 0), version.parameters);
    const { layers } = await service.call('POST', '/api/v1/predict/explain', { strokes: [[[500, 200], [500, 800]]] });
    const shown = rows.filter(({ type }) => layers.some(({ kind }) => kind === type)).map(({ shape }) => shape.replace(/[\s\u202f]/g, ''));
    assert.deepEqual(shown.slice(0, layers.length),
      layers.map(({ shape: [h, w, c] }) => (h * w === 1 ? String(c) : `${h}×${w}×${c}`)));
  });

  test('the first layer\'s filters are those of the weights', async () => {
    const page = await visit({ at: '#models/digits/1' });
    await page.getByText('What the first layer looks for').click();
    const { config } = await service.call('GET', '/api/v1/models/digits/versions/1');
    const [{ filters, kernel_size: side }] = config.model.layers;
    await page.locator('.filters canvas').first().waitFor();
    const painted = await page.locator('.filters canvas').evaluateAll((all) => all.map((canvas) =>
      [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 === 0)));
    const file = Buffer.from(await (await fetch(`${service.url}/api/v1/models/digits/versions/1/weights.safetensors`)).arrayBuffer());
    const start = 8 + Number(file.readBigUInt64LE(0));
    const [from] = JSON.parse(file.toString('utf8', 8, start))['conv2d/kernel'].data_offsets;
    const kernel = Array.from({ length: side * side * filters }, (_, i) => file.readFloatLE(start + from + 4 * i));
    const strongest = Math.max(...kernel.map(Math.abs));
    assert.equal(painted.length, filters);
    painted.forEach((levels, filter) => levels.forEach((level, cell) => {
      const wanted = 127.5 * (1 + kernel[cell * filters + filter] / strongest);
      assert.ok(Math.abs(level - wanted) <= 1, `filter ${filter}, cell ${cell}: ${level}, not ${wanted}`);
    }));
  });

  for (const width of [320, 390, 1280]) {
    test(`${width} px: an alias as long as it may be breaks nothing, and can be taken off`, async () => {
      const alias = 'a'.repeat(64);
      await service.call('PUT', `/api/v1/models/digits/aliases/${alias}`, { version: 2 });
      const page = await visit({ at: '#models/digits/2', viewport: { width, height: 800 } });
      await expectText(page, '#version .badge', alias);
      await page.getByText(`Moves of ${alias}`).click();
      await page.locator('.moves li').first().waitFor();
      assert.ok(await overflow(page) <= 0);
      const remove = page.getByRole('button', { name: `Remove ${alias}` });
      const { x, width: wide } = await remove.boundingBox();
      assert.ok(x >= 0 && x + wide <= width, `from ${x}, ${wide} wide`);
      await remove.click();
      await expectText(page, '#models-said', /is gone/);
      assert.ok(await overflow(page) <= 0);
    });
  }

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [320, 768, 1280]) {
      test(`${colorScheme}, ${width} px: everything open, nothing sticks out, and axe finds nothing`, async () => {
        const page = await visit({ colorScheme, viewport: { width, height: 800 }, at: '#models/digits/2' });
        await page.locator('#version-title').waitFor();
        await page.locator('#view-models summary').evaluateAll((all) => all.forEach((one) => one.click()));
        await page.locator('.filters canvas').first().waitFor();
        await page.locator('.moves li').first().waitFor();
        assert.ok(await overflow(page) <= 0);
        assert.deepEqual(await violations(page), []);
      });
    }
  }
});

// The screen of comparisons: started, watched, paused, sorted, kept, promoted and deleted, on a real digitd.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';

import { Service } from './service.js';
import { Visitor, expectText, overflow, violations } from './visitor.js';

const service = new Service();
const visitor = new Visitor(service);
const visit = (options) => visitor.visit(options);

/** Two rates by three kernels, of which the largest does not fit the small picture after two pools; one batch size. */
const GRID = {
  name: 'rates-and-kernels',
  parameters: { '/training/learning_rate': [0.0005, 0.002], '/model/blocks/kernel_size': [2, 3, 7], '/training/batch_size': [64] },
  base: { model: { blocks: { filters: [4, 4, 4], conv_blocks: 3, dense_units: 16 } }, training: { epochs: 2, train_limit: 600 } },
};

/** Starts a sweep and waits for its end. @param {object} request */
async function sweep(request) {
  const { id } = await service.call('POST', '/api/v1/sweeps', request);
  for (;;) {
    const now = await service.call('GET', `/api/v1/sweeps/${id}`);
    if (now.state === 'succeeded') return now;
    assert.ok(['queued', 'running'].includes(now.state), JSON.stringify(now));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

before(async () => {
  await service.start();
  await visitor.start();
});

after(async () => {
  await visitor.end();
  await service.remove();
});

afterEach(() => visitor.leave());

describe('before anything was compared', () => {
  test('the screen says what to try, and what it takes', async () => {
    const page = await visit({ at: '#compare' });
    await expectText(page, '#sweep-title', 'No comparison yet');
    await expectText(page, '#sweep-line', /Try the activations first/);
    await expectText(page, '#compare-estimate', /^3 trainings take about/);
    await page.selectOption('#compare-subject', 'architecture');
    await expectText(page, '#compare-estimate', /^24 of 64 networks cannot be built; 40 trainings take about/);
    assert.deepEqual(await violations(page), []);
  });

  test('what is wrong with a grid is said beside its field', async () => {
    const page = await visit({ at: '#compare', expect: /status of 422/ });
    await page.selectOption('#compare-subject', '');
    await page.locator('#compare-form').getByLabel('Filters').fill('8, many');
    await page.locator('#compare-form').getByLabel('Learning rate').fill('-1');
    await page.locator('#compare-form').getByLabel('Epochs each').fill('0');
    await expectText(page, '#compare-model-blocks-filters-problem', /Expected a whole number.*"many"/);
    await expectText(page, '#compare-training-learning_rate-problem', /above 0/);
    await page.getByRole('button', { name: 'Start comparing' }).click();
    await expectText(page, '#compare-base-training-epochs-problem', /^Expected a whole number from 1/);
    assert.equal(await page.locator('#compare-form').getByLabel('Filters').getAttribute('aria-invalid'), 'true');
    assert.deepEqual((await service.call('GET', '/api/v1/sweeps')).data, []);
  });
});

describe('a grid of one\'s own', () => {
  test('says which values there are, as the server describes them', async () => {
    const page = await visit({ at: '#compare' });
    await page.selectOption('#compare-subject', '');
    const { components: { schemas } } = await service.call('GET', '/openapi.json');
    await expectText(page, '#compare-model-blocks-activation-allowed', schemas.activation.enum.join(', '));
    const { minimum, maximum } = schemas.training.properties.batch_size;
    await expectText(page, '#compare-training-batch_size-allowed', `${minimum} to ${maximum.toLocaleString('en-US')}`);
    assert.equal(await page.getByLabel('Activation').getAttribute('aria-describedby'),
      'compare-model-blocks-activation-problem compare-model-blocks-activation-allowed');
  });

  test('is not begun without values, and names no field as the request does', async () => {
    const page = await visit({ at: '#compare', expect: /status of 422/ });
    await page.selectOption('#compare-subject', '');
    await page.getByLabel('Filters').fill('');
    await page.locator('#compare-form').getByLabel('Learning rate').fill('');
    await expectText(page, '#compare-estimate', /some values first/);
    await page.getByRole('button', { name: 'Start comparing' }).click();
    assert.deepEqual((await service.call('GET', '/api/v1/sweeps')).data, []);
    const many = Array.from({ length: 40 }, (_, i) => i + 1).join(', ');
    await page.getByLabel('Filters').fill(many);
    await page.getByLabel('Dense units').fill(many);
    await expectText(page, '#compare-problem', /more than 1000 trials/);
    assert.doesNotMatch(await page.locator('#compare-problem').textContent(), /[/_]/);
  });

  for (const width of [320, 1280]) {
    test(`${width} px: shows all that is in its fields`, async () => {
      const page = await visit({ at: '#compare', viewport: { width, height: 800 } });
      await page.selectOption('#compare-subject', '');
      const cut = await page.locator('#compare-form input:visible').evaluateAll((all) =>
        all.filter((one) => one.scrollWidth > one.clientWidth).map(({ id }) => id));
      assert.deepEqual(cut, []);
    });
  }
});

describe('a comparison', () => {
  test('is started, paused, taken up after a reload, cancelled and deleted', async () => {
    const page = await visit({ at: '#compare' });
    await page.locator('#compare-form').getByLabel('Epochs each').fill('50'); // it would outlast the test
    await page.getByRole('button', { name: 'Start comparing' }).click();
    await expectText(page, '.compare .badge', 'Training');
    assert.match(page.url(), /#compare\/sweep_[0-9a-f]{16}$/);
    await page.getByRole('button', { name: 'Pause' }).click();
    await expectText(page, '.compare .badge', 'Paused');
    await page.reload();
    await page.getByRole('button', { name: 'Resume' }).click();
    await expectText(page, '.compare .badge', /Training|Waiting/);
    await page.getByRole('button', { name: 'Cancel' }).click();
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Cancel comparison' }).click();
    await expectText(page, '.compare .badge', 'Cancelled');
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Delete' }).click();
    await expectText(page, '#sweep-title', 'No comparison yet');
    assert.deepEqual((await service.call('GET', '/api/v1/sweeps')).data, []);
  });

  test('shows its verdict, its curves, every trial in the order asked for, and gives them away', async () => {
    const done = await sweep(GRID);
    const { data, verdict } = await service.call('GET', `/api/v1/sweeps/${done.id}/results`);
    const invalid = data.filter(({ state }) => state === 'invalid');
    assert.ok(invalid.length > 0 && invalid.length <= 4, JSON.stringify(data));
    const page = await visit({ at: `#compare/${done.id}` });
    await expectText(page, '#sweep-verdict', /^Best: /);
    assert.equal(await page.locator('#sweep-verdict').textContent(), verdict.replaceAll(' %', '\u202f%').replaceAll('_', ' '));
    assert.equal(await page.locator('.trials tbody tr').count(), 6);
    await expectText(page, '.trials tbody tr', /Cannot be built.*does not fit/);
    assert.equal(await page.locator('#sweep-curves .chart-curve').count(), 6 - invalid.length);
    assert.deepEqual(await page.locator('.trials thead button').allTextContents(), // the batch size is one
      ['Learning rate', 'Kernel size', 'Validation', 'Test', 'Trained in', 'Parameters']);
    assert.deepEqual(await page.locator('#sweep-axes .chart-name').allTextContents(), ['Learning rate', 'Kernel size', 'Validation']);

    await page.getByRole('button', { name: 'Validation', exact: true }).click();
    await page.locator('th[aria-sort=descending]').waitFor();
    assert.match(page.url(), /sort=validation&order=desc/);
    await page.getByRole('button', { name: 'Learning rate', exact: true }).click();
    await page.locator('th[aria-sort=ascending]').waitFor();
    const rates = await page.locator('.trials tbody tr td:nth-child(2)').allTextContents();
    assert.deepEqual(rates, [...rates].sort((a, b) => Number(a) - Number(b)));
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-key')), '/training/learning_rate');

    const files = {};
    for (const [name, role] of [['Results as CSV', 'link'], ['Validation accuracy by epoch as SVG', 'button']]) {
      const download = page.waitForEvent('download');
      await page.getByRole(role, { name }).click();
      files[role] = readFileSync(await (await download).path(), 'utf8');
    }
    assert.match(files.link, /^trial,/);
    assert.equal(files.link.trim().split('\n').length, 7);
    assert.match(files.button, /^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg".* stroke="rgb\(/);
  });

  test('gives its best network to production by one press', async () => {
    const page = await visit({ at: '#compare' });
    await page.getByRole('button', { name: 'Put the best into production' }).click();
    await page.getByRole('link', { name: 'See it among the models' }).click();
    await expectText(page, '#version-title', 'digits, version 1');
    const { aliases } = await service.call('GET', '/api/v1/models/digits');
    assert.deepEqual(aliases, { production: 1 });
    await page.goBack();
    await expectText(page, '.compare .job [role=status]', /^The best is digits, version 1, and in production\./);
    assert.equal(await page.getByRole('button', { name: 'Put the best into production' }).isVisible(), false);
  });

  test('asks before its best replaces a network that was right more often', async () => {
    const better = await sweep({ name: 'better', parameters: { '/training/seed': [1] },
      base: { model: { preset: 'small' }, training: { epochs: 2, train_limit: 3000 } } });
    await service.call('POST', `/api/v1/sweeps/${better.id}/promote`);
    const worse = await sweep({ name: 'worse', parameters: { '/training/seed': [1, 2] },
      base: { model: { preset: 'small' }, training: { epochs: 1, train_limit: 128 } } });
    const page = await visit({ at: `#compare/${worse.id}` });
    const promote = page.getByRole('button', { name: 'Put the best into production' });
    await promote.click();
    await expectText(page, '#ask-text', /^In production is digits, version 2: right on [\d.]+\u202f% of its test images/);
    await page.getByRole('button', { name: 'Keep version 2' }).click();
    assert.deepEqual((await service.call('GET', '/api/v1/models/digits')).aliases, { production: 2 });
    await promote.click();
    await page.getByRole('button', { name: 'Replace it' }).click();
    await expectText(page, '.compare .job [role=status]', /^The best is digits, version 3, and in production\./);
    await page.getByRole('button', { name: 'Put the best into production' }).waitFor({ state: 'hidden' });
  });

  test('makes no row anew when the order changes', async () => {
    const { data } = await service.call('GET', '/api/v1/sweeps');
    const page = await visit({ at: `#compare/${data.find(({ name }) => name === GRID.name).id}` });
    const first = page.locator('.trials tbody tr').first();
    await first.waitFor();
    await page.evaluate(() => { globalThis.kept = [...document.querySelectorAll('.trials tbody tr')]; });
    await page.getByRole('button', { name: 'Parameters', exact: true }).click();
    await page.locator('th[aria-sort]').waitFor();
    assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('.trials tbody tr')]
      .map((row) => globalThis.kept.includes(row))), Array(6).fill(true));
  });

  test('says that a network never learned, and why that happens', async () => {
    const done = await sweep({ name: 'one', parameters: { '/training/seed': [1] },
      base: { model: { preset: 'small' }, training: { epochs: 1, train_limit: 64, learning_rate: 1e-9 } } });
    const page = await visit({ at: `#compare/${done.id}` });
    await expectText(page, '.trials tbody tr', /Never learned/);
    await expectText(page, '.compare .note', /gives every picture about the same answer/);
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [320, 768, 1280]) {
      test(`${colorScheme}, ${width} px: nothing sticks out, and axe finds nothing`, async () => {
        const { data } = await service.call('GET', '/api/v1/sweeps');
        const grid = data.find(({ name }) => name === GRID.name);
        const page = await visit({ colorScheme, viewport: { width, height: 800 }, at: `#compare/${grid.id}` });
        await expectText(page, '#sweep-verdict', /^Best: /);
        await expectText(page, '#compare-estimate', /trainings take/);
        assert.ok(await overflow(page) <= 0);
        assert.deepEqual(await violations(page), []);
      });
    }
  }
});

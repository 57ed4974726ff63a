// The screen of trainings, while they run and wait: what a visitor does to them, and what the page hears of it.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { keepDigits } from './digits.js';
import { Service } from './service.js';
import { Visitor, expectText, overflow, violations } from './visitor.js';

const SMALL = { model: { preset: 'small' }, training: { epochs: 100 } };
const LONG = { model: { preset: 'reference' }, training: { epochs: 100 } };
const TRIALS = { name: 'rates', parameters: { '/training/learning_rate': [0.001, 0.003] }, base: LONG };
const MINUTE_MS = 60_000;

const service = new Service();
const visitor = new Visitor(service);
const visit = (options) => visitor.visit(options);

before(async () => {
  await service.start();
  await visitor.start();
});

after(async () => {
  await visitor.end();
  await service.remove();
});

afterEach(async () => {
  await visitor.leave();
  const { data: sweeps } = await service.call('GET', '/api/v1/sweeps');
  for (const { id, state } of sweeps) {
    if (['queued', 'running', 'paused'].includes(state)) await service.call('POST', `/api/v1/sweeps/${id}/cancel`);
  }
  const { data } = await service.call('GET', '/api/v1/jobs');
  for (const { id, state } of data) {
    if (['queued', 'running', 'paused'].includes(state)) await service.call('POST', `/api/v1/jobs/${id}/cancel`);
  }
});

/** The first trial of a sweep, once it trains. @param {string} sweep @returns {Promise<{ id: string }>} */
async function firstTrial(sweep) {
  for (;;) {
    const { data } = await service.call('GET', `/api/v1/jobs?sweep=${sweep}&status=running`);
    if (data.length > 0) return data[0];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** @returns {Promise<{ id: string, state: string, position: number | null }>} */
const job = (/** @type {string} */ id) => service.call('GET', `/api/v1/jobs/${id}`);

describe('a training', () => {
  test('is started, paused, still paused after a reload, resumed and cancelled', async () => {
    const page = await visit({ at: '#train' });
    await page.fill('#epochs', '100');
    await page.click('#start-button');
    await expectText(page, '#job-badge', 'Training');
    const id = new URL(page.url()).hash.split('/')[1];
    await page.waitForFunction(() => document.querySelector('#job-progress').value > 0);
    await page.click('#job-pause');
    await expectText(page, '#job-badge', 'Paused');
    assert.equal((await job(id)).state, 'paused');
    assert.deepEqual(await violations(page), []);

    await page.reload();
    await expectText(page, '#job-badge', 'Paused');
    await expectText(page, '#job-line', /goes on exactly where it stopped/);
    await expectText(page, '#job-stats', /Epoch1 of 100Step[1-9]\d* of 844/);
    assert.ok(await page.locator('#job-progress').evaluate((bar) => bar.value) > 0);
    await page.getByRole('button', { name: 'Resume' }).click();
    await expectText(page, '#job-badge', 'Training');
    assert.equal((await job(id)).state, 'running');

    await page.click('#job-cancel');
    await page.getByRole('button', { name: 'Cancel training' }).click();
    await expectText(page, '#job-badge', 'Cancelled');
    assert.equal((await job(id)).state, 'cancelled');
  });

  test('is not cancelled by Escape, and the question has no fault', async () => {
    const { id } = await service.call('POST', '/api/v1/jobs', LONG);
    const page = await visit({ at: `#train/${id}` });
    await page.click('#job-cancel');
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press('Escape');
    await page.locator('#ask-dialog').waitFor({ state: 'hidden' });
    await page.click('#job-pause'); // what was asked before would come first
    await expectText(page, '#job-badge', 'Paused');
    assert.equal((await job(id)).state, 'paused');
  });

  test('that waits says its place, and can be the next', async () => {
    const [, first, second] = [await service.call('POST', '/api/v1/jobs', LONG), await service.call('POST', '/api/v1/jobs', SMALL),
      await service.call('POST', '/api/v1/jobs', SMALL)];
    const page = await visit({ at: `#train/${second.id}`, viewport: { width: 320, height: 800 } });
    await expectText(page, '#job-line', /place 2 of the queue/);
    assert.ok(await overflow(page) <= 0);
    await page.click('#job-next');
    await expectText(page, '#job-line', /place 1 of the queue/);
    await page.locator('#job-next').waitFor({ state: 'hidden' });
    assert.equal((await job(first.id)).position, 2);
    await expectText(page, `#history-list a[href="#train/${first.id}"]`, /place 2/);
    await page.click(`#history-list a[href="#train/${first.id}"]`);
    await expectText(page, '#job-line', /place 2 of the queue/);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'job-title');
    await page.waitForFunction(() => document.querySelector('#job-title').getBoundingClientRect().top >= 0);
    await page.click('#job-cancel');
    await expectText(page, '#ask-text', /leaves the queue/);
    await page.keyboard.press('Escape');
  });

  test('is called by what it does otherwise than others', async () => {
    const tuned = await service.train({ ...SMALL, training: { epochs: 1, train_limit: 1000 } });
    const named = { '^Conv 16-32, dense 32, 1,000 images, 1 epoch$': tuned };
    for (const [name, request] of Object.entries({
      '^Reference, 100 epochs$': LONG,
      '^Quick, 3 epochs, rate 0.01$': { recipe: 'quick', training: { learning_rate: 0.01 } },
      '^Best, conv 16-32.*, 100 epochs, seed 7$': { ...SMALL, recipe: 'best', training: { epochs: 100, seed: 7 } },
      '^mine, conv 4 of 5×5, tanh, 500 images of fashion-mnist, 10 epochs$': { name: 'mine', dataset: 'fashion-mnist', training: { train_limit: 500 },
        model: { layers: [{ type: 'conv2d', filters: 4, kernel_size: 5, activation: 'tanh' }, { type: 'flatten' },
          { type: 'dense', units: 10, activation: 'softmax' }] } },
      [`^Tuned from digits ${tuned.result.model.version}, mnist . 3 × fashion-mnist, 10 epochs$`]: { init_from: { model: 'digits', version: tuned.result.model.version },
        datasets: [{ name: 'mnist' }, { name: 'fashion-mnist', repeat: 3 }] },
    })) named[name] = await service.call('POST', '/api/v1/jobs', request);
    const page = await visit({ at: '#train', viewport: { width: 320, height: 800 } });
    for (const [name, { id }] of Object.entries(named)) {
      await expectText(page, `#history-list a[href="#train/${id}"] > :first-child`, new RegExp(name));
    }
    assert.ok(await overflow(page) <= 0);
    await page.click(`#history-list a[href="#train/${tuned.id}"]`);
    await expectText(page, '#job-title', new RegExp(Object.keys(named)[0]));
  });

  test('that is over can be deleted, after a question', async () => {
    const { id } = await service.call('POST', '/api/v1/jobs', LONG);
    const page = await visit({ at: `#train/${id}` });
    await service.call('POST', `/api/v1/jobs/${id}/cancel`);
    await page.click('#job-delete');
    await page.click('#ask-keep');
    await page.click('#job-delete');
    await page.click('#ask-go');
    await page.waitForFunction(() => location.hash === '#train');
    await page.waitForFunction((href) => !document.querySelector(`#history-list a[href="${href}"]`), `#train/${id}`);
    await assert.rejects(job(id), /404/);
  });

  test('that is deleted is not asked for any more, whatever is being read meanwhile', async () => {
    const { id } = await service.call('POST', '/api/v1/jobs', LONG);
    const page = await visit({ at: `#train/${id}` });
    await service.call('POST', `/api/v1/jobs/${id}/cancel`);
    await page.click('#job-delete');
    /** @type {() => void} */
    let letGo = () => {};
    const held = new Promise((resolve) => { letGo = () => resolve(null); });
    await page.route(`**/jobs/${id}/metrics*`, (route) => held.then(() => route.continue()));
    const asked = page.waitForRequest((request) => request.url().includes(`${id}/metrics`));
    await service.call('POST', '/api/v1/jobs', LONG); // an event: the curves are read again
    await asked;
    const deleted = page.waitForResponse((response) => response.request().method() === 'DELETE');
    await page.click('#ask-go');
    await Promise.race([deleted, new Promise((resolve) => setTimeout(resolve, 500))]);
    letGo();
    await deleted;
    await page.waitForFunction(() => location.hash === '#train');
    await page.waitForFunction((href) => !document.querySelector(`#history-list a[href="${href}"]`), `#train/${id}`);
  });

  test('that is done says whether its version is in production, and offers what comes next', async () => {
    const train = (/** @type {object} */ training, more = {}) => service.train({ name: 'offered', model: { preset: 'small' }, training, ...more });
    const better = await train({ epochs: 1, train_limit: 6000 });
    const worse = await train({ epochs: 1, train_limit: 200 });
    const untried = await train({ epochs: 1, train_limit: 200, seed: 2 }, { promotion: 'never' });
    const production = async () => (await service.call('GET', '/api/v1/models/offered')).production;
    const page = await visit({ at: `#train/${better.id}` });
    await expectText(page, '#job-outcome', /^It went into production/);
    assert.equal(await page.locator('#job-promote').isHidden(), true);
    await page.goto(`${service.url}/#train/${untried.id}`);
    await expectText(page, '#job-outcome', /told not to/);
    await page.goto(`${service.url}/#train/${worse.id}`);
    await expectText(page, '#job-outcome', /not right on more.*In production is version 1 /);
    assert.deepEqual(await violations(page), []);

    await page.click('#job-promote');
    await page.getByRole('button', { name: 'Keep version 1' }).click();
    assert.equal(await production(), 1);
    await page.click('#job-promote');
    await page.getByRole('button', { name: 'Replace it' }).click();
    await expectText(page, '#job-outcome', /put into production since/);
    assert.equal(await production(), 2);
    assert.equal(await page.locator('#job-promote').isHidden(), true);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'job-title');

    await page.click('text=See its mistakes');
    await page.waitForFunction(() => document.querySelector('#inspect-version')?.value === 'offered/2');
    await page.goto(`${service.url}/#train/${better.id}`);
    await expectText(page, '#job-outcome', /replaced since.*In production is version 2 /);
    await page.click('text=Draw with it');
    await page.waitForFunction(() => document.querySelector('#reader').value === 'model=offered&version=1');
  });

  test('says beforehand what it would take', async () => {
    const page = await visit({ at: '#train' });
    await expectText(page, '#start-estimate', /^About .+ and .+MB of memory\.$/);
    const asked = page.waitForRequest((request) => request.url().endsWith('/sweeps/estimate'));
    await page.fill('#epochs', '77');
    await expectText(page, '#start-estimate', /^Reckoning/); // not what it was before
    assert.deepEqual((await asked).postDataJSON().parameters, { '/training/epochs': [77] });
  });

  test('says what is wrong beside the fields before it is started, and no longer once it is right', async () => {
    const page = await visit({ at: '#train', expect: /status of 422/ });
    await page.fill('#epochs', 'ten');
    await page.fill('#learning_rate', '-1');
    await expectText(page, '#epochs-problem', /whole number.*"ten"/);
    await expectText(page, '#learning_rate-problem', /above 0.*-1/);
    assert.equal(await page.locator('#start-estimate').textContent(), '');
    await page.fill('#epochs', '10');
    await page.locator('#epochs-problem').waitFor({ state: 'hidden' });
    assert.equal(await page.locator('#epochs').getAttribute('aria-invalid'), 'false');
    await expectText(page, '#learning_rate-problem', /above 0.*-1/);
    await page.fill('#learning_rate', '0.002');
    await expectText(page, '#start-estimate', /^About/);
    assert.equal(await page.locator('#start [aria-invalid="true"]').count(), 0);
  });
});

describe('own data', () => {
  test('that there is none of yet is spoken of', async () => {
    const page = await visit({ at: '#train' });
    await expectText(page, '#start', /Drawings that you keep on the Draw screen can be trained on too/);
    assert.deepEqual(await violations(page), []);
  });

  test('is mixed in from the form, to tune a version, and what is wrong is said beside the field', async () => {
    await keepDigits(service, { 3: 3, 4: 4 });
    const { result: { model: { version } } } = await service.train({ model: { preset: 'small' }, training: { epochs: 1, train_limit: 1000 } });
    const page = await visit({ at: '#train', expect: /status of 422/ });
    await page.selectOption('#init_from', `digits/${version}`);
    await page.selectOption('#mix', { label: 'drawings, your 2 images' });
    assert.equal(await page.inputValue('#repeat'), '10');
    await page.fill('#repeat', '2000');
    await page.click('#start-button');
    await expectText(page, '#repeat-problem', /outside 1\.\.1000\.$/);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'repeat');
    const reckoned = page.waitForRequest((request) => request.url().endsWith('/sweeps/estimate'));
    await page.fill('#repeat', '7');
    const { base } = (await reckoned).postDataJSON();
    assert.deepEqual([base.init_from.version, base.datasets[1]], [version, { name: 'drawings', repeat: 7 }]);
    await page.click('#start-button');
    await expectText(page, '#job-badge', /Training|Waiting/);
    assert.equal(await page.locator('#repeat-problem').textContent(), '');
    const { config } = await job(new URL(page.url()).hash.split('/')[1]);
    assert.deepEqual(config.init_from, { model: 'digits', version });
    assert.deepEqual(config.datasets.map(({ name, repeat }) => [name, repeat]), [['mnist', 1], ['drawings', 7]]);
  });

  test('and the version to start from may be in the address, also when the page is loaded with it', async () => {
    const page = await visit({ at: '#train?from=digits/1&mix=drawings' });
    await page.waitForFunction(() => document.querySelector('#init_from').value === 'digits/1');
    assert.equal(await page.locator('#preset').isDisabled(), true);
    await page.selectOption('#init_from', '');
    await service.train({ model: { preset: 'small' }, training: { epochs: 1, train_limit: 1000 } });
    await page.locator('#init_from option[value="digits/2"]').waitFor({ state: 'attached' });
    assert.equal(await page.inputValue('#init_from'), ''); // the reader's choice counts
  });

  test('alone may be too little, which is said beside the batch size', async () => {
    const page = await visit({ at: '#train?dataset=drawings', expect: /status of 422/ });
    await page.waitForFunction(() => document.querySelector('#dataset').value === 'drawings');
    await page.click('#start-button');
    await expectText(page, '#batch_size-problem', /images? to train on do not fill a batch of 64/);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'batch_size');
    await page.fill('#batch_size', '1');
    await expectText(page, '#validation_split-problem', /so few images is none/);
    await page.fill('#validation_split', '0');
    await page.locator('#validation_split-problem').waitFor({ state: 'hidden' });
    await page.click('#start-button');
    await page.waitForFunction(() => location.hash.startsWith('#train/job_'));
    const { config } = await job(new URL(page.url()).hash.split('/')[1]);
    assert.deepEqual([config.dataset, config.training.validation_split], ['drawings', 0]);
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [320, 768, 1280]) {
      test(`${colorScheme}, ${width} px: with a mix, nothing sticks out, and axe finds nothing`, async () => {
        const page = await visit({ colorScheme, viewport: { width, height: 800 }, at: '#train?mix=drawings&repeat=20' });
        await page.locator('#repeat').waitFor();
        assert.equal(await page.inputValue('#repeat'), '20');
        assert.ok(await overflow(page) <= 0);
        assert.deepEqual(await violations(page), []);
      });
    }
  }
});

describe('an address', () => {
  test('of a trial leads to it and its comparison, though no list has it', async () => {
    const sweep = await service.call('POST', '/api/v1/sweeps', TRIALS);
    const page = await visit({ at: `#train/${(await firstTrial(sweep.id)).id}` });
    await expectText(page, '#job-badge', 'Training');
    await expectText(page, '#job-pill-state', /Comparing 0 of 2/);
    for (const id of ['job-pause', 'job-cancel', 'job-delete']) assert.equal(await page.locator(`#${id}`).isHidden(), true, id);
    await page.waitForFunction(() => document.querySelector('#job-progress').value > 0);
    assert.deepEqual(await violations(page), []);
    await service.call('POST', `/api/v1/sweeps/${sweep.id}/cancel`);
    await expectText(page, '#job-badge', 'Cancelled');
    assert.equal(await page.locator('#job-delete').isHidden(), true);
    await page.click('#job-sweep');
    await page.waitForFunction((hash) => location.hash === hash, `#compare/${sweep.id}`);
  });

  test('that leads to no training says so, and shows no other', async () => {
    const { id } = await service.call('POST', '/api/v1/jobs', LONG);
    const page = await visit({ at: `#train/${id}`, expect: /status of 404/ });
    await expectText(page, '#job-badge', 'Training');
    await page.evaluate(() => { location.hash = 'train/job_0123456789abcdef'; });
    await expectText(page, '#job-title', 'No such training');
    assert.equal(await page.locator('#job-badge').isHidden(), true);
    assert.equal(await page.locator('#job-cancel').isHidden(), true);
    await page.evaluate(() => { location.hash = 'train'; });
    await expectText(page, '#job-badge', 'Training');
  });
});

describe('a comparison at work', () => {
  test('is in the header of every screen, and leads to itself', async () => {
    const page = await visit();
    const { id } = await service.call('POST', '/api/v1/sweeps', TRIALS);
    await expectText(page, '#job-pill', /Comparing 0 of 2.*left/);
    await page.click('nav a[href="#models"]');
    await page.click('#job-pill');
    await page.waitForFunction((hash) => location.hash === hash, `#compare/${id}`);
    await service.call('POST', `/api/v1/sweeps/${id}/cancel`);
    await page.locator('#job-pill').waitFor({ state: 'hidden' });
  });
});

describe('the page hears', () => {
  test('of a training that somebody else starts and ends, without asking', async () => {
    const page = await visit({ at: '#train' });
    await page.clock.install();
    await page.reload();
    await expectText(page, '#start-estimate', /About/); // all that the screen asks for by itself is there
    const asked = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.clock.runFor(MINUTE_MS);
    assert.deepEqual(asked, []);
    const { id } = await service.call('POST', '/api/v1/jobs', LONG);
    await expectText(page, '#job-badge', 'Training');
    await page.waitForFunction(() => document.querySelector('#job-progress').value > 0);
    await service.call('POST', `/api/v1/jobs/${id}/cancel`);
    await expectText(page, '#job-badge', 'Cancelled');
  });

  test('nothing while it is hidden, and everything when it is back', async () => {
    const page = await visit({ at: '#train' });
    await page.waitForLoadState('load');
    const hide = (/** @type {boolean} */ hidden) => page.evaluate((isHidden) => {
      Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    await hide(true);
    const { id } = await service.call('POST', '/api/v1/jobs', LONG);
    while ((await job(id)).state !== 'running') await page.waitForTimeout(50);
    assert.equal(await page.locator('#job-pill').isHidden(), true);
    await hide(false);
    await expectText(page, '#job-badge', 'Training');
  });

  test('of everything also when the server has no room for a stream', async () => {
    const page = await visit({ expect: /status of 429|MIME type/ });
    await page.route('**/api/v1/events', (route) => route.fulfill({ status: 429, contentType: 'application/problem+json', body: '{}' }));
    await page.goto(`${service.url}/#train`);
    await page.reload();
    await service.call('POST', '/api/v1/jobs', LONG);
    await expectText(page, '#job-badge', 'Training');
    assert.equal(await page.locator('#banner').isHidden(), true);
  });
});

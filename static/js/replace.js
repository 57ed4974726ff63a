// Asks before a version in production is replaced that was right more often.

import { listModels } from './api.js';
import { ask } from './ask.js';
import { percent } from './format.js';
import { inProduction } from './store.js';

/**
 * Whether to go on; asks only where what is there is better.
 * @param {string} what is to be put into production, as a sentence begins with it
 * @param {number | null} accuracy of it on its test images
 * @param {string} [model] that it is a version of; whichever is in production without
 */
export async function mayReplace(what, accuracy, model) {
  const current = inProduction(await listModels(), model); // another may answer by now than when the page was read
  const now = current?.metrics.test_accuracy ?? null;
  if (!current || now === null || accuracy === null || accuracy >= now) return true;
  return ask({
    title: 'Replace a better network?',
    text: `In production is ${current.model}, version ${current.version}: right on ${percent(now, 2)} of its test images. `
      + `${what} is right on ${percent(accuracy, 2)}.`,
    keep: `Keep version ${current.version}`, go: 'Replace it',
  });
}

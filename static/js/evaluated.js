// What a version makes of a set of images, when its turn comes: the server computes one evaluation at a time.

import { ApiError, evaluation } from './api.js';

const BUSY = 429; // another is being computed
const RETRY_MS = 1000;

/**
 * @param {string} model @param {string | number} version @param {Record<string, string>} query
 * @param {() => boolean} isWanted whether it is worth waiting on
 */
export async function evaluated(model, version, query, isWanted = () => true) {
  for (;;) {
    try {
      return await evaluation(model, String(version), query);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== BUSY || !isWanted()) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

// What a training would take, asked as a sweep of one trial.

import { ApiError, estimateSweep } from './api.js';

/** The pointers of an estimate's request as those of a job's. @param {ApiError} error */
function asOfJob(error) {
  error.errors = error.errors.map(({ pointer, detail }) => ({
    detail, pointer: pointer?.replace(/^\/parameters\/~1training~1epochs(\/0)?/, '/training/epochs').replace(/^\/base(?=\/|$)/, '') }));
  return error;
}

/**
 * @param {{ name?: string, training?: Record<string, any> } & Record<string, any>} request as a job's
 * @returns {Promise<import('./api.js').Sweep['estimate']>} an ApiError has the pointers of that request
 */
export async function estimateJob({ name, ...base }) {
  const { epochs = 1 } = base.training ?? {};
  try {
    return await estimateSweep({ parameters: { '/training/epochs': [epochs] }, base });
  } catch (error) {
    throw error instanceof ApiError ? asOfJob(error) : error;
  }
}

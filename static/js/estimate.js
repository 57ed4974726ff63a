// What a training would take, asked as a sweep of one trial.

import { ApiError, estimateSweep } from './api.js';

const VALIDATION = '/training/validation_split';

/** The pointers of an estimate's request as those of a job's. @param {ApiError} error */
function asOfJob(error) {
  error.errors = error.errors.map(({ pointer, detail }) => ({
    detail, pointer: pointer?.replace(/^\/parameters\/~1training~1epochs(\/0)?/, '/training/epochs').replace(/^\/base(?=\/|$)/, '') }));
  return error;
}

/**
 * @param {{ name?: string, training?: Record<string, any> } & Record<string, any>} request as a job's
 * @returns {Promise<{ seconds: number | null, memory_bytes: number }>} no seconds where that is not known; an ApiError has the pointers of that request
 */
export async function estimateJob({ name, ...base }) {
  const { epochs = 1 } = base.training ?? {};
  try {
    return await estimateSweep({ parameters: { '/training/epochs': [epochs] }, base });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { errors } = asOfJob(error);
    if (base.training?.validation_split !== 0) throw error;
    error.errors = errors.filter(({ pointer }) => pointer !== VALIDATION); // a sweep needs images to validate on, a training does not
    if (errors.length > 0 && error.errors.length === 0) return { seconds: null, memory_bytes: 0 };
    throw error;
  }
}

// The server's API as functions. Every failure is an ApiError (the server's own words) or a ConnectionError.

/**
 * @typedef {'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled'} JobState
 *
 * @typedef {object} Progress
 * @property {string} phase
 * @property {number} epoch   1-based: the epoch under way
 * @property {number} epochs
 * @property {number} step    finished steps of this epoch
 * @property {number} steps
 * @property {number | null} images_per_second
 * @property {number | null} eta_seconds
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {JobState} state
 * @property {string} created_at
 * @property {string | null} [started_at]
 * @property {string | null} [finished_at]
 * @property {{ name: string, dataset: string, model: { preset?: string }, training: Record<string, number> }} config
 * @property {Progress | null} [progress]
 * @property {{ model: { name: string, version: number }, test_accuracy: number, training_seconds: number,
 *   parameters: number } | null} [result]
 * @property {{ detail: string } | null} [error]
 *
 * @typedef {object} EpochMetrics
 * @property {number} epoch
 * @property {number | null} train_loss
 * @property {number | null} train_accuracy
 * @property {number | null} validation_loss
 * @property {number | null} validation_accuracy
 *
 * @typedef {object} Metrics
 * @property {EpochMetrics[]} epochs
 * @property {{ step: number[], loss: (number | null)[] }} steps   sampled; counted over the whole run from 1
 *
 * @typedef {object} Prediction
 * @property {number} digit
 * @property {number} confidence
 * @property {number[]} probabilities
 * @property {{ name: string, version: number | null, job?: string, epoch?: number }} model
 * @property {{ png: string }} input
 * @property {{ queue_us: number, compute_us: number }} timing
 *
 * @typedef {{ pointer?: string, detail: string }} FieldError
 * @typedef {{ type: string, status: number, title: string, detail: string, errors?: FieldError[] }} Problem
 */

/** The server answered, with a refusal. */
export class ApiError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail || problem.title);
    this.status = problem.status;
    this.type = problem.type;
    this.errors = problem.errors ?? [];
  }
}

/** No answer came. */
export class ConnectionError extends Error {}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 */
async function call(method, path, body) {
  /** @type {RequestInit} */
  const options = { method, cache: 'no-cache' };
  if (body !== undefined) {
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  let response;
  let text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch (error) {
    throw new ConnectionError(String(error));
  }
  const json = response.headers.get('Content-Type')?.includes('json') ? JSON.parse(text) : null;
  if (response.ok) return json;
  throw new ApiError(json ?? { type: 'about:blank', status: response.status, title: response.statusText, detail: text });
}

/**
 * @param {number[][][]} strokes [stroke][point][x, y]
 * @returns {Promise<Prediction>}
 */
export const predict = (strokes) => call('POST', '/api/v1/predict', { strokes });

/** @returns {Promise<{ data: Job[], has_more: boolean }>} */
export const listJobs = (limit = 20) => call('GET', `/api/v1/jobs?limit=${limit}`);

/** @param {object} request @returns {Promise<Job>} */
export const startJob = (request) => call('POST', '/api/v1/jobs', request);

/** @param {string} id */
export const cancelJob = (id) => call('POST', `/api/v1/jobs/${id}/cancel`);

/** @param {string} id @returns {Promise<Metrics>} */
export const jobMetrics = (id, maxPoints = 400) => call('GET', `/api/v1/jobs/${id}/metrics?max_points=${maxPoints}`);

/** @returns {Promise<{ data: { name: string }[] }>} */
export const listModels = () => call('GET', '/api/v1/models');

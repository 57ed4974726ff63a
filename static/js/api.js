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
 * @property {string | null} sweep   that it is a trial of
 * @property {number} priority   the higher, the earlier
 * @property {number | null} position   in the queue, from 1; null when it does not wait
 * @property {string} created_at
 * @property {string | null} [started_at]
 * @property {string | null} [finished_at]
 * @property {{ name: string, recipe?: string, dataset: string, datasets?: { name: string, repeat: number }[], model: { layers: Layer[] },
 *   training: Record<string, number>, init_from?: { model: string, version: number }, promotion: string }} config
 * @property {Progress | null} [progress]
 * @property {{ model: { name: string, version: number }, test_accuracy: number, training_seconds: number,
 *   parameters: number, promoted: boolean } | null} [result]
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
 * @property {number | null} steps_per_epoch   null: it has not begun
 *
 * @typedef {object} Sweep
 * @property {string} id
 * @property {string} name
 * @property {JobState} state
 * @property {string} created_at
 * @property {{ preset?: string, parameters: Record<string, unknown>, base?: { training?: Record<string, number> } }} request
 * @property {{ trials: number, valid: number, invalid: number, seconds: number | null, memory_bytes: number }} estimate
 * @property {Record<'total' | 'invalid' | 'queued' | 'running' | 'succeeded' | 'stopped' | 'failed' | 'cancelled', number>} counts
 * @property {number | null} eta_seconds
 * @property {number | null} best   number of a trial
 *
 * @typedef {object} Trial
 * @property {number} trial
 * @property {JobState | 'invalid' | 'stopped'} state
 * @property {Record<string, string | number>} values   by JSON pointer
 * @property {number} seed
 * @property {number | null} validation_accuracy
 * @property {number | null} validation_accuracy_mean   over the seeds
 * @property {number | null} test_accuracy
 * @property {number | null} training_seconds
 * @property {number | null} parameters
 * @property {number | null} epochs
 * @property {boolean} never_learned
 * @property {number} epochs_at_chance
 * @property {string | null} job
 * @property {{ detail: string } | null} error
 *
 * @typedef {{ parameters: string[], data: Trial[], best: number | null, verdict: string }} SweepResults   the best first
 *
 * @typedef {object} Version
 * @property {string} model
 * @property {number} version
 * @property {string} created_at
 * @property {string | null} [job]
 * @property {{ dataset: string, datasets?: { name: string, repeat: number }[], model: { layers: Layer[] },
 *   training: Record<string, unknown>, init_from?: { model: string, version: number } } | null} config   null: imported
 * @property {string | null} dataset_digest
 * @property {string} weights_digest
 * @property {string} core_type
 * @property {number} parameters
 * @property {{ test_loss: number | null, test_accuracy: number | null, validation_accuracy: number | null,
 *   training_seconds: number | null }} metrics
 * @property {number} file_bytes
 * @property {string[]} aliases
 *
 * @typedef {object} Move   of an alias
 * @property {number} id
 * @property {string} time
 * @property {number | null} version   null: removed
 * @property {number | null} previous
 * @property {string} reason
 *
 * @typedef {object} Mistake
 * @property {number} index   of the image in its split
 * @property {number} label
 * @property {number} predicted
 * @property {number} confidence
 * @property {number[]} probabilities
 *
 * @typedef {object} Evaluation
 * @property {string} model
 * @property {number} version
 * @property {string} dataset
 * @property {Split} split
 * @property {string} digest   of the images, as they were read
 * @property {number} count
 * @property {number} accuracy
 * @property {number} loss
 * @property {number[][]} confusion   [label][predicted]
 * @property {{ label: number, precision: number | null, recall: number | null, f1: number | null, support: number }[]} classes
 * @property {Mistake[]} mistakes   the worst first
 * @property {{ temperature: number, ece: number, ece_uncalibrated: number,
 *   bins: { confidence: number, accuracy: number, count: number }[] }} calibration
 *
 * @typedef {{ $ref?: string, enum?: string[], oneOf?: Schema[], properties?: Record<string, Schema>,
 *   minimum?: number, exclusiveMinimum?: number, maximum?: number }} Schema   as far as the page reads it
 * @typedef {{ type: string } & Record<string, string | number>} Layer
 * @typedef {{ name: string, production: number | null, aliases: Record<string, number>, versions: Version[] }} Model
 * @typedef {{ name: string, description: string, parameters: number, model: { layers: Layer[] }, training: Record<string, unknown> }} Recipe
 * @typedef {'train' | 'test'} Split
 * @typedef {{ images: number, digest: string }} SplitInfo
 * @typedef {{ name: string, own: boolean, train: SplitInfo | null, test: SplitInfo | null, error: string | null }} Dataset
 *
 * @typedef {object} Prediction
 * @property {number} digit
 * @property {number} confidence
 * @property {boolean} uncertain
 * @property {number[]} probabilities
 * @property {{ name: string, version: number | null, job?: string, epoch?: number }} model
 * @property {{ png: string }} input
 * @property {{ queue_us: number, compute_us: number }} timing
 *
 * @typedef {object} Explanation
 * @property {number} digit
 * @property {number[]} probabilities
 * @property {{ png: string }} input
 * @property {{ width: number, height: number, values: (number | null)[][] }} saliency
 * @property {{ name: string, kind: string, shape: number[], columns: number, rows: number, png: string }[]} layers
 *
 * @typedef {{ model?: string, version?: string, job?: string }} Reader
 *
 * @typedef {{ pointer?: string, detail: string }} FieldError
 * @typedef {{ type: string, status: number, title: string, detail: string, errors?: FieldError[] }} Problem
 */

export const OWN_DATA = 'drawings'; // the dataset that drawings are kept in

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
 * @param {unknown} [body] a file that knows its type, or what is sent as JSON
 */
async function call(method, path, body) {
  /** @type {RequestInit} */
  const options = { method, cache: 'no-cache' };
  if (body !== undefined) {
    const isFile = body instanceof Blob;
    options.headers = { 'Content-Type': isFile ? body.type : 'application/json' };
    options.body = isFile ? body : JSON.stringify(body);
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
 * @param {number[][][] | Blob} drawing [stroke][point][x, y], or a PNG
 * @param {Reader} [reader] whatever answers best, without one
 * @returns {Promise<Prediction>}
 */
export const predict = (drawing, reader) => ask('predict', drawing, reader);

/** @param {number[][][] | Blob} drawing @param {Reader} [reader] @returns {Promise<Explanation>} */
export const explain = (drawing, reader) => ask('predict/explain', drawing, reader);

/** @param {string} what @param {number[][][] | Blob} drawing @param {Reader} [reader] */
function ask(what, drawing, { model, ...which } = {}) {
  const path = model ? `/api/v1/models/${model}/${what}` : `/api/v1/${what}`;
  const query = String(new URLSearchParams(which));
  return call('POST', query ? `${path}?${query}` : path, drawing instanceof Blob ? drawing : { strokes: drawing });
}

/** @returns {Promise<{ data: Job[], has_more: boolean }>} */
export const listJobs = (limit = 20) => call('GET', `/api/v1/jobs?limit=${limit}`);

/** @param {string} id @returns {Promise<Job>} */
export const readJob = (id) => call('GET', `/api/v1/jobs/${encodeURIComponent(id)}`);

/** @param {object} request @returns {Promise<Job>} */
export const startJob = (request) => call('POST', '/api/v1/jobs', request);

/** @param {string} id @param {'pause' | 'resume' | 'cancel'} what */
export const changeJob = (id, what) => call('POST', `/api/v1/jobs/${id}/${what}`);

/** @param {string} id @param {number} priority */
export const prioritiseJob = (id, priority) => call('POST', `/api/v1/jobs/${id}/priority`, { priority });

/** @param {string} id */
export const deleteJob = (id) => call('DELETE', `/api/v1/jobs/${id}`);

/** @param {string} id @returns {Promise<Metrics>} */
export const jobMetrics = (id, maxPoints = 400) => call('GET', `/api/v1/jobs/${id}/metrics?max_points=${maxPoints}`);

/** @returns {Promise<{ data: Sweep[], has_more: boolean }>} */
export const listSweeps = (limit = 50) => call('GET', `/api/v1/sweeps?limit=${limit}`);

/** @param {string} id @returns {Promise<SweepResults>} */
export const sweepResults = (id) => call('GET', `/api/v1/sweeps/${id}/results`);

/** @param {object} request @returns {Promise<Sweep>} */
export const startSweep = (request) => call('POST', '/api/v1/sweeps', request);

/** What a sweep would take, in seconds and trials. @param {object} request @returns {Promise<Sweep['estimate']>} */
export const estimateSweep = (request) => call('POST', '/api/v1/sweeps/estimate', request);

/** @param {string} id @param {'pause' | 'resume' | 'cancel'} what @returns {Promise<Sweep>} */
export const changeSweep = (id, what) => call('POST', `/api/v1/sweeps/${id}/${what}`);

/** @param {string} id */
export const deleteSweep = (id) => call('DELETE', `/api/v1/sweeps/${id}`);

/** Makes a trial the next version of its model, and puts it into production. @param {string} id @param {number} trial @returns {Promise<Version>} */
export const promoteTrial = (id, trial) => call('POST', `/api/v1/sweeps/${id}/promote`, { trial });

/** @returns {Promise<Model[]>} */
export async function listModels() {
  const { data } = await call('GET', '/api/v1/models');
  return Promise.all(data.map((/** @type {Model} */ { name }) => call('GET', `/api/v1/models/${name}`)));
}

/**
 * Keeps a drawing with the digit that it is, as own data.
 * @param {number[][][] | Blob} drawing @param {number} label
 * @returns {Promise<{ id: number, count: number }>}
 */
export const keepDrawing = (drawing, label) => call('POST', `/api/v1/datasets/${OWN_DATA}/samples?label=${label}`,
  drawing instanceof Blob ? drawing : { strokes: drawing, label });

/** @param {number} id of a drawing that was kept */
export const takeBack = (id) => call('DELETE', `/api/v1/datasets/${OWN_DATA}/samples/${id}`);

/** The schemas of what is sent and answered, by name. @returns {Promise<Record<string, Schema>>} */
export const readSchemas = async () => (await call('GET', '/openapi.json')).components.schemas;

/** @returns {Promise<{ data: Recipe[] }>} */
export const listRecipes = () => call('GET', '/api/v1/recipes');

/** @returns {Promise<{ data: Dataset[] }>} */
export const listDatasets = () => call('GET', '/api/v1/datasets');

/** Where an image of a dataset is. @param {{ dataset: string, split: Split }} of @param {number} index */
export const imageAddress = ({ dataset, split }, index) => `/api/v1/datasets/${dataset}/${split}/${index}.png`;

/** An image of a dataset, as PNG. @param {{ dataset: string, split: Split }} of @param {number} index @returns {Promise<Blob>} */
export async function imageFile(of, index) {
  let response;
  try {
    response = await fetch(imageAddress(of, index));
    if (response.ok) return await response.blob();
  } catch (error) {
    throw new ConnectionError(String(error));
  }
  throw new ApiError(await response.json());
}

/** @param {string} model @param {string} alias @param {number} version */
export const moveAlias = (model, alias, version) => call('PUT', `/api/v1/models/${model}/aliases/${alias}`, { version });

/** @param {string} model @param {string} alias @returns {Promise<{ version: number, previous: number }>} */
export const rollBack = (model, alias) => call('POST', `/api/v1/models/${model}/aliases/${alias}/rollback`);

/** @param {string} model @param {string} alias */
export const removeAlias = (model, alias) => call('DELETE', `/api/v1/models/${model}/aliases/${alias}`);

/** The newest first. @param {string} model @param {string} alias @returns {Promise<{ data: Move[] }>} */
export const aliasHistory = (model, alias) => call('GET', `/api/v1/models/${model}/aliases/${alias}/history`);

/** @param {string} model @param {number} version */
export const deleteVersion = (model, version) => call('DELETE', `/api/v1/models/${model}/versions/${version}`);

/** @param {string} model @param {Blob} file safetensors @returns {Promise<Version>} */
export const importVersion = (model, file) =>
  call('POST', `/api/v1/models/${model}/versions`, file.slice(0, file.size, 'application/octet-stream'));

/**
 * @param {string} model @param {string} version
 * @param {Record<string, string>} query
 * @returns {Promise<Evaluation>}
 */
export const evaluation = (model, version, query) =>
  call('GET', `/api/v1/models/${model}/versions/${version}/evaluation?${new URLSearchParams(query)}`);

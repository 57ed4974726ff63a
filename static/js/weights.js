// The filters of a network's first convolution, out of its safetensors file: no more is fetched than up to them.

import { ApiError, ConnectionError } from './api.js';

/** @typedef {{ side: number, filters: number[][] }} Filters   each filter side × side values, row by row */

const PREFIX = 8; // bytes that say how long the header is
const FLOAT = 4;

/**
 * The first bytes of a file, as many as `enough` asks for after each part that came.
 * @param {string} url @param {(bytes: Uint8Array) => number} enough
 */
async function firstBytes(url, enough) {
  const stop = new AbortController();
  let bytes = new Uint8Array();
  try {
    const response = await fetch(url, { signal: stop.signal });
    if (!response.ok) throw new ApiError(await response.json());
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    while (bytes.length < enough(bytes)) {
      const { done, value } = await reader.read();
      if (done) break;
      const longer = new Uint8Array(bytes.length + value.length);
      longer.set(bytes);
      longer.set(value, bytes.length);
      bytes = longer;
    }
  } catch (error) {
    throw error instanceof ApiError ? error : new ConnectionError(String(error));
  } finally {
    stop.abort();
  }
  return bytes;
}

/** @param {Uint8Array} bytes at least a prefix */
const headerEnd = (bytes) => PREFIX + Number(new DataView(bytes.buffer).getBigUint64(0, true));

/** The first convolution's kernel. @param {Uint8Array} bytes with the whole header */
function kernelOf(bytes) {
  const end = headerEnd(bytes);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(PREFIX, end)));
  const { shape, data_offsets: [from, to] } = header['conv2d/kernel'];
  return { shape, from: end + from, to: end + to };
}

/** @param {string} url of the weights @returns {Promise<Filters>} */
export async function firstFilters(url) {
  const bytes = await firstBytes(url, (read) => {
    if (read.length < PREFIX) return PREFIX;
    const end = headerEnd(read);
    return read.length < end ? end : kernelOf(read).to;
  });
  const { shape: [side, , , count], from } = kernelOf(bytes);
  const data = new DataView(bytes.buffer);
  const filters = Array.from({ length: count }, (_, filter) => Array.from({ length: side * side }, (__, cell) =>
    data.getFloat32(from + (cell * count + filter) * FLOAT, true)));
  return { side, filters };
}

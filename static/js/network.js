// What a network's layers make of a picture: their shapes and parameters, from the description alone.

import { percent } from './format.js';

/**
 * @typedef {import('./api.js').Layer} Layer
 * @typedef {[number, number, number]} Shape   height, width, channels; a vector is 1 × 1 × its length
 * @typedef {object} Stage
 * @property {string} type   a layer's, or `input`
 * @property {string} name   in words
 * @property {string} short   in a word or two
 * @property {string} activation   empty: none
 * @property {Shape} shape   of what comes out
 * @property {number} parameters
 */

const SIDE = 28;
const TIMES = '\u202f×\u202f';

/** @param {number} side */
const square = (side) => `${side}${TIMES}${side}`;

/** What comes out of a layer, and how many numbers it has learnt.
 * @type {Record<string, (layer: Layer, shape: Shape) => Omit<Stage, 'type' | 'activation'>>} */
const LAYERS = {
  conv2d({ filters, kernel_size: side, padding }, [height, width, channels]) {
    const [count, size] = [Number(filters), Number(side)];
    const lost = padding === 'same' ? 0 : size - 1;
    return { name: `Convolution, ${count} filters of ${square(size)}`, short: `conv ${square(size)}`,
      shape: [height - lost, width - lost, count], parameters: (size * size * channels + 1) * count };
  },
  max_pool2d({ pool_size: side }, [height, width, channels]) {
    const size = Number(side);
    return { name: `Max pooling, ${square(size)}`, short: `pool ${square(size)}`,
      shape: [Math.floor(height / size), Math.floor(width / size), channels], parameters: 0 };
  },
  flatten: (_, [height, width, channels]) =>
    ({ name: 'Flatten', short: 'flatten', shape: [1, 1, height * width * channels], parameters: 0 }),
  dropout: ({ rate }, shape) =>
    ({ name: `Dropout of ${percent(Number(rate), 0)}`, short: 'dropout', shape, parameters: 0 }),
  dense({ units }, [height, width, channels]) {
    const count = Number(units);
    return { name: `Dense, ${count} units`, short: 'dense', shape: [1, 1, count],
      parameters: (height * width * channels + 1) * count };
  },
};

/** @param {Shape} shape */
export const shapeText = ([height, width, channels]) =>
  (height * width === 1 ? String(channels) : [height, width, channels].join(TIMES));

/** The picture, then what each layer makes of it. @param {Layer[]} layers @returns {Stage[]} */
export function stagesOf(layers) {
  /** @type {Stage[]} */
  const stages = [{ type: 'input', name: 'The picture', short: 'picture', activation: '', shape: [SIDE, SIDE, 1], parameters: 0 }];
  for (const layer of layers) {
    const { shape } = stages[stages.length - 1];
    const known = LAYERS[layer.type]?.(layer, shape);
    stages.push({ type: layer.type, activation: String(layer.activation ?? ''),
      ...(known ?? { name: layer.type, short: layer.type, shape, parameters: 0 }) });
  }
  return stages;
}

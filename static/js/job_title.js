// What a training is called: by what it does otherwise than the default, and how long.

import { capital, integer, plural } from './format.js';

/**
 * @typedef {import('./api.js').Job} Job
 * @typedef {import('./api.js').Layer} Layer
 * @typedef {import('./api.js').Recipe} Recipe
 */

const DEFAULTS = { name: 'digits', recipe: 'reference', dataset: 'mnist', kernel: 3, activation: 'relu' };

/** Settings that are named where they are not the recipe's. @type {[string, (value: number) => string][]} */
const SETTINGS = [
  ['learning_rate', (rate) => `rate ${rate}`],
  ['batch_size', (size) => `batches of ${integer(size)}`],
  ['seed', (seed) => `seed ${seed}`],
];

/** "tanh", "5×5": what is not as usual, each once. @param {(string | number)[]} values @param {string | number} usual */
const unusual = (values, usual) => [...new Set(values)].filter((value) => value !== usual);

/** The hidden layers: "conv 16-32 of 5×5, dense 64, tanh". @param {Layer[]} layers */
function networkText(layers) {
  const convolutions = layers.filter(({ type }) => type === 'conv2d');
  const dense = layers.filter(({ type }) => type === 'dense').slice(0, -1);
  const kernels = unusual(convolutions.map(({ kernel_size: side }) => side), DEFAULTS.kernel).map((side) => `${side}×${side}`);
  return [
    convolutions.length > 0 && `conv ${convolutions.map(({ filters }) => filters).join('-')}${kernels.length > 0 ? ` of ${kernels.join(' and ')}` : ''}`,
    dense.length > 0 && `dense ${dense.map(({ units }) => units).join('-')}`,
    ...unusual([...convolutions, ...dense].map(({ activation }) => activation), DEFAULTS.activation),
    layers.some(({ type }) => type === 'dropout') && 'dropout',
  ].filter(Boolean).join(', ');
}

/** The images, unless they are all of the usual ones: "6,000 images of mnist + 20 × drawings". @param {Job['config']} config */
function imagesText({ dataset, datasets = [{ name: dataset, repeat: 1 }], training }) {
  const sets = datasets.map(({ name, repeat }) => (repeat > 1 ? `${repeat} × ${name}` : name)).join(' + ');
  const names = sets === DEFAULTS.dataset ? '' : sets;
  if (!training.train_limit) return names;
  return `${integer(training.train_limit)} images${names && ` of ${names}`}`;
}

/** By which recipe, on which network, or from which version. @param {Job['config']} config @param {Recipe | undefined} recipe */
function methodText({ init_from: from, model, recipe: name = DEFAULTS.recipe }, recipe) {
  if (from) return `tuned from ${from.model} ${from.version}`;
  const isOther = recipe && JSON.stringify(model.layers) !== JSON.stringify(recipe.model.layers);
  const network = isOther ? networkText(model.layers) : '';
  return network && name === DEFAULTS.recipe ? network : [name, network].filter(Boolean).join(', ');
}

/** @param {Job} job @param {Recipe[]} recipes as far as they are known */
export function jobTitle({ config }, recipes) {
  const { name, recipe: by = DEFAULTS.recipe, init_from: from, training } = config;
  const recipe = recipes.find((one) => one.name === by);
  const isNamed = name !== DEFAULTS.name && name !== from?.model;
  const method = methodText(config, recipe);
  return [
    isNamed && name,
    isNamed ? method : capital(method),
    imagesText(config),
    `${training.epochs} ${plural(training.epochs, 'epoch')}`,
    ...SETTINGS.map(([field, text]) => recipe && training[field] !== recipe.training[field] && text(training[field])),
  ].filter(Boolean).join(', ');
}

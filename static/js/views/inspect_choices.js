// What the screen that looks into a version looks at: a version, and images of a dataset, chosen from what there is.

import { byId, element } from '../dom.js';
import { integer, plural } from '../format.js';

/**
 * @typedef {import('../api.js').Dataset} Dataset
 * @typedef {import('../api.js').Split} Split
 * @typedef {import('./inspect.js').Asked} Asked
 */

/** @type {Record<Split, string>} */
const KINDS = { test: 'test images', train: 'training images' };

/** "10,000 test images of mnist". @param {{ dataset: string, split: Split, count: number }} images @param {Dataset} [dataset] */
export const nameImages = ({ dataset, split, count }, { own } = { name: '', own: false, train: null, test: null, error: null }) =>
  (own ? `${integer(count)} ${plural(count, 'image')} of ${dataset}` : `${integer(count)} ${KINDS[split]} of ${dataset}`);

/** The images that can be looked at, as value and text. @param {Dataset} dataset @returns {[string, string][]} */
const offers = ({ name, own, ...splits }) => /** @type {Split[]} */ (['test', 'train']).flatMap((split) => {
  const count = splits[split]?.images;
  if (count === undefined) return [];
  return /** @type {[string, string][]} */ ([[`${name}/${split}`,
    own ? `${name}, your ${integer(count)} ${plural(count, 'image')}` : `${name}, ${integer(count)} ${KINDS[split]}`]]);
});

/** The images that the address asks for, as the list has them. @param {Asked} asked */
const valueOf = ({ dataset, split }) => (dataset || split ? `${dataset}/${split || 'test'}` : '');

/** @param {HTMLSelectElement} select @param {[string, string][]} options @param {string} chosen */
function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => element('option', { value }, text)));
  select.value = chosen;
}

/**
 * Two lists, which say what was chosen: a part of the address.
 * @param {(chosen: { model: string, version: string } | { dataset: string, split: string }) => void} onChoice
 */
export function createChoices(onChoice) {
  const [versions, images] = ['version', 'dataset'].map((name) => byId(`inspect-${name}`, HTMLSelectElement));
  let offered = '';
  versions.addEventListener('change', () => {
    const [model, version] = versions.value.split('/');
    onChoice({ model, version });
  });
  images.addEventListener('change', () => {
    const [dataset, split = ''] = images.value.split('/');
    onChoice({ dataset, split: split === 'test' ? '' : split });
  });
  return {
    /** @param {import('../api.js').Model[]} models @param {Dataset[]} datasets @param {Asked} asked */
    show(models, datasets, asked) {
      const all = models.flatMap(({ name, production, versions: numbers }) => numbers.map(({ version }) =>
        /** @type {[string, string]} */ ([`${name}/${version}`, `${name}, version ${version}${version === production ? ' ★' : ''}`])));
      const sets = [/** @type {[string, string]} */ (['', 'Those that it was tested on']), ...datasets.flatMap(offers)];
      const chosen = valueOf(asked);
      if (!sets.some(([value]) => value === chosen)) sets.push([chosen, chosen.replace('/', ', ')]); // what is wrong with it is said below
      const offer = JSON.stringify([all, sets, asked.model, asked.version, chosen]);
      if (offer === offered) return;
      offered = offer;
      fill(versions, all, `${asked.model}/${asked.version}`);
      fill(images, sets, chosen);
    },
  };
}

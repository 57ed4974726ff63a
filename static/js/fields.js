// What the server refuses, in words beside the field that it is about.

import { element, setText } from './dom.js';
import { capital, pointerName } from './format.js';

/**
 * A field of a form, and the JSON pointers of what it stands for in the request.
 * @typedef {{ input: HTMLInputElement | HTMLSelectElement, pointers: string[] }} Field
 */

/** "epochs: expected a number" → "Expected a number." @param {string} detail */
const sentence = (detail) => capital(detail.replace(/^\w+: /, '')).replace(/[^.]$/, '$&.');

/** How much of the pointer the field stands for; 0: it is not about this field. @param {Field} field @param {string} pointer */
const reach = ({ pointers }, pointer) => Math.max(0, ...pointers.filter((own) => pointer === own || pointer.startsWith(`${own}/`))
  .map((own) => own.length));

/** The field that an error is about, as closely as there is one. @param {Field[]} fields @param {string} [pointer] */
function fieldOf(fields, pointer = '') {
  const [nearest] = [...fields].sort((a, b) => reach(b, pointer) - reach(a, pointer));
  return nearest && reach(nearest, pointer) > 0 ? nearest : undefined;
}

/**
 * Gives each field its place for errors.
 * @param {Field[]} fields @param {HTMLElement} rest   for what is about none of them
 */
export function createErrors(fields, rest) {
  const places = fields.map(({ input }) => {
    const place = element('p', { class: 'problem', id: `${input.id}-problem` });
    input.after(place);
    input.setAttribute('aria-describedby', [place.id, input.getAttribute('aria-describedby')].filter(Boolean).join(' '));
    return place;
  });

  /** @param {import('./api.js').ApiError | null} error null: there is none any more */
  function show(error) {
    const errors = error?.errors ?? [];
    const owners = errors.map(({ pointer }) => fieldOf(fields, pointer));
    fields.forEach((field, i) => {
      const mine = errors.filter((_, number) => owners[number] === field);
      setText(places[i], mine.map(({ detail }) => sentence(detail)).join(' '));
      field.input.setAttribute('aria-invalid', String(mine.length > 0));
    });
    const others = errors.filter((_, number) => !owners[number]).map(({ pointer, detail }) => (pointer ? `${pointerName(pointer)}: ${sentence(detail).replace(/^./, (first) => first.toLowerCase())}` : sentence(detail)));
    setText(rest, error && errors.length === 0 ? error.message : others.join(' '));
  }

  return {
    show,
    /** What was sent is refused: shows it, and leads to the first field. @param {import('./api.js').ApiError} error */
    refuse(error) {
      show(error);
      fields.find(({ input }) => input.getAttribute('aria-invalid') === 'true')?.input.focus();
    },
  };
}

// The few things that the page does with the document.

/**
 * The element with this id, known to be of this type.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id} is not a ${type.name}`);
  return found;
}

/**
 * A new element: `element('a', { href: '#x' }, 'text', otherElement)`.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Scrolls as much of it into the window as fits; at once for those who want no motion. @param {Element} target */
export const bringIntoView = (target) => target.scrollIntoView({ block: 'nearest',
  behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth' });

/**
 * Changes a text only when it differs, so that screen readers and layout are left alone otherwise.
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

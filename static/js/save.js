// Files for the reader to keep.

import { element } from './dom.js';

/** Gives the reader a file. @param {string} name @param {Blob} blob */
export function save(name, blob) {
  const href = URL.createObjectURL(blob);
  const link = element('a', { href, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href));
}

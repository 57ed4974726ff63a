// Asks before something is done that cannot be undone.

import { byId, setText } from './dom.js';

/**
 * @param {{ title: string, text: string, keep: string, go: string }} question `keep` and `go` are what the buttons say
 * @returns {Promise<boolean>} whether to go on
 */
export function ask({ title, text, keep, go }) {
  const dialog = byId('ask-dialog', HTMLDialogElement);
  setText(byId('ask-title', HTMLElement), title);
  setText(byId('ask-text', HTMLElement), text);
  setText(byId('ask-keep', HTMLElement), keep);
  setText(byId('ask-go', HTMLElement), go);
  dialog.returnValue = 'keep';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'go'), { once: true });
  });
}

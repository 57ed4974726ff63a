// Tells a screen reader's user what changed, politely and not more often than it can be spoken.

import { byId, setText } from './dom.js';

const PAUSE_MS = 600;
let timer = 0;

/**
 * Says `text`, once nothing newer has come for a moment.
 * @param {string} text
 * @param {number} [pauseMs] 0 for what cannot be left out
 */
export function announce(text, pauseMs = PAUSE_MS) {
  clearTimeout(timer);
  timer = window.setTimeout(() => setText(byId('announcer', HTMLElement), text), pauseMs);
}

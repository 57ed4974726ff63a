// Light or dark: the system's choice, until the reader makes one.

import { byId } from './dom.js';

const KEY = 'digitd.theme';
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

/** @type {Set<() => void>} */
const listeners = new Set();

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : systemIsDark.matches;
}

/**
 * Calls `listener` after the colours have changed; for what is painted on canvases.
 * @param {() => void} listener
 */
export function onThemeChange(listener) {
  listeners.add(listener);
}

/** Reads the kept choice and brings the button to life. */
export function startTheme() {
  const button = byId('theme-toggle', HTMLButtonElement);
  const show = () => {
    const next = isDark() ? 'light' : 'dark';
    button.dataset.next = next;
    button.setAttribute('aria-label', `Switch to ${next} colours`);
    for (const listener of listeners) listener();
  };

  const kept = localStorage.getItem(KEY);
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
  button.addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    localStorage.setItem(KEY, next);
    show();
  });
  systemIsDark.addEventListener('change', show);
  show();
}

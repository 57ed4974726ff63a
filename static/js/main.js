// Brings the page to life.

import { byId } from './dom.js';
import { startEvents } from './events.js';
import { createStore } from './store.js';
import { startTheme } from './theme.js';
import { startDraw } from './views/draw.js';
import { startTrain } from './views/train.js';

startTheme();
const store = createStore();
const events = startEvents(store);
startDraw(store);
startTrain(store, events.refresh);

// The address names the job on show, so that it can be kept and shared.
function followAddress() {
  store.set({ picked: location.hash.startsWith('#job_') ? location.hash.slice(1) : null });
  events.refresh();
}
window.addEventListener('hashchange', followAddress);
followAddress();

const banner = byId('banner', HTMLElement);
store.subscribe(({ connected }) => {
  banner.hidden = connected;
  banner.textContent = connected ? '' : 'The connection to the server is lost. Trying again…';
});

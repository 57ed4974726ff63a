// The address says what is on show: `#draw?model=digits&version=2`, `#train/job_…`, `#models/digits/3`.

/** @typedef {'draw' | 'train' | 'compare' | 'models' | 'inspect'} View */
/** @typedef {{ view: View, rest: string[], query: URLSearchParams }} Route */

/** @type {Record<View, string>} */
const TITLES = {
  draw: 'draw a digit',
  train: 'train a network',
  compare: 'compare networks',
  models: 'models',
  inspect: 'inspect a network',
};

/** @param {string} name @returns {name is View} */
const isView = (name) => name in TITLES;

/** What the address asks for; the pad where it asks for nothing that there is. @returns {Route} */
export function currentRoute() {
  const [path, query = ''] = location.hash.slice(1).split('?');
  const [view, ...rest] = path.split('/');
  return { ...(isView(view) ? { view, rest } : { view: 'draw', rest: [] }), query: new URLSearchParams(query) };
}

/**
 * Shows the section that the address names, now and whenever it changes.
 * @param {(route: Route) => void} onRoute
 */
export function startRouter(onRoute) {
  /** @type {View | undefined} */
  let shown;

  function follow() {
    const route = currentRoute();
    for (const section of document.querySelectorAll('main > section')) {
      section.toggleAttribute('hidden', section.id !== `view-${route.view}`);
    }
    for (const link of document.querySelectorAll('.shell nav a')) {
      if (link.getAttribute('href') === `#${route.view}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    document.title = `digitd: ${TITLES[route.view]}`;
    if (shown && shown !== route.view) {
      window.scrollTo(0, 0);
      const heading = document.querySelector(`#view-${route.view} h1`);
      if (heading instanceof HTMLElement) heading.focus();
    }
    shown = route.view;
    onRoute(route);
  }

  window.addEventListener('hashchange', follow);
  follow();
}

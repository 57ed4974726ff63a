// Training and validation over epochs, as a figure: curves, a readout of one epoch, and all values as a table.

import { element, setText } from '../dom.js';
import { onThemeChange } from '../theme.js';

/** @typedef {typeof import('/vendor/uPlot.js')} UPlot */

/**
 * @typedef {object} Curves   aligned by index
 * @property {number} epochs   of the whole run: how far the axis goes
 * @property {number[]} epoch
 * @property {(number | null)[]} train
 * @property {(number | null)[]} validation
 */

const DASH = [6, 5];
const SERIES = /** @type {const} */ (['train', 'validation']);
const LABELS = { train: 'training', validation: 'validation' };

/** @param {number} index */
function swatch(index) {
  const template = document.createElement('template');
  const dash = index === 1 ? ` stroke-dasharray="${DASH}"` : '';
  template.innerHTML = `<svg class="series-${index + 1}" width="26" height="4" aria-hidden="true"><path d="M1 2h24"${dash}/></svg>`;
  return template.content;
}

/** What the figure is made of, around the plot. @param {HTMLElement} figure @param {string} title */
function frame(figure, title) {
  const plot = element('div', { class: 'chart-plot', role: 'img' });
  const epoch = element('span');
  const values = SERIES.map(() => element('b'));
  const labels = SERIES.map((name, i) => element('span', {}, swatch(i), `${LABELS[name]} `, values[i]));
  const rows = element('tbody');
  const heads = ['Epoch', 'Training', 'Validation'].map((text) => element('th', { scope: 'col' }, text));
  const table = element('table', {}, element('caption', { class: 'visually-hidden' }, `${title} by epoch`),
    element('thead', {}, element('tr', {}, ...heads)), rows);
  figure.append(
    element('figcaption', {}, element('h4', {}, title), element('p', { class: 'readout' }, epoch, ...labels)),
    plot,
    element('details', {}, element('summary', {}, 'Show data'),
      element('div', { class: 'chart-table', tabindex: '0', role: 'region', 'aria-label': `${title}, data` }, table)),
  );
  return { plot, epoch, labels, values, rows };
}

/**
 * @param {HTMLElement} figure an empty one
 * @param {string} title
 * @param {(value: number) => string} format of values
 * @param {(value: number) => string} tick of the axis
 */
export function createLineChart(figure, title, format, tick) {
  const parts = frame(figure, title);
  /** @type {Curves} */
  let curves = { epochs: 1, epoch: [], train: [], validation: [] };
  /** @type {UPlot | undefined} */
  let Plot;
  /** @type {InstanceType<UPlot> | undefined} */
  let plot;

  /** @param {number | null | undefined} value */
  const text = (value) => (value === null || value === undefined ? '–' : format(value));

  /** @param {number} index */
  function readOut(index) {
    setText(parts.epoch, `epoch ${curves.epoch[index]}`);
    SERIES.forEach((name, i) => {
      const value = curves[name][index];
      setText(parts.values[i], text(value));
      parts.labels[i].toggleAttribute('hidden', value === null);
    });
  }

  function options() {
    const { color: ink, borderTopColor: grid, fontFamily } = getComputedStyle(parts.plot);
    const axis = { stroke: ink, font: `12px ${fontFamily}`, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    const series = SERIES.map((name, i) => ({
      stroke: getComputedStyle(/** @type {Element} */ (parts.labels[i].firstElementChild)).color,
      width: 2,
      dash: i === 1 ? DASH : undefined,
    }));
    return {
      width: parts.plot.clientWidth,
      height: parts.plot.clientHeight,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: false, range: () => /** @type {[number, number]} */ ([1, Math.max(curves.epochs, 2)]) } },
      axes: [
        { ...axis, grid: { show: false }, incrs: [1, 2, 5, 10, 20, 50, 100, 200], space: 32, size: 28 },
        { ...axis, size: 56, values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(tick) },
      ],
      series: [{}, ...series],
      hooks: {
        setCursor: [
          (/** @type {InstanceType<UPlot>} */ { cursor }) => readOut(cursor.idx ?? curves.epoch.length - 1),
        ],
      },
    };
  }

  function draw() {
    if (!Plot) return;
    plot?.destroy();
    plot = new Plot(options(), [curves.epoch, curves.train, curves.validation], parts.plot);
  }

  const isNear = new Promise((resolve) => {
    new IntersectionObserver((entries, observer) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      resolve(true);
    }, { rootMargin: '200px' }).observe(parts.plot);
  });

  new ResizeObserver(() => {
    if (parts.plot.clientWidth > 0) plot?.setSize({ width: parts.plot.clientWidth, height: parts.plot.clientHeight });
  }).observe(parts.plot);
  onThemeChange(draw);

  return {
    /** Shows curves of at least one epoch. @param {Curves} next */
    async show(next) {
      curves = next;
      const last = curves.epoch.length - 1;
      readOut(last);
      parts.plot.setAttribute('aria-label', `${title} over ${last + 1} of ${curves.epochs} epochs. Last: ${SERIES
        .map((name) => `${LABELS[name]} ${text(curves[name][last])}`).join(', ')}.`);
      parts.rows.replaceChildren(...curves.epoch.map((epoch, i) => element('tr', {}, element('td', {}, String(epoch)),
        ...SERIES.map((name) => element('td', {}, text(curves[name][i]))))));
      await isNear; // what nobody looks at need not be fetched
      Plot ??= (await import('/vendor/uPlot.js')).default;
      draw();
    },
  };
}

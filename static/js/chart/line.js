// Training and validation over epochs, as a figure: curves, a readout of one epoch, and all values as a table.

import { element, setText } from '../dom.js';
import { save } from '../save.js';
import { onThemeChange } from '../theme.js';

/** @typedef {typeof import('/vendor/uPlot.js')} UPlot */

/**
 * @typedef {object} Curves
 * @property {string} name   of the run
 * @property {number} epochs   of the whole run: how far the axis goes
 * @property {number[]} epoch   complete ones; train and validation go with it
 * @property {(number | null)[]} train
 * @property {(number | null)[]} validation
 * @property {{ x: number[], y: (number | null)[] }} [steps]   between the epochs, x in epochs
 *
 * @typedef {object} Style
 * @property {(value: number) => string} format   of values
 * @property {(value: number, step: number) => string} tick   of the axis, whose values are a step apart
 * @property {boolean} [logarithmic]   the axis; what is not above 0 has no place on it
 */

const SERIES = /** @type {const} */ ([
  { name: 'train', label: 'training', color: 'series-1', dash: [] },
  { name: 'validation', label: 'validation', color: 'series-2', dash: [6, 5] },
]);
const STEPS = { label: 'single steps, smoothed', width: 1.5, alpha: 0.6 };
const TICKS_MAX = 7; // on a logarithmic axis, more are thinned to powers of ten
const POINTS_MAX = 30; // epochs that get a dot each

/** @param {string} color @param {readonly number[]} dash @param {string} more classes */
function swatch(color, dash, more = '') {
  const template = document.createElement('template');
  template.innerHTML = `<svg class="${color} ${more}" width="26" height="4" aria-hidden="true">
    <path d="M1 2h24" stroke-dasharray="${dash}"/></svg>`;
  return template.content;
}

/** What the figure is made of, around the plot. @param {HTMLElement} figure @param {string} title */
function frame(figure, title) {
  const plot = element('div', { class: 'chart-plot', role: 'img' });
  const [csv, png] = ['CSV', 'PNG'].map((form) =>
    element('button', { class: 'link', type: 'button', 'aria-label': `${title} as ${form}` }, form));
  const epoch = element('span');
  const values = SERIES.map(() => element('b'));
  const labels = SERIES.map(({ label, color, dash }, i) => element('span', {}, swatch(color, dash), `${label} `, values[i]));
  const steps = element('span', { hidden: '' }, swatch(SERIES[0].color, [], 'thin'), STEPS.label);
  const rows = element('tbody');
  const heads = ['Epoch', 'Training', 'Validation'].map((text) => element('th', { scope: 'col' }, text));
  const table = element('table', {}, element('caption', { class: 'visually-hidden' }, `${title} by epoch`),
    element('thead', {}, element('tr', {}, ...heads)), rows);
  figure.append(
    element('figcaption', {}, element('h3', {}, title), element('p', { class: 'readout' }, epoch, ...labels, steps)),
    plot,
    element('div', { class: 'chart-files' },
      element('details', {}, element('summary', {}, 'Values as a table'),
        element('div', { class: 'chart-table', tabindex: '0', role: 'region', 'aria-label': `${title}, data` }, table)),
      element('span', {}, csv, ' ', png)),
  );
  return { csv, png, plot, epoch, labels, values, steps, rows };
}

/** Resolves when the element comes near the window. @param {Element} target */
const nearby = (target) => new Promise((resolve) => {
  new IntersectionObserver((entries, observer) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    resolve(undefined);
  }, { rootMargin: '200px' }).observe(target);
});

/** All values of the epochs. @param {Curves} curves */
const csvOf = ({ epoch, train, validation }) => [['epoch', 'training', 'validation'],
  ...epoch.map((one, i) => [one, train[i] ?? '', validation[i] ?? ''])].map((row) => `${row.join(',')}\r\n`).join('');

/**
 * The plot on the page's ground: above it what it is of and a legend, below it what it shows, in words.
 * @param {HTMLCanvasElement} plot @param {{ title: string, summary: string }} texts
 * @param {{ label: string, color: string, width: number, alpha: number, dash: readonly number[] }[]} lines @param {string} background @param {string} ink
 */
function picture(plot, { title, summary }, lines, background, ink) {
  const canvas = document.createElement('canvas');
  const scale = devicePixelRatio;
  const [line, edge] = [24, 12];
  canvas.width = plot.width;
  canvas.height = plot.height + 3 * line * scale;
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  context.fillStyle = background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(plot, 0, 2 * line * scale);
  context.scale(scale, scale);
  const room = canvas.width / scale - 2 * edge;
  context.fillStyle = ink;
  context.font = 'bold 13px sans-serif';
  context.fillText(title, edge, 17, room);
  context.font = '12px sans-serif';
  context.fillText(summary, edge, canvas.height / scale - 8, room);
  let x = edge;
  for (const { label, color, width, alpha, dash } of lines) {
    Object.assign(context, { strokeStyle: color, lineWidth: width, globalAlpha: alpha });
    context.setLineDash([...dash]);
    context.beginPath();
    context.moveTo(x, line + 12);
    context.lineTo(x + 24, line + 12);
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(label, x + 30, line + 16, Math.max(1, edge + room - x - 30));
    x += 46 + context.measureText(label).width;
  }
  return canvas;
}

/** From the lowest value to the highest, with room around them. @param {Curves} curves @returns {[number, number]} */
function extent({ train, validation, steps }) {
  const values = [...train, ...validation, ...(steps?.y ?? [])].filter((value) => value !== null && value > 0).map(Number);
  return values.length > 0 ? [Math.min(...values) / 1.25, 1.25 * Math.max(...values)] : [0.1, 10];
}

/** 1, 2 and 5 times the powers of ten, or these alone. @param {number} low @param {number} high */
function logarithmicTicks(low, high) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const digit of [1, 2, 5]) all.push(Number(`${digit}e${power}`));
  }
  const ticks = all.filter((value) => value >= low && value <= high);
  return ticks.length > TICKS_MAX ? ticks.filter((value) => Number.isInteger(Math.log10(value))) : ticks;
}

/**
 * @param {HTMLElement} figure an empty one
 * @param {string} title
 * @param {Style} style
 */
export function createLineChart(figure, title, { format, tick, logarithmic }) {
  const parts = frame(figure, title);
  /** @type {Curves} */
  let curves = { name: '', epochs: 1, epoch: [], train: [], validation: [] };
  /** @type {UPlot | undefined} */
  let Plot;
  /** @type {InstanceType<UPlot> | undefined} */
  let plot;

  /** @param {number | null | undefined} value */
  const text = (value) => (value === null || value === undefined ? '–' : format(value));

  /** Shows the values of the epoch nearest to x. @param {number} x */
  function readOut(x) {
    const { epoch } = curves;
    const index = Math.min(Math.max(Math.round(x) - (epoch[0] ?? 1), 0), epoch.length - 1);
    setText(parts.epoch, epoch.length > 0 ? `epoch ${epoch[index]}` : 'after the first epoch:');
    SERIES.forEach(({ name }, i) => {
      setText(parts.values[i], text(curves[name][index]));
      parts.labels[i].toggleAttribute('hidden', curves[name][index] === null);
    });
  }

  const lineColors = () =>
    parts.labels.map(({ firstElementChild: line }) => getComputedStyle(/** @type {Element} */ (line)).color);

  /** Of the picture. */
  function legend() {
    const colors = lineColors();
    const lines = SERIES.map(({ label, dash }, i) => ({ label, dash, color: colors[i], width: 2, alpha: 1 }));
    return curves.steps ? [...lines, { ...STEPS, dash: [], color: colors[0] }] : lines;
  }

  function options() {
    const { color: ink, borderTopColor: grid, fontFamily } = getComputedStyle(parts.plot);
    const axis = { stroke: ink, font: `12px ${fontFamily}`, ticks: { show: false } };
    const colors = lineColors();
    const lines = SERIES.map(({ dash }, i) => ({
      stroke: colors[i],
      width: 2,
      dash: [...dash],
      points: { show: () => curves.epoch.length <= POINTS_MAX, size: 6, fill: colors[i] },
    }));
    const steps = { stroke: colors[0], width: STEPS.width, alpha: STEPS.alpha, points: { show: false } };
    /** @type {(...all: unknown[]) => [number, number]} */
    const wholeRun = () => [0, curves.epochs];
    /** @type {{ distr: 3, log: 10, range: (...all: unknown[]) => [number, number] }} */
    const logScale = { distr: 3, log: 10, range: () => extent(curves) };
    const logAxis = {
      splits: (/** @type {unknown} */ _, /** @type {number} */ _axis, /** @type {number} */ low, /** @type {number} */ high) => logarithmicTicks(low, high),
      filter: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks,
    };
    return {
      width: parts.plot.clientWidth,
      height: parts.plot.clientHeight,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: false, range: wholeRun }, ...(logarithmic && { y: logScale }) },
      axes: [
        { ...axis, grid: { show: false }, incrs: [1, 2, 5, 10, 20, 50, 100, 200], space: 32, size: 28 },
        { ...axis, grid: { stroke: grid, width: 1 }, size: 56, ...(logarithmic && logAxis),
          values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks, /** @type {number} */ _axis, /** @type {number} */ _space,
            /** @type {number} */ step) => ticks.map((value) => tick(value, step)) },
      ],
      series: [{}, ...lines, steps],
      hooks: {
        setCursor: [
          (/** @type {InstanceType<UPlot>} */ { cursor, data }) =>
            readOut(data[0][cursor.idx ?? -1] ?? curves.epochs),
        ],
      },
    };
  }

  function draw() {
    if (!Plot) return;
    const { epoch, train, validation, steps } = curves;
    const data = Plot.join([[epoch, train, validation], [steps?.x ?? [], steps?.y ?? []]]);
    if (plot) plot.setData(data);
    else plot = new Plot(options(), data, parts.plot);
  }

  new ResizeObserver(() => {
    if (parts.plot.clientWidth > 0) plot?.setSize({ width: parts.plot.clientWidth, height: parts.plot.clientHeight });
  }).observe(parts.plot);
  onThemeChange(() => {
    plot?.destroy();
    plot = undefined;
    draw();
  });
  const fileName = title.toLowerCase();
  parts.csv.addEventListener('click', () => save(`${fileName}.csv`, new Blob([csvOf(curves)], { type: 'text/csv' })));
  parts.png.addEventListener('click', () => {
    if (!plot) return;
    const { background, ink } = { background: getComputedStyle(document.documentElement).backgroundColor,
      ink: getComputedStyle(parts.plot).color };
    const texts = { title: `${title}: ${curves.name}`, summary: parts.plot.getAttribute('aria-label') ?? title };
    picture(plot.ctx.canvas, texts, legend(), background, ink)
      .toBlob((blob) => blob && save(`${fileName}.png`, blob));
  });
  const isNear = nearby(parts.plot);

  return {
    /** @param {Curves} next */
    async show(next) {
      curves = next;
      const last = curves.epoch.length - 1;
      readOut(curves.epochs);
      parts.steps.hidden = !curves.steps;
      parts.plot.setAttribute('aria-label', `${title} over ${last + 1} of ${curves.epochs} epochs. Last: ${SERIES
        .map(({ name, label }) => `${label} ${text(curves[name][last])}`).join(', ')}.`);
      parts.rows.replaceChildren(...curves.epoch.map((epoch, i) => element('tr', {}, element('td', {}, String(epoch)),
        ...SERIES.map(({ name }) => element('td', {}, text(curves[name][i]))))));
      await isNear; // what nobody looks at need not be fetched
      Plot ??= (await import('/vendor/uPlot.js')).default;
      draw();
    },
  };
}

// Numbers, durations and times as people read them.

const THIN = '\u202f'; // narrow no-break space, between a number and its unit

/** @type {Intl.DateTimeFormat | undefined} made when first needed: it takes longer than the rest of the page's start */
let clock;

/** 54000 → "54,000". @param {number} value */
export const integer = (value) => Math.round(value).toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');

/** 0.9876 → "98.8 %"; what was not measured is a dash. @param {number | null} share */
export const percent = (share, digits = 1) => (share === null ? '–' : `${(share * 100).toFixed(digits)}${THIN}%`);

/** How many decimals a number has, as far as three digits tell: 0.25 → 2. @param {number} value */
export const decimals = (value) => String(Number(value.toPrecision(3))).split('.')[1]?.length ?? 0;

/** A probability that is never shown as certain or impossible. @param {number} share */
export function probability(share) {
  if (share >= 0.9995) return `>${THIN}99.9${THIN}%`;
  if (share < 0.0005) return `<${THIN}0.1${THIN}%`;
  return percent(share);
}

/** 0.01234 → "0.0123": four digits that mean something. @param {number} value */
export const loss = (value) => (value < 0.001 ? value.toExponential(1) : value.toPrecision(3));

/** 1.234 → "1.2 ms". @param {number} ms */
export const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : integer(ms)}${THIN}ms`;

/** 37604288 → "38 MB". @param {number} bytes */
export const megabytes = (bytes) => `${integer(bytes / 1e6)}${THIN}MB`;

/** 75 → "1 min 15 s"; what was not measured is a dash. @param {number | null} seconds */
export function duration(seconds) {
  if (seconds === null) return '–';
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}${THIN}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}${THIN}min ${whole % 60}${THIN}s`;
  return `${Math.floor(minutes / 60)}${THIN}h ${minutes % 60}${THIN}min`;
}

/** RFC 3339 → the reader's own date and time. @param {string} timestamp */
export function dateTime(timestamp) {
  clock ??= new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  return clock.format(new Date(timestamp));
}

/** @param {string} text */
export const capital = (text) => text.replace(/^./, (first) => first.toUpperCase());

/** "epoch", or "epochs" where it is not one. @param {number | undefined} count @param {string} noun */
export const plural = (count, noun) => (count === 1 ? noun : `${noun}s`);

/** The last part of a JSON pointer, in words: "/training/learning_rate" → "Learning rate". @param {string} pointer */
export const pointerName = (pointer) => capital((pointer.split('/').at(-1) ?? pointer).replaceAll('_', ' '));

/** A number where it is one; what was typed otherwise, for the server to refuse. @param {string} text */
export const typed = (text) => (text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text);

// The pad: takes strokes from mouse, pen, finger or keyboard and paints them.

import { announce } from '../announce.js';
import { onThemeChange } from '../theme.js';
import { SIDE, Strokes } from './strokes.js';

const PEN = 0.075; // width of the line, in sides of the pad
const STEP = SIDE / 20; // of an arrow key
const FINE_STEP = SIDE / 100; // of the same with Shift

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Draws a line through the points, rounding its corners; a dot through one point, of which a line would show nothing.
 * @param {CanvasRenderingContext2D} context @param {import('./strokes.js').Stroke} stroke
 */
function paintStroke(context, stroke) {
  context.beginPath();
  if (stroke.length === 1) {
    context.arc(...stroke[0], context.lineWidth / 2, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  context.moveTo(...stroke[0]);
  for (let i = 1; i < stroke.length - 1; i++) {
    const [x, y] = stroke[i];
    const [nextX, nextY] = stroke[i + 1];
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  context.lineTo(...stroke[stroke.length - 1]);
  context.stroke();
}

/**
 * Paints the picture or all strokes, and the keyboard's pen where `cursor` is.
 * @param {HTMLCanvasElement} canvas
 * @param {Strokes} strokes
 * @param {{ x: number, y: number, down: boolean } | null} cursor
 */
function paint(canvas, { list, picture }, cursor) {
  const context = canvas.getContext('2d');
  if (!context) return;
  const scale = canvas.width / SIDE;
  const style = getComputedStyle(canvas);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, SIDE, SIDE);
  if (picture) {
    const { bitmap } = picture;
    const fit = SIDE / Math.max(bitmap.width, bitmap.height);
    const [width, height] = [bitmap.width * fit, bitmap.height * fit];
    context.imageSmoothingEnabled = fit < 4; // few pixels are shown as they are
    context.drawImage(bitmap, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
  }
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.lineWidth = PEN * SIDE;
  context.strokeStyle = context.fillStyle = style.color;
  for (const stroke of list) paintStroke(context, stroke);
  if (!cursor) return;
  context.lineWidth = 8;
  context.strokeStyle = style.outlineColor;
  context.beginPath();
  context.arc(cursor.x, cursor.y, (PEN * SIDE) / 2 + (cursor.down ? 8 : 24), 0, 2 * Math.PI);
  context.stroke();
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {() => void} onChange called after every change of the drawing
 * @param {() => void} onPenUp called when a stroke is complete
 */
export function createPad(canvas, onChange, onPenUp) {
  const strokes = new Strokes();
  const cursor = { x: SIDE / 2, y: SIDE / 2, down: false };
  let byKeyboard = false;
  let frame = 0;
  /** @type {number | null} the pointer that is drawing; others are palms */
  let pointer = null;

  function repaint() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => paint(canvas, strokes, byKeyboard ? cursor : null));
  }

  function changed() {
    repaint();
    onChange();
    if (strokes.isFull) announce('The pad is full. Clear it to draw on.');
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  canvas.addEventListener('pointerdown', (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    byKeyboard = false;
    cursor.down = false;
    strokes.begin(...place(event));
    changed();
  });

  canvas.addEventListener('pointermove', (event) => {
    if (event.pointerId !== pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    let grew = false;
    for (const one of all.length > 0 ? all : [event]) grew = strokes.extend(...place(one)) || grew;
    if (grew) changed();
  });

  for (const end of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(end, (event) => {
      if (!(event instanceof PointerEvent) || event.pointerId !== pointer) return;
      pointer = null;
      onPenUp();
    });
  }

  /** @param {boolean} down */
  function setPen(down) {
    cursor.down = down;
    if (down) strokes.begin(cursor.x, cursor.y);
    announce(down ? 'Pen down' : 'Pen up', 0);
    changed();
  }

  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === ' ') setPen(!cursor.down);
    else if (event.key in ARROWS) {
      const [dx, dy] = ARROWS[event.key];
      const step = event.shiftKey ? FINE_STEP : STEP;
      cursor.x = Math.min(Math.max(cursor.x + dx * step, 0), SIDE);
      cursor.y = Math.min(Math.max(cursor.y + dy * step, 0), SIDE);
      if (cursor.down && strokes.extend(cursor.x, cursor.y)) changed();
    } else return;
    event.preventDefault();
    byKeyboard = true;
    repaint();
  });

  canvas.addEventListener('focus', () => {
    byKeyboard = canvas.matches(':focus-visible');
    repaint();
  });

  canvas.addEventListener('blur', () => {
    byKeyboard = false;
    cursor.down = false;
    repaint();
  });

  new ResizeObserver(() => {
    canvas.width = canvas.height = Math.round(canvas.clientWidth * devicePixelRatio);
    repaint();
  }).observe(canvas);
  onThemeChange(repaint);

  /** A change of the whole drawing. @param {() => void} change */
  function replace(change) {
    cursor.down = false;
    change();
    changed();
  }

  return {
    strokes,
    /** @param {import('./strokes.js').Picture} picture shown until it is undone, cleared or drawn over */
    setPicture: (picture) => replace(() => strokes.step([], picture)),
    undo: () => replace(() => strokes.undo()),
    redo: () => replace(() => strokes.redo()),
    clear: () => replace(() => strokes.clear()),
  };
}

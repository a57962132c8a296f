// Parts that several pages about what the gateway runs are built of.

import {h, s, button, dialog, field, form, toast} from './ui.js';
import {clock, percent, number, ms} from './format.js';

// short leaves of a checksum what tells it from others.
export const short = (text, n = 12) => (text && text.length > n ? `${text.slice(0, n)}…` : text);

// label is a version's name without the middle of it.
export const label = (text) => h('code', {title: text}, text.replace(/@([0-9a-f]{8})[0-9a-f]*/, '@$1'));

export function bytes(n) {
  if (!n) return '–';
  const units = ['B', 'KB', 'MB', 'GB'];
  let i = 0;
  for (; n >= 1000 && i < 3; i++) n /= 1000;
  return `${n.toFixed(n < 10 && i > 0 ? 1 : 0)} ${units[i]}`;
}

export function span(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

const WIDE = 960;

// healthStrip shows how a provider fared: a column for each stretch of time, red
// from below as far as attempts failed, striped where its adapter was not there.
export function healthStrip(name, minutes, {hours = 24, step = 15, now = Date.now()} = {}) {
  const size = step * 60000, last = Math.floor(now / size), n = hours * 60 / step;
  const at = new Map(minutes.map((m) => [Math.floor(new Date(m.time).getTime() / size), m]));
  const w = WIDE / n;
  let failed = 0, all = 0, down = 0;
  const columns = [];
  for (let i = 0; i < n; i++) {
    const m = at.get(last - n + 1 + i), x = i * w + w * .1, width = w * .8;
    const when = new Date((last - n + 1 + i) * size);
    if (!m) {
      columns.push(s('rect', {class: 'none', x, y: 0, width, height: 36, rx: 1.5}, s('title', null, `${clock(when)}: not asked`)));
      continue;
    }
    failed += m.failed; all += m.attempts; down += m.down_seconds;
    const bad = m.attempts ? m.failed / m.attempts : 0;
    const text = `${clock(when)}: ${number(m.attempts)} attempts, ${number(m.failed)} failed${m.down_seconds ? `, down for ${span(m.down_seconds)}` : ''}, half within ${ms(m.first_byte.p50_ms)}`;
    const high = bad > 0 ? Math.max(5, 36 * bad) : 0;
    columns.push(s('g', null, s('title', null, text),
      s('rect', {class: m.attempts ? 'good' : 'none', x, y: 0, width, height: 36, rx: 1.5}),
      high ? s('rect', {class: 'bad', x, y: 36 - high, width, height: high, rx: 1.5}) : null,
      m.down_seconds ? s('rect', {class: 'down', x, y: 0, width, height: 7, rx: 1.5}) : null));
  }
  const words = `Health of ${name} in the last ${hours} hours: ${number(all)} attempts, ${number(failed)} failed${down ? `, the adapter was down for ${span(down)}` : ''}`;
  return h('figure', {class: 'strip'},
    s('svg', {viewBox: `0 0 ${WIDE} 36`, preserveAspectRatio: 'none', role: 'img', 'aria-label': words}, columns),
    h('figcaption', null, h('span', null, `${hours} hours ago`), h('span', null, all ? `${percent(all - failed, all)} of ${number(all)} attempts succeeded${down ? ` · down for ${span(down)}` : ''}` : 'Not asked yet'), h('span', null, 'now')));
}

// act does something and says what became of it; again shows the page anew.
export async function act(what, done, again) {
  try {
    await what();
    toast(done, 'good');
    await again?.();
    return true;
  } catch (err) {
    toast(err.message, 'bad');
    return false;
  }
}

// asked opens a form in a dialog; send is given the values, and what it throws
// stays in the dialog.
export const asked = (title, about, fields, verb, send, options) => dialog(title, (close) => [
  about ? h('p', {class: 'muted about-form'}, about) : null,
  form(fields, verb, async (values, el) => { await send(values, el); close(true); }, {cancel: () => close(false)}),
], options);

// why is the field that the audit log and the history keep.
export const why = () => field({name: 'why', label: 'Why', hint: 'Kept in the history.', maxlength: 200});

// base64 of a file that was chosen.
export async function base64(file) {
  const buf = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let i = 0; i < buf.length; i += 0x8000) text += String.fromCharCode(...buf.subarray(i, i + 0x8000));
  return btoa(text);
}

// json shows a value as indented text.
export const json = (value, name) => h('pre', {tabindex: '0', role: 'region', 'aria-label': name}, typeof value === 'string' ? value : JSON.stringify(value, null, 2));

export const small = (text, f, rest) => button(text, f, {kind: 'small', ...rest});

// The parts that pages are built of. Text is only ever inserted as text.

import * as api from './api.js';

const SVG = 'http://www.w3.org/2000/svg';

function fill(el, attrs, children) {
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
    else if (name === 'value' || name === 'checked' || name === 'disabled' || name === 'selected') el[name] = value;
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  return el;
}

// h makes an element: h('p', {class: 'muted'}, 'text', child, [more]).
export const h = (tag, attrs, ...children) => fill(document.createElement(tag), attrs, children);
// s does the same for SVG.
export const s = (tag, attrs, ...children) => fill(document.createElementNS(SVG, tag), attrs, children);

export const icon = (path, label) => s('svg', {class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': label ? undefined : 'true', role: label ? 'img' : undefined, 'aria-label': label}, s('path', {d: path}));

let ids = 0;
export const newId = (what) => `${what}-${++ids}`;

// replace shows other children in el.
export const replace = (el, ...children) => el.replaceChildren(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));

// head is the top of a page: its title, what it is about, and its actions.
export const head = (title, about, ...actions) => h('header', {class: 'head'},
  h('div', null, h('h1', {tabindex: '-1'}, title), about ? h('p', {class: 'about'}, about) : null),
  actions.length ? h('div', {class: 'actions'}, actions) : null);

// section is a panel with a heading of its own.
export const section = (title, ...children) => {
  const id = newId('section');
  return h('section', {class: 'panel', 'aria-labelledby': id}, h('h2', {id}, title), children);
};

export function button(text, onclick, {kind = '', type = 'button', ...rest} = {}) {
  return h('button', {type, class: `button ${kind}`, onclick, ...rest}, text);
}
export const link = (text, href, attrs) => h('a', {href, ...attrs}, text);

// badge shows a state: kind is good, warn, bad, accent or nothing.
export const badge = (text, kind = '') => h('span', {class: `badge ${kind}`}, text);

export function status(code) {
  const n = Number(code);
  return badge(String(code), n >= 500 ? 'bad' : n >= 400 ? 'warn' : 'good');
}

// tiles shows a row of figures: [{label, value, note, kind}].
export const tiles = (list) => h('dl', {class: 'tiles'}, list.map(tile));
export function tile({label, value, note, kind = ''}) {
  return h('div', {class: `tile ${kind}`}, h('dt', null, label), h('dd', null, h('span', {class: 'figure'}, value), note ? h('span', {class: 'note'}, note) : null));
}

// bar shows how much of max is used, and reserved on top of it; expected is
// where it will be when the window ends.
// plain ones are shares of a whole, which may be all of it; soft ones refuse nothing.
export function bar({label, used, reserved = 0, max, warns, expected, text, plain, soft}) {
  const part = (n) => `${Math.max(0, Math.min(100, max > 0 ? 100 * n / max : 0))}%`;
  const kind = plain ? '' : max > 0 && used + reserved >= max ? (soft ? 'warn' : 'bad') : (warns && used >= warns) || (max > 0 && used >= 0.8 * max) || (expected && expected > max) ? 'warn' : '';
  const track = h('div', {class: `bar ${kind}`, role: 'meter', 'aria-label': label, 'aria-valuemin': '0', 'aria-valuemax': String(max), 'aria-valuenow': String(Math.min(used, max)), 'aria-valuetext': text},
    h('span', {class: 'reserved', style: {width: part(used + reserved)}}),
    h('span', {class: 'used', style: {width: part(used)}}));
  if (warns && warns < max) track.append(h('span', {class: 'mark', style: {left: part(warns)}}));
  if (expected && expected > used) track.append(h('span', {class: 'expected', style: {left: part(expected)}}));
  return track;
}

// facts lists names and values; those without a value are left out.
export const facts = (list) => h('dl', {class: 'facts'}, list.filter(([, v]) => v !== undefined && v !== null && v !== '').map(([name, v]) => h('div', null, h('dt', null, name), h('dd', null, v))));

export const skeleton = (lines = 4) => h('div', {class: 'skeleton', 'aria-hidden': 'true'}, Array.from({length: lines}, () => h('span', null)));

// empty says that there is nothing, and what would change that.
export const empty = (what, remedy, action) => h('div', {class: 'empty'}, h('p', {class: 'what'}, what), remedy ? h('p', null, remedy) : null, action);

// failed says what went wrong and what to do; again tries once more.
export function failed(err, again) {
  return h('div', {class: 'empty failed', role: 'alert'}, h('p', {class: 'what'}, err.status === 403 ? 'Your role does not allow this' : 'This could not be shown'),
    h('p', null, err.message), again ? button('Try again', again) : null);
}

const nameOf = (el) => el.getAttribute('aria-label') ?? el.textContent;

// loaded shows a skeleton in el until load() has come, then what draw makes of
// it, or the error with a way to try again. What had the focus in el has it again,
// or else the heading above.
export async function loaded(el, load, draw) {
  const held = el.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  replace(el, skeleton());
  el.setAttribute('aria-busy', 'true');
  try {
    replace(el, draw(await load()));
    if (held !== null && document.activeElement === document.body) {
      const same = [...el.querySelectorAll('button, a, input')].find((e) => nameOf(e) === held && !e.disabled);
      (same ?? el.closest('.page')?.querySelector('h1'))?.focus({preventScroll: true});
    }
  } catch (err) {
    if (err.name === 'AbortError') return;
    if (!(err instanceof api.Refused)) console.error(err);
    replace(el, failed(err, () => loaded(el, load, draw)));
  } finally {
    el.removeAttribute('aria-busy');
  }
}

// toast says for a moment what has happened; errors stay until they are closed.
export function toast(text, kind = '') {
  const el = h('div', {class: `toast ${kind}`}, h('span', null, text), h('button', {type: 'button', class: 'close', 'aria-label': 'Close this message', onclick: () => el.remove()}, '×'));
  const all = document.getElementById('toasts');
  while (all.children.length >= 4) all.firstChild.remove();
  all.append(el);
  if (kind !== 'bad') setTimeout(() => el.remove(), 6000);
}

// dialog opens a modal one; it closes with Escape and gives the focus back.
// body is a function that is given close. The promise has what close was given.
export function dialog(title, body, {kind = ''} = {}) {
  const before = document.activeElement;
  const id = newId('dialog');
  return new Promise((resolve) => {
    let result;
    const el = h('dialog', {class: `dialog ${kind}`, 'aria-labelledby': id});
    const close = (value) => { result = value; el.close(); };
    el.addEventListener('close', () => { el.remove(); before?.focus?.(); resolve(result); });
    fill(el, null, [h('div', {class: 'dialog-head'}, h('h2', {id}, title), h('button', {type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => close()}, '×')), body(close)]);
    document.body.append(el);
    el.showModal();
    (el.querySelector('[autofocus]') ?? el.querySelector('input, select, textarea, .button'))?.focus();
  });
}

// confirm asks before something is done that cannot be undone.
export const confirm = (title, text, verb, {danger = true} = {}) => dialog(title, (close) => [
  h('p', null, text),
  h('div', {class: 'dialog-foot'}, button('Cancel', () => close(false), {autofocus: true}), button(verb, () => close(true), {kind: danger ? 'danger' : 'primary'})),
], {kind: 'small'});

// field is one labelled input: {name, label, type, value, hint, options, required, placeholder}.
export function field({name, label, hint, type = 'text', options, value, ...rest}) {
  const id = newId('field');
  const described = hint ? `${id}-hint` : undefined;
  let input;
  if (options) {
    input = h('select', {id, name, 'aria-describedby': described, ...rest}, options.map((o) => {
      const [v, text] = Array.isArray(o) ? o : [o, o];
      return h('option', {value: v, selected: v === value}, text);
    }));
  } else if (type === 'textarea') {
    input = h('textarea', {id, name, 'aria-describedby': described, value, ...rest});
  } else {
    input = h('input', {id, name, type, value, 'aria-describedby': described, autocomplete: 'off', spellcheck: 'false', ...rest});
  }
  return h('div', {class: `field ${type}`}, h('label', {for: id}, label), input, hint ? h('p', {class: 'hint', id: described}, hint) : null);
}

// fault shows what is wrong with what was written in an input, beside it, until
// it is written anew.
export function fault(input, message) {
  const id = newId('fault'), before = input.getAttribute('aria-describedby');
  const at = h('p', {class: 'error', id, role: 'alert'}, message);
  input.closest('.field').append(at);
  input.setAttribute('aria-invalid', 'true');
  input.setAttribute('aria-describedby', [before, id].filter(Boolean).join(' '));
  input.addEventListener('input', () => {
    at.remove();
    input.removeAttribute('aria-invalid');
    if (before) input.setAttribute('aria-describedby', before);
    else input.removeAttribute('aria-describedby');
  }, {once: true});
  input.focus();
}

// form calls send with the values by name; what it throws is shown at the field
// that it begins with, else in the form.
export function form(fields, verb, send, {kind = '', cancel} = {}) {
  const error = h('p', {class: 'error', role: 'alert', hidden: true});
  const submit = button(verb, undefined, {kind: 'primary', type: 'submit'});
  const el = h('form', {class: `form ${kind}`, novalidate: false}, fields, error,
    h('div', {class: 'dialog-foot'}, cancel ? button('Cancel', cancel) : null, submit));
  el.addEventListener('submit', async (e) => {
    e.preventDefault();
    submit.disabled = true;
    error.hidden = true;
    for (const input of el.querySelectorAll('[aria-invalid]')) input.dispatchEvent(new Event('input')); // what was wrong is asked again
    try {
      await send(Object.fromEntries(new FormData(el)), el);
    } catch (err) {
      const at = el.elements.namedItem(/^[a-z_]+(?=[\s:.])/.exec(err.message)?.[0] ?? '');
      if (at?.closest?.('.field')) return fault(at, err.message);
      error.textContent = err.message;
      error.hidden = false;
    } finally {
      submit.disabled = false;
    }
  });
  return el;
}

// secret shows what is shown once, with a button that copies it.
export function secret(text, label) {
  const input = h('input', {class: 'mono', readonly: true, value: text, 'aria-label': label, onfocus: () => input.select()});
  const copy = button('Copy', async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = 'Copied';
    } catch {
      input.select();
      toast('The browser does not let this page copy: press Ctrl+C.');
    }
  }, {kind: 'primary'});
  return h('div', {class: 'secret'}, input, copy);
}

// tabs lets one of several be shown: [{id, text}], pick(id) is called on choice.
export function choice(label, options, chosen, pick) {
  const el = h('div', {class: 'choice', role: 'group', 'aria-label': label});
  for (const [id, text] of options) {
    el.append(h('button', {type: 'button', 'aria-pressed': String(id === chosen), onclick: (e) => {
      for (const b of el.children) b.setAttribute('aria-pressed', String(b === e.currentTarget));
      pick(id);
    }}, text));
  }
  return el;
}

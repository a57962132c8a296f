// Limits as people write them: budgets, which are held whatever happens, and rates.

import {h, button, field, fault, form, newId} from './ui.js';

const kinds = [['usd', 'Budget in dollars'], ['tokens', 'Budget in tokens'], ['requests', 'Budget in requests'],
  ['rate.requests', 'Rate of requests'], ['rate.tokens', 'Rate of tokens'], ['concurrent', 'Requests at once']];
const beyond = [['deny', 'requests are refused'], ['warn', 'callers are warned']];
const beyondBudget = [...beyond, ['clamp', 'answers are cut to what is left'], ['stream', 'answers end where it ends']];
const rateUnits = ['minute', 'hour', 'day', 'week'];
const budgetUnits = [...rateUnits, 'month', ['total', 'in total']];
const most = 8;

export const scopes = ['team', 'project', 'user', 'org', 'env', 'key', 'model', 'provider'];

const unitsOf = ['usd', 'tokens', 'requests', 'concurrent'];
const windowOf = (l) => {
  const w = l.window ?? l.per ?? 'day';
  return typeof w === 'string' ? {unit: w, size: 1} : {size: 1, ...w};
};

function windowText(l) {
  if (!l.window && !l.per) return '';
  const w = windowOf(l);
  const per = w.unit === 'total' ? 'in total' : w.size > 1 ? `in ${w.size} ${w.unit}s` : `${w.unit === 'hour' ? 'an' : 'a'} ${w.unit}`;
  return ` ${per}${w.rolling ? ', rolling' : ''}${w.tz ? `, ${w.tz}` : ''}`;
}

export function limitText(l) {
  const what = l.usd !== undefined ? `$${l.usd}` : l.tokens !== undefined ? `${l.tokens} tokens` : l.requests !== undefined ? `${l.requests} requests` : `${l.concurrent} at once`;
  return `${what}${windowText(l)}${l.on_exceed && l.on_exceed !== 'deny' ? ` (${l.on_exceed})` : ''}`;
}

// path is where the limits of a scope are.
export const path = (scope) => `/admin/limits/${scope.split('/').map(encodeURIComponent).join('/')}`;

// limitForm edits the limits of one scope; of a new one the scope, too. names are
// those that are known, by kind. A scope that may have none can lose its last.
// send is given the scope and its limits; of what it throws, a message that begins
// with limits[n] is shown at the nth.
export function limitForm({scope, limits = [{usd: '', window: 'month'}], names, none = false}, send, cancel) {
  const list = h('div', {class: 'stack'});
  const rows = [];
  const more = button('Add a limit', () => { add({requests: '', per: 'minute'}); rows.at(-1).amount.focus(); }, {kind: 'small'});
  const name = scope ? null : nameField(names);
  limits.forEach(add);
  return form([name?.el, list, h('div', null, more)], scope ? 'Save' : 'Set limits', async () => {
    try {
      await send(scope ?? name.value(), rows.map((r) => r.limit()));
    } catch (err) { // which names the entry, or else the scope
      const at = /^limits\[(\d+)\](?:: |\.)?/.exec(err.message);
      if (at && rows[at[1]]) fault(rows[at[1]].inputOf(err.message), err.message.slice(at[0].length));
      else if (name && /^scope |limits in the store already/.test(err.message)) fault(name.input, err.message);
      else throw err;
    }
  }, {cancel});

  function add(limit) {
    const row = limitRow(limit, () => { rows.splice(rows.indexOf(row), 1); row.el.remove(); drawn(); more.focus(); });
    rows.push(row);
    list.append(row.el);
    drawn();
  }

  function drawn() {
    rows.forEach((r, i) => r.numbered(i + 1, none || rows.length > 1));
    more.hidden = rows.length >= most;
  }
}

// nameField takes the scope: its kind, and a name of that kind.
function nameField(names) {
  const known = h('datalist', {id: newId('names')});
  const kind = field({name: 'kind', label: 'For a', options: scopes, value: 'team', onchange: draw});
  const name = field({name: 'name', label: 'Name', required: true, list: known.id});
  const kindOf = () => kind.querySelector('select').value;
  draw();
  return {el: h('div', {class: 'columns-2'}, kind, name, known), input: name.querySelector('input'), value: () => `${kindOf()}/${name.querySelector('input').value.trim()}`};

  function draw() {
    known.replaceChildren(...(names[kindOf()] ?? []).map((n) => h('option', {value: n})));
  }
}

// limitRow edits one limit.
function limitRow(l, remove) {
  const unit = unitsOf.find((u) => l[u] !== undefined), w = windowOf(l);
  const legend = h('legend');
  const away = button('Remove', remove, {kind: 'small'});
  const what = field({name: 'what', label: 'What', options: kinds, value: l.per ? `rate.${unit}` : unit, onchange: draw});
  const amount = field({name: 'amount', label: 'At most', type: 'number', min: 0, required: true, value: String(l[unit])});
  const size = field({name: 'size', label: 'In', type: 'number', min: 1, max: 10000, step: 1, required: true, value: String(w.size)});
  const span = field({name: 'unit', label: 'Unit', options: budgetUnits, value: w.unit, onchange: draw});
  const over = field({name: 'on_exceed', label: 'Beyond it', options: beyondBudget, value: l.on_exceed ?? 'deny'});
  const zone = field({name: 'tz', label: 'Time zone', placeholder: 'UTC', value: w.tz ?? ''});
  const rolling = h('input', {type: 'checkbox', name: 'rolling', checked: Boolean(w.rolling), onchange: draw});
  const rolls = h('label', {class: 'check'}, rolling, 'Rolling: the last so much time, at any moment');
  const el = h('fieldset', {class: 'limit'}, legend, h('div', {class: 'limit-grid'}, what, amount, h('div', {class: 'limit-window'}, size, span), over, zone), h('div', {class: 'line between'}, rolls, h('span', {class: 'grow'}), away));
  const input = (f) => f.querySelector('input, select');
  const value = (f) => input(f).value;
  draw();
  return {el, limit, amount: input(amount), numbered, inputOf};

  function numbered(n, removable) {
    legend.textContent = `Limit ${n}`;
    away.hidden = !removable;
    away.setAttribute('aria-label', `Remove limit ${n}`);
  }

  // draw shows what the kind of limit has.
  function draw() {
    const kind = value(what), rate = kind.startsWith('rate.'), once = kind === 'concurrent', budget = !rate && !once;
    options(span, rate ? rateUnits : budgetUnits);
    options(over, budget ? beyondBudget : beyond);
    const total = budget && value(span) === 'total';
    input(amount).step = kind === 'usd' ? 'any' : '1';
    shown(size, !once && !total);
    shown(span, !once);
    shown(zone, budget && !total && !rolling.checked);
    rolls.hidden = !budget || total;
  }

  function limit() {
    const kind = value(what), [, rate, unit] = /^(rate\.)?(.*)$/.exec(kind);
    const out = {[unit]: unit === 'usd' ? value(amount) : Number(value(amount))};
    if (value(over) !== 'deny') out.on_exceed = value(over);
    if (kind === 'concurrent') return out;
    const window = {unit: value(span)};
    if (window.unit !== 'total') window.size = Number(value(size));
    if (!rolls.hidden && rolling.checked) window.rolling = true;
    if (!zone.hidden && value(zone).trim()) window.tz = value(zone).trim();
    out[rate ? 'per' : 'window'] = window;
    return out;
  }

  // inputOf is where what the message says is written.
  function inputOf(message) {
    const at = /time zone/.test(message) ? zone : /\bsize\b|times a/.test(message) ? size : /unit is|per is/.test(message) ? span : /on_exceed/.test(message) ? over : amount;
    return input(at.hidden ? amount : at);
  }
}

// shown hides a field whose value then neither counts nor has to be right.
function shown(field, is) {
  field.hidden = !is;
  field.querySelector('input, select').disabled = !is;
}

// options offers others, and keeps what is chosen where it is among them.
function options(field, list) {
  const select = field.querySelector('select'), before = select.value;
  select.replaceChildren(...list.map((o) => h('option', {value: Array.isArray(o) ? o[0] : o}, Array.isArray(o) ? o[1] : o)));
  if ([...select.options].some((o) => o.value === before)) select.value = before;
}

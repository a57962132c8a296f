// Budgets as bars, with where they will be when their window ends.

import {h, bar, badge} from './ui.js';
import {table} from './table.js';
import {amount, ago, moment, percent} from './format.js';

const unitOf = (b) => b.unit.replace('_nano', '');

// forecast goes on as it went so far, once a twentieth of the window is over.
export function forecast(b, now = Date.now()) {
  if (!b.starts || !b.ends || !b.max) return undefined;
  const from = Date.parse(b.starts), to = Date.parse(b.ends);
  const gone = (now - from) / (to - from);
  return gone > 0.05 && gone < 1 ? b.spent / gone : undefined;
}

export function budgetBar(b) {
  const unit = unitOf(b), expected = forecast(b);
  const text = b.max ? `${amount(b.spent, unit)} of ${amount(b.max, unit)}${b.reserved ? `, ${amount(b.reserved, unit)} reserved` : ''}` : amount(b.spent, unit);
  return bar({label: `${b.name}, ${b.window}`, used: b.spent, reserved: b.reserved, max: b.max || b.warns_at || 0, warns: b.warns_at, expected, text, soft: !b.max});
}

// beyond is what becomes of requests once a budget is used up.
const beyond = (b) => (b.max ? {warn: 'a warning', clamp: 'answers are cut', stream: 'answers end'}[b.on_exceed] ?? 'requests are refused' : b.warns_at ? 'a warning' : '–');

const share = (b) => (b.max || b.warns_at ? b.spent / (b.max || b.warns_at) : 0);

// worry says what is wrong with a budget: {kind, what, text}, or nothing.
export function worry(b) {
  const of = (limit) => `${amount(b.spent, unitOf(b))} of ${amount(limit, unitOf(b))} ${b.window.replace(/^1 /, 'a ')}`;
  if (b.max && b.spent + b.reserved >= b.max) return {kind: 'bad', what: 'used up', text: of(b.max)};
  if (b.max && b.spent >= 0.8 * b.max) return {kind: 'warn', what: `${percent(b.spent, b.max)} used`, text: of(b.max)};
  return b.warns_at && b.spent >= b.warns_at ? {kind: 'warn', what: 'over its mark', text: of(b.warns_at)} : undefined;
}

// loadBudgets asks for budgets, and for the names of the keys that some belong to.
export async function loadBudgets(api, options) {
  const [{budgets}, {keys}] = await Promise.all([api.get('/admin/budgets', options), api.get('/admin/keys', options)]);
  const names = new Map(keys.map((k) => [`key/${k.id}`, `key/${k.name}`]));
  return budgets.map((b) => ({...b, name: names.get(b.scope) ?? b.scope}));
}

export const budgetTable = (list) => table({
  caption: 'Budgets', rows: list, sort: {key: 'used', down: true}, csv: 'budgets',
  nothing: ['No budget has been spent from yet.', 'Give one to a key when you make it, or to a team under Limits.'],
  columns: [
    {key: 'scope', title: 'Scope', value: (b) => b.name, show: (b) => h('code', {title: b.scope}, b.name)},
    {key: 'window', title: 'Window'},
    {key: 'used', title: 'Used', value: share, show: (b) => budgetBar(b)},
    {key: 'spent', title: 'Spent', num: true, show: (b) => amount(b.spent, unitOf(b))},
    {key: 'max', title: 'Limit', num: true, show: (b) => (b.max ? amount(b.max, unitOf(b)) : b.warns_at ? amount(b.warns_at, unitOf(b)) : '–')},
    {key: 'expected', title: 'Expected', num: true, value: (b) => forecast(b) ?? 0, show: (b) => {
      const f = forecast(b);
      if (f === undefined) return '–';
      return f > b.max ? badge(amount(f, unitOf(b)), 'warn') : amount(f, unitOf(b));
    }},
    {key: 'on_exceed', title: 'When it is used up', value: (b) => beyond(b)},
    {key: 'ends', title: 'Ends', value: (b) => b.ends ?? '', show: (b) => (b.ends ? h('span', {title: moment(b.ends)}, ago(b.ends)) : 'rolls')},
  ],
});

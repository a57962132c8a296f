import {h, head, section, replace, badge, loaded, link, field} from '../ui.js';
import {table} from '../table.js';
import {compact} from '../format.js';

export const title = 'Models';

export async function show(root, params, api) {
  const body = h('div');
  const search = field({name: 'filter', label: 'Find', type: 'search', placeholder: 'Name, operation or ability'});
  replace(root, head('Models', 'What callers may ask for, what it can do and what it costs.'), h('form', {class: 'form inline', role: 'search', onsubmit: (e) => e.preventDefault()}, search), section('Catalogue', body));
  await loaded(body, () => api.get('/admin/models'), ({models}) => {
    const rows = models.map(rowOf).toSorted((a, b) => Number(b.alias) - Number(a.alias) || a.name.localeCompare(b.name));
    const list = table({caption: 'Models', columns: columns(api), rows, page: 40, csv: 'models', nothing: ['No model fits.', 'Look for another word, or configure a model.']});
    search.querySelector('input').addEventListener('input', (e) => {
      const words = e.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      list.update(rows.filter((r) => words.every((w) => r.text.includes(w))));
    });
    return list;
  });
}

function rowOf(m) {
  const all = (name) => [...new Set(m.targets.flatMap((t) => t[name]))];
  const row = {...m, ops: all('operations'), able: all('capabilities'), context: Math.max(0, ...m.targets.map((t) => t.context ?? 0)), up: m.targets.some((t) => t.up && t.breaker !== 'open')};
  row.text = [m.name, ...row.ops, ...row.able, ...m.targets.map((t) => t.target)].join(' ').toLowerCase();
  return row;
}

const columns = (api) => [
  {key: 'name', title: 'Model', show: (m) => [api.may('operator') ? link(m.name, `#/playground?model=${encodeURIComponent(m.name)}`) : m.name, m.alias ? [' ', badge('alias', 'accent')] : null, m.up ? null : [' ', badge('down', 'bad')]]},
  {key: 'targets', title: 'Goes to', value: (m) => m.targets.map((t) => t.target).join(' '), show: (m) => (m.targets.length === 1 && m.targets[0].target === m.name ? '–' : h('span', null, m.targets.map((t) => t.target).join(', '), m.route ? h('span', {class: 'muted'}, ` by ${m.route}`) : null))},
  {key: 'ops', title: 'Serves', value: (m) => m.ops.join(' '), show: (m) => m.ops.join(', ')},
  {key: 'able', title: 'Can', value: (m) => m.able.join(' '), show: (m) => m.able.join(', ') || '–'},
  {key: 'context', title: 'Context', num: true, show: (m) => (m.context ? compact(m.context) : '–')},
  {key: 'prices', title: 'Price', sort: false, value: (m) => price(m.targets[0]), show: (m) => price(m.targets[0])},
];

// price names what tokens cost, or where there are none what else does.
function price(t) {
  if (!t?.prices.length) return 'unknown';
  const main = t.prices.filter((p) => p.what === 'input' || p.what === 'output');
  if (main.length && main[0].per.includes('tokens')) return `$${main.map((p) => p.usd).join(' / $')} a million tokens${main.length === 1 ? ` of ${main[0].what}` : ''}`;
  return t.prices.slice(0, 2).map((p) => `$${p.usd} a ${p.per}`).join(', ');
}

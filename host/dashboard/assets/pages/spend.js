import {h, head, section, tiles, choice, field, loaded, replace, bar} from '../ui.js';
import {table} from '../table.js';
import {lineChart} from '../chart.js';
import {budgetTable, loadBudgets} from '../budgets.js';
import {usd, compact, number, percent, day, zone} from '../format.js';

export const title = 'Spend';

const dimensions = [['team', 'Team'], ['key', 'Key'], ['model', 'Model'], ['provider', 'Provider'], ['project', 'Project'], ['user', 'User'], ['op', 'Operation'], ['origin', 'Origin']];
const ranges = [['1', 'Today'], ['7', '7 days'], ['30', '30 days'], ['90', '90 days']];
const most = 4; // lines of the chart; what is beyond is summed up

export async function show(root, {query}, api) {
  const at = {by: query.get('by') ?? 'team', range: query.get('range') ?? '7'};
  const body = h('div', {class: 'stack'});
  const budgets = h('div');
  const change = (name) => (value) => {
    at[name] = value;
    api.replace(`#/spend?by=${at.by}&range=${at.range}`);
    return draw();
  };
  const by = field({name: 'by', label: 'By', options: dimensions, value: at.by, onchange: (e) => change('by')(e.target.value)});
  by.classList.add('beside');
  replace(root, head('Spend', 'What requests have cost, as providers told it or by the price list.', by, choice('Time', ranges, at.range, change('range'))), body,
    section('Budgets', budgets));
  await Promise.all([draw(), loaded(budgets, () => loadBudgets(api), budgetTable)]);

  function draw() {
    const from = new Date();
    from.setDate(from.getDate() - (Number(at.range) - 1));
    const step = at.range === '1' ? 'hour' : 'day';
    const ask = (by, format = '') => `/admin/usage?by=${by}&from=${day(from)}&tz=${encodeURIComponent(zone)}${format}`;
    return loaded(body, () => Promise.all([api.get(ask(at.by)), api.get(ask(`${step},${at.by}`))]), ([sums, steps]) => [
      totals(sums),
      section(`Cost by ${name(at.by).toLowerCase()} and ${step}`, graph(steps, step, from)),
      section(name(at.by), groups(sums, ask(at.by, '&format=csv'))),
    ]);
  }

  function groups(sums, csv) {
    const all = Number(sums.total.cost_usd);
    return table({
      caption: `Spend by ${at.by}`, rows: sums.rows, sort: {key: 'cost_usd', down: true}, csv,
      nothing: ['Nothing was asked for in this time.', 'Choose a longer one, or send a request to the data address.'],
      columns: [
        {key: at.by, title: name(at.by), show: (r) => (r[at.by] ? h('a', {href: `#/ledger?${at.by}=${encodeURIComponent(r[at.by])}&range=${at.range}`}, r[at.by]) : h('span', {class: 'muted'}, 'none'))},
        {key: 'share', title: 'Share', value: (r) => Number(r.cost_usd), show: (r) => bar({label: `Share of ${r[at.by] || 'none'}`, used: Number(r.cost_usd), max: all * 1.000001, text: percent(Number(r.cost_usd), all), plain: true})},
        {key: 'cost_usd', title: 'Cost', num: true, value: (r) => Number(r.cost_usd), show: (r) => usd(r.cost_usd)},
        {key: 'requests', title: 'Requests', num: true, show: (r) => number(r.requests)},
        {key: 'errors', title: 'Errors', num: true, show: (r) => number(r.errors)},
        {key: 'tokens', title: 'Tokens', num: true, value: (r) => r.tokens.total, show: (r) => compact(r.tokens.total)},
        {key: 'each', title: 'A request', num: true, value: (r) => r.cost_usd / r.requests, show: (r) => usd(r.cost_usd / r.requests)},
        {key: 'saved_usd', title: 'Saved', num: true, value: (r) => Number(r.saved_usd ?? 0), show: (r) => usd(r.saved_usd ?? 0)},
      ],
    });
  }

  function graph(steps, step, from) {
    const cost = new Map(), of = new Map();
    for (const r of steps.rows) {
      const what = r[at.by] || 'none', when = r[step];
      of.set(what, (of.get(what) ?? 0) + Number(r.cost_usd));
      const key = `${stamp(when, step)} ${what}`;
      cost.set(key, (cost.get(key) ?? 0) + Number(r.cost_usd));
    }
    const times = timesOf(step, from);
    const names = [...of].sort((a, b) => b[1] - a[1]).map(([n]) => n);
    const shown = names.length > most ? names.slice(0, most - 1) : names;
    const series = shown.map((n, i) => ({name: n, style: `s${i + 1}`, values: times.map((t) => cost.get(`${stamp(t, step)} ${n}`) ?? 0)}));
    if (names.length > shown.length) {
      series.push({name: `${names.length - shown.length} others`, style: `s${most}`, values: times.map((t) => names.slice(most - 1).reduce((sum, n) => sum + (cost.get(`${stamp(t, step)} ${n}`) ?? 0), 0))});
    }
    return lineChart({label: 'Cost', series, times, format: usd, height: 220});
  }
}

const name = (by) => dimensions.find(([id]) => id === by)?.[1] ?? by;

// stamp is the same for a time and for how the gateway writes it.
function stamp(t, step) {
  const d = t instanceof Date ? t : new Date(String(t).length === 10 ? `${t}T00:00` : t);
  return step === 'hour' ? d.getTime() : day(d); // clocks that are put back show an hour twice
}

function timesOf(step, from) {
  const list = [], now = new Date(), t = new Date(from);
  t.setHours(0, 0, 0, 0);
  while (t <= now) {
    list.push(new Date(t));
    if (step === 'hour') t.setTime(t.getTime() + 3600000);
    else t.setDate(t.getDate() + 1);
  }
  return list;
}

function totals({total}) {
  const known = Number(total.cost_usd);
  return tiles([
    {label: 'Cost', value: usd(known), note: known > 0 ? `${percent(Number(total.reported_usd), known)} told by providers` : 'nothing yet'},
    {label: 'Requests', value: compact(total.requests), note: `${number(total.errors)} failed, ${number(total.refused)} of them refused`},
    {label: 'Tokens in', value: compact(total.tokens.total - total.tokens.output), note: `${compact(total.tokens.cache_read)} read from providers’ caches`},
    {label: 'Tokens out', value: compact(total.tokens.output), note: total.tokens.reasoning ? `${compact(total.tokens.reasoning)} of them reasoning` : 'written by models'},
    {label: 'Estimated', value: usd(total.estimated_usd), note: 'of the cost, from sizes alone'},
    {label: 'Saved', value: usd(total.saved_usd ?? 0), note: 'by the cache and by sharing'},
  ]);
}

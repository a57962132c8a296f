import {h, head, section, tiles, replace, badge, status, loaded, link} from '../ui.js';
import {table} from '../table.js';
import {lineChart} from '../chart.js';
import {usd, us, ms, number, compact, percent, clockSeconds} from '../format.js';
import {loadBudgets, worry} from '../budgets.js';

export const title = 'Overview';

const kept = 40; // rows of the list

export async function show(root, params, api) {
  const figures = h('div'), matters = h('ul', {class: 'panel matters', 'aria-label': 'What needs attention'});
  const charts = h('div', {class: 'row three'});
  const dot = h('span', {class: 'live-dot off'});
  const state = h('span', {class: 'muted', role: 'status'}, 'Connecting');
  const rows = [];
  let waiting = false;
  const list = table({
    caption: 'Requests as they finish, the newest first', page: kept,
    nothing: ['No request has come yet.', 'Send one to the data address: it shows here as soon as it is answered.'],
    columns: liveColumns,
  });
  replace(root, head('Overview', 'What this gateway is doing now, and has done in the last hour.', h('span', null, dot, state)),
    matters, figures, charts, section('Requests', list));

  let shown;
  const draw = async (background) => {
    const series = whole((await api.get('/admin/series?minutes=60', {background})).minutes);
    replace(figures, tiles(sums(series)));
    if (!shown) {
      shown = chartsOf(series);
      replace(charts, shown.map((one) => section(one.title, one.chart)));
    } else chartsOf(series).forEach((one, i) => shown[i].chart.update(one.data));
  };
  const judge = (background) => attention(api, background).then((all) => replace(matters, all));
  await Promise.all([judge(false), loaded(figures, () => draw(false), () => [...figures.childNodes])]);
  // Where the gateway is away the line at the top says so.
  api.every(5000, () => draw(true).catch(() => {}));
  api.every(15000, () => judge(true).catch(() => {}));

  // fill shows what came while nothing was heard.
  async function fill() {
    const known = new Set(rows.map((r) => r.id));
    const fresh = await api.lines('/admin/ledger?order=newest&limit=20', {background: true}).catch(() => []);
    rows.push(...fresh.filter((r) => !known.has(r.id)));
    rows.sort((a, b) => (a.time < b.time ? 1 : -1));
    rows.length = Math.min(rows.length, kept);
    list.update(rows);
  }
  await fill();
  api.stream('/admin/live', {
    open() { dot.classList.remove('off'); state.textContent = 'Live'; fill(); },
    lost() { dot.classList.add('off'); state.textContent = 'Connecting again'; },
    second(now) { state.textContent = `Live · ${number(now.running)} running`; },
    request(row) {
      if (rows.some((r) => r.id === row.id)) return;
      rows.unshift({...row, $class: 'fresh'});
      rows.length = Math.min(rows.length, kept);
      if (waiting) return;
      waiting = true;
      setTimeout(() => { waiting = false; list.update(rows); for (const r of rows) r.$class = ''; }, 150);
    },
  });
}

// attention lists what is not as it should be, or says that all is well.
async function attention(api, background) {
  const of = (path, name) => api.get(path, {background}).then((a) => a[name] ?? [], () => null);
  const [providers, budgets, servers] = await Promise.all([of('/admin/providers/health?minutes=1', 'providers'), loadBudgets(api, {background}).catch(() => null), of('/admin/mcp', 'servers')]);
  const found = [];
  for (const p of providers ?? []) {
    const to = link(p.provider, `#/providers/${encodeURIComponent(p.provider)}`);
    if (!p.now.up) found.push(['bad', p.now.state === 'running' ? 'down' : p.now.state || 'down', ['Provider ', to, ' answers nothing.']]);
    else if (p.now.breakers_open > 0) found.push(['warn', 'breaker open', ['Targets of provider ', to, ' failed and are resting.']]);
    else if (p.now.awaiting) found.push(['warn', 'no credential', ['Provider ', to, ' waits for its first credential.']]);
  }
  for (const b of budgets ?? []) {
    const is = worry(b);
    if (is) found.push([is.kind, is.what, [link(b.name, '#/limits'), ` has spent ${is.text}.`]]);
  }
  for (const s of servers ?? []) if (s.state === 'down') found.push(['warn', 'down', ['Tool server ', link(s.name, '#/tools'), ' offers nothing.']]);
  if (found.length) {
    found.sort(([a], [b]) => a.localeCompare(b)); // bad is before warn
    const most = 5, rest = found.length - most;
    return [...found.slice(0, most).map(([kind, what, text]) => h('li', null, badge(what, kind), h('span', null, text))), rest > 0 ? h('li', {class: 'muted'}, `and ${number(rest)} more`) : null];
  }
  if (!providers) return [h('li', null, badge('unknown', 'warn'), 'How providers fare cannot be asked.')];
  return [h('li', null, badge('all is well', 'good'), h('span', null, `${number(providers.length)} ${providers.length === 1 ? 'provider is' : 'providers are'} up, and no budget is near its end.`))];
}

const liveColumns = [
  {key: 'time', title: 'Time', sort: false, show: (r) => h('a', {href: `#/request/${r.id}`, class: 'nowrap'}, clockSeconds(new Date(r.time)))},
  {key: 'status', title: 'Status', sort: false, show: (r) => status(r.status)},
  {key: 'key', title: 'Key', sort: false},
  {key: 'model', title: 'Model', sort: false, show: (r) => r.model || r.asked},
  {key: 'op', title: 'Operation', sort: false, show: (r) => [r.op, r.stream ? ' · stream' : '', r.cached ? [' ', badge(`${r.cached} cache`, 'accent')] : '']},
  {key: 'tokens', title: 'Tokens', num: true, sort: false, show: (r) => compact(r.tokens?.total)},
  {key: 'cost_usd', title: 'Cost', num: true, sort: false, show: (r) => usd(r.cost_usd)},
  {key: 'duration_us', title: 'Duration', num: true, sort: false, show: (r) => us(r.duration_us)},
];

// whole puts in the minutes in which nothing happened.
function whole(minutes) {
  const by = new Map(minutes.map((m) => [Date.parse(m.time), m]));
  const last = Math.floor(Date.now() / 60000) * 60000;
  return Array.from({length: 60}, (_, i) => {
    const t = last - (59 - i) * 60000;
    return by.get(t) ?? {time: t, requests: 0};
  });
}

const add = (list, name) => list.reduce((sum, m) => sum + Number(m[name] ?? 0), 0);

function sums(minutes) {
  const requests = add(minutes, 'requests'), refused = add(minutes, 'refused'), errors = add(minutes, 'errors') - refused, cached = add(minutes, 'cached');
  const busy = minutes.filter((m) => m.requests > 0);
  const middle = busy.length ? busy.reduce((sum, m) => sum + m.p50_ms * m.requests, 0) / requests : 0;
  const slow = Math.max(0, ...busy.map((m) => m.p95_ms));
  return [
    {label: 'Requests', value: compact(requests), note: requests >= 60 ? `${compact(requests / 60)} a minute` : 'in the last hour'},
    {label: 'Errors', value: number(errors), note: `${percent(errors, requests)} of requests`, kind: errors > 0 ? 'bad' : ''},
    {label: 'Refused', value: number(refused), note: 'by policy, budget or rate', kind: refused > 0 ? 'warn' : ''},
    {label: 'Latency, median', value: busy.length ? ms(middle) : '–', note: busy.length ? `95 % within ${ms(slow)}` : 'no requests'},
    {label: 'Tokens', value: compact(add(minutes, 'input_tokens') + add(minutes, 'output_tokens')), note: `${compact(add(minutes, 'output_tokens'))} written`},
    {label: 'Cost', value: usd(add(minutes, 'cost_usd')), note: cached > 0 ? `${number(cached)} from the cache` : 'in the last hour'},
  ];
}

function chartsOf(minutes) {
  const times = minutes.map((m) => new Date(m.time));
  const of = (name) => minutes.map((m) => Number(m[name] ?? 0));
  const timed = (name) => minutes.map((m) => (m.requests > 0 ? m[name] : null));
  const one = (title, format, series) => ({title, data: {series, times}, chart: lineChart({label: title, series, times, format, height: 180})});
  return [
    one('Requests a minute', compact, [{name: 'Requests', values: of('requests'), style: 's1'}, {name: 'Errors', values: minutes.map((m) => Number(m.errors ?? 0) - Number(m.refused ?? 0)), style: 's5'}]),
    one('Latency', ms, [{name: 'Half within', values: timed('p50_ms'), style: 's1'}, {name: '95 % within', values: timed('p95_ms'), style: 's2'}]),
    one('Cost a minute', usd, [{name: 'Cost', values: of('cost_usd'), style: 's3'}]),
  ];
}

import {h, head, section, tiles, replace, badge, bar, facts, loaded, link, field, confirm, empty} from '../ui.js';
import {table} from '../table.js';
import {lineChart} from '../chart.js';
import {ms, number, percent, ago, moment, compact} from '../format.js';
import {healthStrip, bytes, span, short, act, asked, small} from '../parts.js';

export const title = 'Providers';

export async function show(root, {id}, api) {
  return id ? showOne(root, id, api) : showAll(root, api);
}

async function showAll(root, api) {
  const body = h('div', {class: 'stack'});
  replace(root, head('Providers', 'Who answers requests, and how they have fared on this node in the last day.'), body);
  const draw = async (background) => (await api.get('/admin/providers/health?step=15', {background})).providers;
  await loaded(body, () => draw(false), (list) => (list.length ? list.map(panel) : empty('There is no provider.', 'Add one to the configuration under providers.')));
  api.every(5000, async () => {
    const list = await draw(true).catch(() => null); // the next round says it again
    if (list && !body.contains(document.activeElement)) replace(body, list.map(panel));
  });
}

function stateOf(p) {
  if (p.now.breakers_open > 0 && p.now.up) return badge('breaker open', 'warn');
  if (p.now.up && p.now.awaiting) return badge('waits for a credential', 'warn');
  if (p.now.up) return badge('up', 'good');
  return badge(p.now.state === 'running' ? 'down' : p.now.state || 'down', 'bad');
}

function panel(p) {
  const a = p.adapter;
  return h('section', {class: 'panel provider', 'aria-label': p.provider},
    h('div', {class: 'line between'},
      h('h2', null, link(p.provider, `#/providers/${encodeURIComponent(p.provider)}`)), stateOf(p),
      h('span', {class: 'muted grow'}, a ? `${a.adapter} ${a.version ?? ''}` : ''),
      h('span', {class: 'muted'}, [`${number(p.now.in_flight)} in flight`, a?.restarts ? ` · ${a.restarts} restarts` : '', p.now.credentials_benched ? ` · ${p.now.credentials_benched} credentials refused` : ''])),
    healthStrip(p.provider, p.minutes), objectives(p.objective));
}

// objectives shows how much of the failures that are allowed is used up.
function objectives(o) {
  if (!o) return null;
  const one = (name, text, s) => (s ? h('div', {class: 'objective'},
    h('div', {class: 'line between'}, h('span', null, text), h('span', {class: s.budget_left < 0 ? 'over' : 'muted'}, s.actual === null ? 'not asked yet' : `${s.actual.toFixed(s.actual > 99 ? 2 : 1)} %`)),
    bar({label: `${name}: error budget used`, used: Math.max(0, 1 - s.budget_left), max: 1, text: left(s)}),
    h('p', {class: 'hint'}, left(s), burning(s))) : null);
  return h('div', {class: 'objectives'},
    one('Availability', `${o.availability?.target} % available over ${o.window}`, o.availability),
    one('Latency', `${o.latency?.target} % begin within ${ms(o.latency_ms)}`, o.latency));
}
const left = (s) => (s.budget_left >= 0 ? `${percent(s.budget_left, 1)} of the error budget left` : `${(1 - s.budget_left).toFixed(1)} times the failures that are allowed`);
const burning = (s) => (s.burn_1h > 1 ? ` · burning ${s.burn_1h.toFixed(1)} times too fast in the last hour` : '');

async function showOne(root, name, api) {
  const top = h('div');
  const body = h('div', {class: 'stack wide-gap'});
  replace(root, top, body);
  const path = `/admin/providers/health?provider=${encodeURIComponent(name)}&step=15`;
  let charts;
  const again = async (background) => {
    const p = (await api.get(path, {background})).providers[0];
    replace(top, heading(p, api, again));
    charts?.update(p);
    return p;
  };
  await loaded(body, again, (p) => {
    charts = latency(p);
    return parts(p, charts, api, () => show(root, {id: name}, api));
  });
  api.every(5000, () => again(true).catch(() => {}));
}

function heading(p, api, again) {
  const actions = api.may('operator') && p.adapter ? [
    small('Restart adapter', async () => {
      if (await confirm(`Restart the adapter of ${p.provider}?`, 'A new process takes over; the one before finishes what it serves.', 'Restart', {danger: false})) {
        act(() => api.post(`/admin/plugins/${encodeURIComponent(p.provider)}/restart`), 'The adapter was restarted.', again);
      }
    }),
    small('Upgrade adapter…', () => asked(`Upgrade ${p.adapter.adapter}`, 'Takes a version that is installed into use, for all providers of this adapter. It lasts only if all of them come up with it.',
      [field({name: 'version', label: 'Version', hint: 'Empty: the one that was installed last.'})], 'Upgrade',
      async ({version}) => {
        await api.post(`/admin/plugins/${encodeURIComponent(p.adapter.adapter)}/upgrade${version ? `?version=${encodeURIComponent(version)}` : ''}`);
        again();
      }, {kind: 'small'})),
  ] : [];
  return head(p.provider, [stateOf(p), ' ', p.adapter ? `${p.adapter.adapter} ${p.adapter.version ?? ''}` : 'no adapter'], link('All providers', '#/providers', {class: 'button small'}), ...actions);
}

function latency(p) {
  const of = (points) => ({times: points.map((m) => new Date(m.time)), series: [
    {name: 'Half within', values: points.map((m) => (m.attempts ? m.first_byte.p50_ms : null)), style: 's1'},
    {name: '95 % within', values: points.map((m) => (m.attempts ? m.first_byte.p95_ms : null)), style: 's2'}]});
  const chart = lineChart({label: 'Time to the first byte', format: ms, height: 180, ...of(p.minutes)});
  return {el: chart, update: (fresh) => chart.update(of(fresh.minutes))};
}

function parts(p, charts, api, again) {
  const a = p.adapter;
  return [
    h('section', {class: 'panel', 'aria-label': 'Health'}, healthStrip(p.provider, p.minutes), objectives(p.objective)),
    tiles([
      {label: 'In flight', value: number(p.now.in_flight)},
      {label: 'Restarts', value: number(a?.restarts), note: a ? `${a.state} for ${span(a.uptime_seconds)}` : '', kind: a?.restarts ? 'warn' : ''},
      {label: 'Memory', value: bytes(a?.rss_bytes), note: a?.pid ? `process ${a.pid}` : 'no process'},
      {label: 'Breakers open', value: number(p.now.breakers_open), kind: p.now.breakers_open ? 'bad' : ''},
      {label: 'Credentials refused', value: number(p.now.credentials_benched), note: `of ${p.credentials.length}`, kind: p.now.credentials_benched ? 'bad' : ''},
    ]),
    h('div', {class: 'row'}, section('Time to the first byte', charts.el), section('Last thirty days', days(p))),
    section('Targets', targets(p)),
    credentials(p, api, again),
    a ? section('Adapter', facts([['Version', a.version], ['Installed as', a.installed], ['SHA-256', h('code', {title: a.sha256}, short(a.sha256, 16))], ['Isolation', a.isolation],
      ['Requests go', a.lease ? 'to the provider itself, on a lease' : 'through the adapter’s socket'], ['Last error', a.last_error], ['Rejected', a.rejected]]),
    h('details', {class: 'as-table'}, h('summary', null, `What it serves (${a.endpoints.length})`), h('ul', {class: 'plain-list mono'}, a.endpoints.map((e) => h('li', null, e))))) : null,
  ];
}

const days = (p) => table({caption: 'Days', columns: [
  {key: 'time', title: 'Day', show: (d) => d.time.slice(0, 10)},
  {key: 'attempts', title: 'Attempts', num: true, show: (d) => compact(d.attempts)},
  {key: 'failed', title: 'Succeeded', num: true, value: (d) => (d.attempts - d.failed) / (d.attempts || 1), show: (d) => (d.attempts ? `${(100 * (d.attempts - d.failed) / d.attempts).toFixed(2)} %` : '–')},
  {key: 'down_seconds', title: 'Down', num: true, show: (d) => (d.down_seconds ? span(d.down_seconds) : '–')},
  {key: 'p95', title: '95 % within', num: true, value: (d) => d.first_byte.p95_ms, show: (d) => ms(d.first_byte.p95_ms)},
], rows: p.days.toReversed(), page: 8, nothing: ['Nothing was asked yet.', 'Days show as soon as requests come.']});

const breakers = {closed: 'good', 'half-open': 'warn', open: 'bad'};
const last = (t) => t.minutes.reduce((sum, m) => ({all: sum.all + m.attempts, bad: sum.bad + m.failed}), {all: 0, bad: 0});

const targets = (p) => table({caption: 'Targets of this provider', sort: {key: 'attempts', down: true}, columns: [
  {key: 'target', title: 'Target'},
  {key: 'breaker', title: 'Breaker', show: (t) => [badge(t.breaker, breakers[t.breaker]), t.resting_until ? h('span', {class: 'muted'}, ` rests, ends ${ago(t.resting_until)}`) : null]},
  {key: 'in_flight', title: 'In flight', num: true},
  {key: 'attempts', title: 'Attempts, 24 h', num: true, value: (t) => last(t).all, show: (t) => compact(last(t).all)},
  {key: 'failed', title: 'Failed', num: true, value: (t) => last(t).bad, show: (t) => percent(last(t).bad, last(t).all)},
  {key: 'ttft_ms', title: 'First byte', num: true, show: (t) => (t.ttft_ms ? ms(t.ttft_ms) : '–')},
  {key: 'left', title: 'Rate left', num: true, value: (t) => t.requests?.left ?? -1, show: (t) => quota(t.requests, t.tokens)},
], rows: p.targets, page: 12, nothing: ['No target of this provider was named yet.', 'Models of the configuration and of requests show here.']});

function quota(requests, tokens) {
  const one = (q, unit) => (q ? `${compact(q.left)}${q.limit ? ` of ${compact(q.limit)}` : ''} ${unit}${q.reset ? `, whole ${ago(q.reset)}` : ''}` : null);
  return [one(requests, 'requests'), one(tokens, 'tokens')].filter(Boolean).join(' · ') || '–';
}

const states = {usable: 'good', refused: 'bad', 'rate limited': 'warn', 'no token': 'warn'};

function credentials(p, api, again) {
  const base = `/admin/providers/${encodeURIComponent(p.provider)}/credentials`;
  const owner = api.may('owner');
  const value = () => field({name: 'value', label: 'Value', type: 'password', required: true, autocomplete: 'off', hint: 'It is kept sealed and never shown again.'});
  const columns = [
    {key: 'name', title: 'Name'},
    {key: 'state', title: 'State', show: (c) => [badge(c.state, states[c.state]), c.until ? h('span', {class: 'muted'}, ` until ${moment(c.until)}`) : null]},
    {key: 'source', title: 'Kept in'},
    {key: 'weight', title: 'Weight', num: true},
    {key: 'rate', title: 'Rate left', sort: false, show: (c) => quota(c.requests, c.tokens)},
    {key: 'retires', title: 'Retires', show: (c) => (c.retires ? ago(c.retires) : '–')},
  ];
  if (owner) {
    columns.push({key: 'do', title: 'Change', sort: false, show: (c) => (c.source !== 'store' ? h('span', {class: 'muted'}, 'in the configuration') : h('span', {class: 'line'},
      small('Rotate…', () => asked(`Rotate ${c.name}`, 'The value before stays in use for the overlap.', [value(), field({name: 'overlap', label: 'Overlap', value: '24h'})], 'Rotate',
        async (v) => { await api.put(`${base}/${encodeURIComponent(c.name)}`, v); again(); }, {kind: 'small'})),
      small('Remove…', async () => {
        if (await confirm(`Remove ${c.name}?`, 'Requests are no longer made with it, from now on.', 'Remove')) act(() => api.del(`${base}/${encodeURIComponent(c.name)}`), 'The credential was removed.', again);
      })))});
  }
  const add = owner ? small('Add a credential…', () => asked('Add a credential', `For ${p.provider}.`, [
    field({name: 'name', label: 'Name', required: true}), value(), field({name: 'weight', label: 'Weight', type: 'number', value: '1', min: 0, max: 1000, hint: 'Its share of requests.'})], 'Add',
  async (v) => { await api.post(base, {...v, weight: Number(v.weight)}); again(); }, {kind: 'small'})) : null;
  return section('Credentials', add ? h('div', {class: 'actions bottom-gap'}, add) : null, table({caption: 'Credentials', columns, rows: p.credentials, page: 12,
    nothing: ['This provider has no credential.', owner ? 'Add one if it needs any.' : 'An owner can add one.']}));
}

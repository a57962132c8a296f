import {h, head, section, replace, badge, facts, loaded, choice, field, confirm, empty, form, button, link, bar, status, dialog, skeleton, failed} from '../ui.js';
import {table} from '../table.js';
import {moment, number, percent, ago, usd} from '../format.js';
import {act, asked, why, base64, small, short, json} from '../parts.js';

export const title = 'Policies';

const views = [['decisions', 'Decisions'], ['bundles', 'Bundles'], ['trial', 'Trials']];

export async function show(root, {query}, api) {
  const view = views.some(([v]) => v === query.get('view')) ? query.get('view') : 'decisions';
  const top = h('div'), body = h('div', {class: 'stack wide-gap'});
  replace(root, head('Policies', 'What decides whether a request may pass, and within which bounds.',
    choice('View', views, view, (v) => api.go(`#/policies?view=${v}`))), top, body);
  loaded(top, () => api.get('/admin/policy'), revision);
  await ({decisions, bundles, trial})[view](body, query, api);
}

const revision = (p) => section('In force', facts([
  ['Revision', h('code', null, p.revision)], ['Since', moment(p.since)], ['Source', p.source], ['Bundles', Object.entries(p.bundles ?? {}).map(([n, r]) => (r ? `${n} ${r}` : n)).join(', ')],
  ['Units', p.Units?.map((u) => u.Name).join(', ')], ['Kept', p.kept ? 'the source cannot be read: what was accepted last stands in' : null], ['Last error', p.error || p.LastError]]));

// The explorer of decisions.

const spans = [['1', 'the last hour'], ['24', 'the last day'], ['168', 'the last week']];
const most = 1000;

async function decisions(body, query, api) {
  const now = {what: query.get('what') ?? 'denied', hours: query.get('hours') ?? '24', key: query.get('key') ?? '', model: query.get('model') ?? '', code: query.get('code') ?? ''};
  const reasons = h('div'), list = h('div');
  const filters = form([
    field({name: 'what', label: 'Show', options: [['denied', 'denied'], ['allowed', 'allowed'], ['all', 'all']], value: now.what}),
    field({name: 'hours', label: 'Of', options: spans, value: now.hours}),
    field({name: 'key', label: 'Key', value: now.key}), field({name: 'model', label: 'Asked for', value: now.model}), field({name: 'code', label: 'Reason', value: now.code})], 'Show',
  async (f) => {
    const q = new URLSearchParams({view: 'decisions', ...f});
    for (const [k, v] of [...q]) if (v === '') q.delete(k);
    api.replace(`#/policies?${q}`);
    Object.assign(now, f);
    await draw();
  }, {kind: 'inline'});
  filters.setAttribute('aria-label', 'Filter decisions');
  replace(body, section('Deny reasons', reasons), section('Decisions', filters, list));
  const since = () => new Date(Date.now() - Number(now.hours) * 3600000).toISOString();
  const draw = async () => {
    const q = new URLSearchParams({from: since()});
    if (now.what === 'denied') q.set('class', 'policy');
    if (now.key) q.set('key', now.key);
    if (now.code) q.set('code', now.code);
    await Promise.all([
      loaded(reasons, () => api.get(`/admin/usage?by=code&class=policy&from=${encodeURIComponent(since())}`), (u) => top(u.rows, (code) => { filters.elements.code.value = code; filters.elements.what.value = 'denied'; filters.requestSubmit(); })),
      loaded(list, () => latest(api, q), ({rows, cut}) => shown(rows.filter((r) => (now.what !== 'allowed' || r.class !== 'policy') && (!now.model || (r.asked ?? '').includes(now.model))), cut, api)),
    ]);
  };
  await draw();
}

async function latest(api, query) {
  const q = new URLSearchParams(query);
  q.set('order', 'newest');
  q.set('limit', String(most));
  const rows = await api.lines(`/admin/ledger?${q}`);
  return {rows, cut: rows.length === most};
}

function top(rows, pick) {
  const list = rows.filter((r) => r.refused > 0 && r.code).toSorted((a, b) => b.refused - a.refused).slice(0, 8);
  if (!list.length) return empty('Nothing was denied in this time.', 'Policy, budgets and rates have let all requests pass.');
  const max = list[0].refused;
  return h('ul', {class: 'reasons'}, list.map((r) => h('li', null, h('button', {type: 'button', class: 'link', onclick: () => pick(r.code)}, r.code),
    bar({label: r.code, used: r.refused, max: max * 1.3, text: `${number(r.refused)} requests`}), h('span', {class: 'num'}, number(r.refused)))));
}

const shown = (rows, cut, api) => [
  cut ? h('p', {class: 'hint'}, 'There are more than fit: these are the newest.') : null,
  table({caption: 'Decisions, the newest first', page: 25, nothing: ['No decision fits.', 'Choose a longer time, or fewer filters.'], columns: [
    {key: 'time', title: 'Time', show: (r) => h('span', {class: 'nowrap'}, moment(r.time))},
    {key: 'class', title: 'Decision', value: (r) => r.class, show: (r) => (r.class === 'policy' ? badge('denied', 'bad') : badge('allowed', 'good'))},
    {key: 'code', title: 'Reason', show: (r) => (r.class === 'policy' ? r.code : '–')},
    {key: 'key', title: 'Key', show: (r) => r.key || '–'}, {key: 'team', title: 'Team', show: (r) => r.team || '–'}, {key: 'asked', title: 'Asked for'},
    {key: 'status', title: 'Status', show: (r) => status(r.status)},
    {key: 'do', title: 'More', sort: false, show: (r) => h('span', {class: 'line'}, small('Explain', () => explain(r, api), {'aria-label': `Explain ${r.id}`}), link('Request', `#/request/${encodeURIComponent(r.id)}`))},
  ], rows})];

const verdicts = {silent: '', denies: 'bad', fails: 'bad'};

// explain shows what each unit of policy says of a request, and what it saw.
function explain(row, api) {
  return dialog(`Decision on ${row.id}`, () => {
    const body = h('div', {class: 'stack'}, skeleton());
    api.post(`/admin/policy/explain/${encodeURIComponent(row.id)}`, {trace: 'fails'}).then((e) => replace(body, explained(row, e)), (err) => replace(body, failed(err)));
    return body;
  });
}

function explained(row, e) {
  return [
    facts([['Then', [row.class === 'policy' || !e.then.allow ? badge('denied', 'bad') : badge('allowed', 'good'), ' ', e.then.code || row.code || '']], ['By revision', h('code', null, e.then.revision)],
      ['Today', (e.units ?? []).some((u) => u.verdict !== 'silent') ? badge('denied', 'bad') : badge('allowed', 'good')], ['Revision now', h('code', null, e.revision)], ['Changed', e.now?.change]]),
    table({caption: 'Units of policy', page: 20, columns: [
      {key: 'unit', title: 'Unit'}, {key: 'verdict', title: 'Says', show: (u) => badge(u.verdict, verdicts[u.verdict])},
      {key: 'reasons', title: 'Reason', sort: false, show: (u) => (u.reasons ?? []).map((r) => h('p', null, h('code', null, r.code), ` ${r.message}`)).concat(u.error ? h('p', {class: 'error'}, u.error) : [])},
    ], rows: e.units ?? []}),
    ...(e.units ?? []).filter((u) => u.trace?.length).map((u) => h('details', null, h('summary', null, `Trace of ${u.unit}`), json(u.trace.join('\n'), `Trace of ${u.unit}`))),
    h('details', null, h('summary', null, 'What policy saw'), json(e.input, 'Input of the decision')),
    e.limits?.length ? h('details', null, h('summary', null, 'Limits it sets'), json(e.limits, 'Limits')) : null,
    e.terms || e.then ? h('details', null, h('summary', null, 'What it came to'), json(e.terms ?? e.then, 'Result')) : null,
    link('The whole request', `#/request/${encodeURIComponent(row.id)}`),
  ];
}

// Bundles that were pushed.

async function bundles(body, query, api) {
  const may = api.may('policy_author');
  const again = () => bundles(body, query, api);
  await loaded(body, () => Promise.all([api.get('/admin/policy/bundles'), api.get('/admin/policy/history')]), ([b, hist]) => [
    section('Bundles', may ? h('div', {class: 'actions bottom-gap'}, small('Push a bundle…', () => asked('Push a bundle', 'Its tests run first. It decides at once where policy.bundle is “store:”.', [
      field({name: 'bundle', label: 'Bundle', type: 'file', accept: '.gz,.tgz', required: true, hint: 'A .tar.gz, as opa build makes.'}), why()], 'Push',
    async (f) => { await api.post('/admin/policy/bundles', {bundle: await base64(f.bundle), why: f.why}); again(); }))) : null,
    table({caption: 'Bundles', page: 12, nothing: ['No bundle was pushed.', 'The source that the configuration names decides.'], columns: [
      {key: 'version', title: 'Version', num: false, show: (v) => `${v.version}`}, {key: 'revision', title: 'Revision', show: (v) => [h('code', null, short(v.revision, 16)), v.active ? [' ', badge('in force', 'good')] : null]},
      {key: 'by', title: 'By'}, {key: 'why', title: 'Why', show: (v) => v.why || '–'}, {key: 'at', title: 'Pushed', show: (v) => ago(v.at)},
      ...(may ? [{key: 'do', title: 'Change', sort: false, show: (v) => (v.active ? null : small('Roll back to it…', async () => {
        if (await confirm(`Roll back to version ${v.version}?`, 'It decides all requests from now on.', 'Roll back')) act(() => api.post('/admin/policy/rollback', {version: v.version}), `Version ${v.version} is in force.`, again);
      }))}] : [])], rows: b.versions ?? []})),
    section('History', table({caption: 'History', page: 12, nothing: ['Nothing has happened yet.', 'Pushes and rollbacks show here.'], columns: [
      {key: 'at', title: 'Time', show: (e) => moment(e.at)}, {key: 'what', title: 'What'}, {key: 'version', title: 'Version'}, {key: 'by', title: 'By'}, {key: 'why', title: 'Why', show: (e) => e.why || '–'}], rows: hist.history ?? []}))]);
}

// Trials: a shadow beside what decides, and what a bundle would have made of
// the requests that were.

async function trial(body, query, api) {
  const impact = h('div');
  const ask = button('Ask', () => loaded(impact, () => api.post('/admin/policy/impact', {since: new Date(Date.now() - 24 * 3600000).toISOString()}), impacted));
  const shadow = h('div');
  replace(body, section('Shadow', shadow), section('Impact', h('p', {class: 'muted bottom-gap'}, 'What the shadow, or else what decides, would make of the requests of the last day.'), ask, impact));
  await loaded(shadow, () => api.get('/admin/policy/shadow'), (s) => (s.active ? [
    facts([['Revision', h('code', null, s.revision)], ['Since', moment(s.since)], ['Requests seen', number(s.seen)], ['Not seen', number(s.dropped + s.too_large)],
      ...Object.entries(s.changes ?? {}).map(([k, n]) => [k, `${number(n)} (${percent(n, s.seen)})`])]),
    s.latest?.length ? table({caption: 'Last differences', page: 10, columns: [
      {key: 'request', title: 'Request', show: (d) => link(d.request, `#/request/${encodeURIComponent(d.request)}`)}, {key: 'change', title: 'Difference'},
      {key: 'codes', title: 'Reasons', value: (d) => (d.codes ?? []).join(', ')}, {key: 'terms', title: 'Terms', value: (d) => (d.terms ?? []).join(', ')}], rows: s.latest}) : null,
    api.may('policy_author') ? small('End the shadow', () => act(() => api.del('/admin/policy/shadow'), 'The shadow has ended.', () => trial(body, query, api))) : null,
  ] : [empty('No bundle runs in the shadow.', 'signalbox policy shadow sets one: it sees what passes and decides nothing.'), dry(s)]));
}

const dry = (s) => (s.dry_run?.length ? table({caption: 'Units in a dry run', columns: [{key: 'unit', title: 'Unit'}, {key: 'code', title: 'Would deny for'}, {key: 'requests', title: 'Requests', num: true}], rows: s.dry_run}) : null);

const impacted = (i) => h('div', {class: 'sub'},
  facts([['Revision', h('code', null, i.revision)], ['Requests', number(i.requests)], ['Tried', number(i.tried)], ...Object.entries(i.changes ?? {}).map(([k, n]) => [k, number(n)])]),
  i.denied?.length ? table({caption: 'Who would be denied', page: 12, columns: [{key: 'key', title: 'Key'}, {key: 'team', title: 'Team'}, {key: 'model', title: 'Model'}, {key: 'code', title: 'Reason'}, {key: 'requests', title: 'Requests', num: true},
    {key: 'cost_nano_usd', title: 'They did cost', num: true, show: (d) => usd(d.cost_nano_usd / 1e9)}], rows: i.denied}) : h('p', null, 'Nobody would be denied who was not.'),
  (i.notes ?? []).map((n) => h('p', {class: 'hint'}, n)));

import {h, head, section, replace, badge, facts, loaded, choice, field, empty, toast, dialog} from '../ui.js';
import {table} from '../table.js';
import {moment, number, percent, ago, usd, us} from '../format.js';
import {label, asked, why, base64, small, act} from '../parts.js';

export const title = 'Routes';

const kinds = {routes: 'routing module', filters: 'filter'};
const states = {active: 'good', canary: 'accent', shadow: 'accent', quarantined: 'bad', rejected: 'bad'};

export async function show(root, {id, query}, api) {
  const kind = query.get('kind') === 'filters' ? 'filters' : 'routes';
  const body = h('div', {class: 'stack wide-gap'});
  const pick = choice('Kind of module', [['routes', 'Routes'], ['filters', 'Filters']], kind, (k) => api.go(`#/routes?kind=${k}`));
  replace(root, head('Routes', 'Versions of routing modules and filters: pushed, tried beside what decides, on a share of requests, and then in use.', pick), body);
  const again = () => loaded(body, () => api.get(`/admin/${kind}`), ({modules}) => (modules.length ? modules.filter((m) => !id || m.name === id).map((m) => panel(m, kind, api, again))
    : empty(`No ${kinds[kind]} is configured.`, kind === 'routes' ? 'Name one under routes and at a model.' : 'Name one under filters and at a model, or have policy require it.')));
  await again();
}

function panel(m, kind, api, again) {
  const base = `/admin/${kind}/${encodeURIComponent(m.name)}`;
  const may = api.may('operator');
  return section(m.name,
    h('div', {class: 'line bottom-gap'}, m.quarantined ? badge(`quarantined: ${m.quarantined}`, 'bad') : null,
      may ? [
        m.canary ? small('End the canary…', () => step(api, base, 'rollback', 'End the canary?', 'The version in use decides all requests again.', {}, again, 'End it', 'The canary has ended.')) : null,
        m.previous ? small('Roll back…', () => step(api, base, 'rollback', `Roll ${m.name} back?`, 'The version before is in use again at once.', versionOf(m.previous), again, 'Roll back', 'The version before is in use again.')) : null,
        m.shadow ? small('End the shadow', () => act(() => api.post(`${base}/shadow`, {off: true}), 'The shadow has ended.', again)) : null,
        small('Push a version…', () => push(api, base, m, again)),
      ] : null,
      small('History', () => history(api, base, m))),
    facts([['In use', m.active ? label(m.active) : 'none: the built-in order'], ['Before it', m.previous ? label(m.previous) : null],
      ['Canary', m.canary ? [label(m.canary), ` on ${percent(m.share, 1)} by ${m.by}`] : null], ['Shadow', m.shadow ? label(m.shadow) : null], ['Taken into use', m.swaps === 1 ? 'once' : `${number(m.swaps)} times`]]),
    trial(m), compared(m), versions(m, base, may, api, again));
}

// trial shows what a canary does beside the version in use, and what ends it.
function trial(m) {
  const t = m.trial, g = m.guard ?? {};
  if (!t) return null;
  const rows = [
    ['Requests', (v) => number(v.requests), g.min_requests ? `judged from ${number(g.min_requests)} on` : ''],
    ['Failed', (v) => percent(v.failed, v.requests), g.errors ? `${percent(g.errors, 1)} more of them` : ''],
    ['Calls of the module that failed', (v) => percent(v.faults, v.calls), g.faults ? `${percent(g.faults, 1)} of them` : ''],
    ['Cost of a request', (v) => (v.requests ? usd(v.cost / v.requests / 1e9) : '–'), g.cost ? `${g.cost} times as much` : ''],
    ['First byte', (v) => (v.answered ? us(v.ttft_us / v.answered) : '–'), g.ttft ? `${g.ttft} times as long` : ''],
  ];
  return h('div', {class: 'sub'}, h('h3', null, 'Canary'), table({caption: `Canary of ${m.name}`, columns: [
    {key: 'what', title: 'Figure', sort: false, value: ([what]) => what}, {key: 'canary', title: 'Canary', sort: false, num: true, value: ([, f]) => f(t.canary)},
    {key: 'active', title: 'In use', sort: false, num: true, value: ([, f]) => f(t.active)}, {key: 'ends', title: 'Ends by itself', sort: false, value: ([, , ends]) => ends || '–'},
  ], rows}));
}

function compared(m) {
  const c = m.compared;
  if (!c) return null;
  const differs = c.compared - c.same;
  return h('div', {class: 'sub'}, h('h3', null, 'Shadow beside what decides'),
    facts([['Decisions compared', number(c.compared)], ['The same', `${number(c.same)} (${percent(c.same, c.compared)})`], ['Another first target', number(c.first_choice)],
      ['Other differences', number(Math.max(0, differs - c.first_choice))], ['Failed', number(c.failed)], ['Not seen', number(c.dropped)]]),
    c.last?.length ? table({caption: 'Last differences', page: 8, columns: [
      {key: 'time', title: 'Time', show: (d) => h('a', {href: `#/request/${encodeURIComponent(d.request)}`, class: 'nowrap'}, moment(d.time))},
      {key: 'what', title: 'Difference'}, {key: 'acted', title: 'Acted on'}, {key: 'shadow', title: 'Shadow'}, {key: 'by', title: 'Decided by', show: (d) => label(d.by)},
    ], rows: c.last.toReversed()}) : null);
}

function versions(m, base, may, api, again) {
  const columns = [
    {key: 'label', title: 'Version', show: (v) => label(v.label)},
    {key: 'tag', title: 'Tag'},
    {key: 'state', title: 'State', show: (v) => [badge(v.state, states[v.state]), v.proven ? [' ', badge('replayed', 'good')] : null]},
    {key: 'origin', title: 'Origin', show: (v) => v.origin + (v.signed_by ? `, signed by ${v.signed_by}` : '')},
    {key: 'pushed', title: 'Pushed', show: (v) => ago(v.pushed)},
  ];
  if (may) columns.push({key: 'do', title: 'Next', sort: false, show: (v) => steps(v, m, base, api, again)});
  return h('div', {class: 'sub'}, h('h3', null, 'Versions'), table({caption: `Versions of ${m.name}`, columns, rows: m.versions, page: 8}));
}

function steps(v, m, base, api, again) {
  if (v.lane === 'active') return null;
  const body = versionOf(v.label);
  return h('span', {class: 'line'},
    v.proven ? null : small('Replay', () => replay(api, base, body, again)),
    v.lane === 'shadow' ? null : small('Shadow', () => act(() => api.post(`${base}/shadow`, body), 'It decides beside the version in use now, without effect.', again)),
    v.lane === 'canary' ? null : small('Canary…', () => asked(`Try ${m.name} on a share`, 'It ends by itself where it does much worse than the version in use.', [
      field({name: 'share', label: 'Share of requests, in percent', type: 'number', value: '5', min: 0.1, max: 100, step: 'any', required: true}),
      field({name: 'by', label: 'Chosen by', options: [['key', 'key'], ['request', 'request'], ['session', 'session']], value: 'key'}), guard(), why()], 'Start',
    async (f) => { await api.post(`${base}/canary`, {...body, share: Number(f.share) / 100, by: f.by, guard: guardOf(f), why: f.why}); again(); }, {kind: 'small'})),
    small('Promote…', () => step(api, base, 'promote', `Promote ${m.name}?`, 'This version decides all requests from now on. Requests that run keep the one they began with.', body, again, 'Promote', 'The version is in use.')));
}

// guard asks how much worse than the version in use a canary may do.
function guard() {
  const el = h('details', null, h('summary', null, 'When it ends by itself'), h('div', {class: 'columns-2'},
    field({name: 'min_requests', label: 'Judged after so many requests', type: 'number', value: '50', min: 1, max: 1000000, step: 1, required: true}),
    field({name: 'faults', label: 'Calls of it that may fail, in percent', type: 'number', value: '1', min: 0, max: 100, step: 'any', required: true}),
    field({name: 'errors', label: 'More failed requests, in percent', type: 'number', value: '5', min: 0, max: 100, step: 'any', required: true}),
    field({name: 'cost', label: 'Mean cost, times', type: 'number', value: '1.5', min: 0, step: 'any', required: true, hint: '0: any.'}),
    field({name: 'ttft', label: 'Mean time to the first byte, times', type: 'number', value: '2', min: 0, step: 'any', required: true, hint: '0: any.'})));
  el.addEventListener('invalid', () => { el.open = true; }, true); // what is wrong must be seen
  return el;
}

const guardOf = (f) => ({min_requests: Number(f.min_requests), faults: Number(f.faults) / 100, errors: Number(f.errors) / 100, cost: Number(f.cost), ttft: Number(f.ttft)});

const versionOf = (label) => ({version: label.slice(label.indexOf('@') + 1)});

function step(api, base, name, heading, about, body, again, verb, done) {
  return asked(heading, about, [why(), name === 'promote' ? h('label', {class: 'check'}, h('input', {type: 'checkbox', name: 'force'}), 'By force: without the proof that this asks for') : null],
    verb, async (f) => {
      await api.post(`${base}/${name}`, {...body, why: f.why, ...(f.force ? {force: true} : {})});
      toast(done, 'good');
      again();
    }, {kind: 'small'});
}

async function replay(api, base, body, again) {
  try {
    const r = await api.post(`${base}/replay`, {...body, most: 1000});
    toast(`${number(r.decisions)} decisions replayed: ${number(r.same)} the same, ${number(r.first_choice)} with another first target, ${number(r.failed)} failed. ${r.passed ? 'It has passed.' : 'It has not passed.'}`, r.passed ? 'good' : 'bad');
    again();
  } catch (err) {
    toast(err.message, 'bad');
  }
}

function push(api, base, m, again) {
  const file = (name, text, hint, accept, required) => field({name, label: text, type: 'file', hint, accept, required});
  return asked(`Push a version of ${m.name}`, 'It does nothing until it is shadowed, tried or promoted.', [
    file('code', 'Module', 'A .wasm file.', '.wasm', true), file('manifest', 'Manifest', 'Its .json, where it has one.', '.json'), file('signature', 'Signature', 'Its .minisig, where modules must be signed.', '.minisig'), why()], 'Push',
  async (f) => {
    const body = {why: f.why};
    for (const name of ['code', 'manifest', 'signature']) if (f[name]?.size) body[name] = await base64(f[name]);
    await api.post(`${base}/versions`, body);
    again();
  });
}

async function history(api, base, m) {
  try {
    const {events} = await api.get(`${base}/history`);
    dialog(`History of ${m.name}`, () => table({caption: 'History', page: 15, columns: [
      {key: 'time', title: 'Time', class: 'nowrap', show: (e) => moment(e.time)}, {key: 'what', title: 'What', class: 'nowrap', value: (e) => e.what.replaceAll('_', ' ')}, {key: 'version', title: 'Version', show: (e) => label(e.version)}, {key: 'who', title: 'Who'}, {key: 'why', title: 'Why'},
    ], rows: events}));
  } catch (err) {
    toast(err.message, 'bad');
  }
}

import {h, s, head, section, tiles, replace, badge, loaded, link, field, form, empty, dialog, button} from '../ui.js';
import {table} from '../table.js';
import {usd, ms, number, moment, ago} from '../format.js';
import {base64, json, small} from '../parts.js';

export const title = 'Pipelines';

const states = {ok: 'good', failed: 'bad', skipped: '', partial: 'warn', default: 'warn'};
const state = (one) => badge(one.status, states[one.status] ?? '');

export async function show(root, {id, query}, api) {
  return id ? showOne(root, id, query.get('run'), api) : showAll(root, api);
}

async function showAll(root, api) {
  const body = h('div', {class: 'stack'});
  replace(root, head('Pipelines', 'Several models as one call: each step passes policy, budget, routing and the ledger.'), body);
  await loaded(body, () => api.get('/admin/pipelines'), ({pipelines}) => (pipelines.length ? pipelines.map((p) => h('section', {class: 'panel provider', 'aria-label': p.name},
    h('div', {class: 'line between'}, h('h2', null, link(p.name, `#/pipelines/${encodeURIComponent(p.name)}`)), h('code', {class: 'muted'}, p.model), h('span', {class: 'grow'}),
      p.last_run ? [state(p.last_run), h('span', {class: 'muted'}, `${ago(p.last_run.created_at)} · ${usd(p.last_run.cost_usd)} · ${ms(p.last_run.duration_ms)}`)] : h('span', {class: 'muted'}, 'no run yet')),
    p.description ? h('p', {class: 'muted'}, p.description) : null, graph(p, p.last_run)))
    : empty('No pipeline is configured.', 'Write one under pipelines, or put files into the folder that pipelines_dir names.')));
}

// leaves are the requests of steps, groups unfolded.
const leaves = (list) => list.flatMap((one) => (one.steps?.length ? leaves(one.steps) : [one]));

const W = 168, H = 54, GAP = 44, LINE = 16;

// layers tells in which column each step stands: what runs beside another stands
// below it.
function layers(list, at, out) {
  for (const one of list) {
    if (one.kind === 'parallel') at = Math.max(at, ...one.steps.map((inner) => layers([inner], at, out)));
    else if (one.kind === 'sequence') at = layers(one.steps, at, out);
    else {
      (out[at] ??= []).push(one);
      at++;
    }
  }
  return at;
}

// graph draws a pipeline from its inputs to its output, with what the steps of a
// run came to.
function graph(p, run) {
  const columns = [];
  const end = layers(p.steps, 1, columns);
  columns[0] = [{name: '$input', title: 'Inputs', sub: p.inputs.map((i) => i.name).join(', ') || 'none'}];
  columns[end] = [{name: 'output', title: 'Output', sub: p.output_type.length > 24 ? `${p.output_type.slice(0, 23)}…` : p.output_type}];
  const done = new Map(run ? leaves(run.steps ?? []).map((r) => [r.name, r]) : []);
  const rows = Math.max(...columns.map((c) => c.length));
  const width = columns.length * (W + GAP) - GAP, height = rows * (H + LINE) - LINE;
  const at = new Map();
  columns.forEach((column, x) => column.forEach((one, y) => at.set(one.name, {x: x * (W + GAP), y: (height - column.length * (H + LINE) + LINE) / 2 + y * (H + LINE), one})));
  const seen = new Set();
  const edges = p.edges.map((e) => {
    const from = at.get(e.from.startsWith('input.') ? '$input' : e.from), to = at.get(e.to);
    const key = `${e.from.startsWith('input.') ? '$input' : e.from}>${e.to}`;
    if (!from || !to || seen.has(key)) return null;
    seen.add(key);
    const x1 = from.x + W, y1 = from.y + H / 2, x2 = to.x, y2 = to.y + H / 2, bend = Math.max(GAP / 2, (x2 - x1) / 2);
    return s('path', {class: 'edge', d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 5} ${y2}M${x2 - 10} ${y2 - 4}L${x2 - 4} ${y2}L${x2 - 10} ${y2 + 4}`});
  });
  const nodes = [...at.values()].map(({x, y, one}) => node(one, x, y, done.get(one.name)));
  const words = `Graph of ${p.name}: inputs ${p.inputs.map((i) => i.name).join(', ') || 'none'}, then ${leaves(p.steps).map((one) => one.name).join(', ')}, then the output`;
  return h('div', {class: 'graph', tabindex: '0', role: 'region', 'aria-label': `Graph of ${p.name}`}, s('svg', {width, height: height + 2, style: {'min-width': `${Math.round(width * .7)}px`}, viewBox: `0 -1 ${width} ${height + 2}`, role: 'img', 'aria-label': words}, edges, nodes));
}

const cut = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);

function node(one, x, y, run) {
  const kind = one.title ? 'end' : run ? states[run.status] || 'none' : '';
  const sub = one.sub ?? [one.op === 'chat' ? '' : one.op, one.model].filter(Boolean).join(' · ');
  const marks = [one.each ? '× each' : '', one.when ? 'if' : '', one.fallback?.length ? `${one.fallback.length + 1} models` : ''].filter(Boolean).join(' ');
  return s('g', {class: `node ${kind}`, transform: `translate(${x} ${y})`},
    s('title', null, [one.title ?? one.name, sub, one.each ? `for each of ${one.each}` : '', one.when ? `if ${one.when}` : '', run ? `${run.status}, ${usd(run.cost_usd)}, ${ms(run.duration_ms)}` : ''].filter(Boolean).join('\n')),
    s('rect', {x: .5, y: .5, width: W - 1, height: H - 1, rx: 8}),
    s('text', {class: 'name', x: 12, y: 22}, cut(one.title ?? one.name, marks ? 13 : 20)),
    marks ? s('text', {class: 'mark', x: W - 10, y: 22, 'text-anchor': 'end'}, cut(marks, 10)) : null,
    s('text', {class: 'sub', x: 12, y: 40}, cut(sub, 24)));
}

async function showOne(root, name, runId, api) {
  const path = `/admin/pipelines/${encodeURIComponent(name)}`;
  const body = h('div', {class: 'stack wide-gap'});
  const actions = [link('All pipelines', '#/pipelines', {class: 'button small'})];
  replace(root, head(name, '', ...actions), body);
  await loaded(body, () => Promise.all([api.get(path), api.get(`${path}/plan`), api.get(`${path}/runs?limit=50`)]), ([p, plan, {runs}]) => {
    if (api.may('operator')) {
      actions.push(link('Chat with it', `#/playground?model=${encodeURIComponent(p.model)}`, {class: 'button small'}), small('Run…', () => ask(p, api, (run) => { api.replace(`#/pipelines/${encodeURIComponent(name)}?run=${encodeURIComponent(run.id)}`); showOne(root, name, run.id, api); }), {id: 'run'}));
    }
    replace(root, head(name, p.description, ...actions), body);
    const chosen = runs.find((r) => r.id === runId) ?? runs[0];
    const run = h('div', {class: 'stack wide-gap'});
    const drawing = h('div');
    const pick = (r) => {
      replace(drawing, graph(p, r));
      if (r) loaded(run, () => (r.steps ? r : api.get(`/admin/pipelines/runs/${encodeURIComponent(r.id)}`)), (whole) => shownRun(whole, p));
    };
    pick(chosen);
    return [section('Graph', drawing), tiles([
      {label: 'A run costs at most', value: plan.bound_usd === null ? 'unbounded' : usd(plan.bound_usd), note: plan.worst_usd ? `with all retries ${usd(plan.worst_usd)}` : (plan.unbounded ?? []).join(', ')},
      {label: 'Budget of a run', value: p.budget_usd ? usd(p.budget_usd) : 'none'}, {label: 'Deadline', value: p.deadline ?? 'that of requests'}, {label: 'Answer', value: p.streams ? 'streams' : 'whole'},
    ]), run, section('Last runs', table({caption: 'Last runs', page: 12, nothing: ['It has not run yet.', 'Ask for it by its name, or run it here.'], columns: [
      {key: 'created_at', title: 'Time', show: (r) => h('button', {type: 'button', class: 'link nowrap', onclick: () => pick(r)}, moment(r.created_at))},
      {key: 'status', title: 'Status', show: state}, {key: 'key', title: 'Key', show: (r) => r.key || '–'},
      {key: 'duration_ms', title: 'Took', num: true, show: (r) => ms(r.duration_ms)}, {key: 'cost_usd', title: 'Cost', num: true, show: (r) => usd(r.cost_usd)},
      {key: 'id', title: 'Request', show: (r) => link(r.id, `#/request/${encodeURIComponent(r.id)}`)}], rows: runs}))];
  });
}

// shownRun shows what the steps of a run took and cost, one under the other.
function shownRun(run, p) {
  const parallel = new Set();
  const note = (list) => list.forEach((one) => { if (one.kind === 'parallel') parallel.add(one.name); note(one.steps ?? []); });
  note(p.steps);
  const rows = [];
  const lay = (list, at, deep, beside) => {
    let last = at;
    for (const one of list) {
      rows.push({one, at, deep});
      if (one.steps) lay(one.steps, at, deep + 1, parallel.has(one.name));
      if (one.items) lay(one.items, at, deep + 1, true);
      last = Math.max(last, at + one.duration_ms);
      if (!beside) at += one.duration_ms;
    }
    return last;
  };
  const all = Math.max(lay(run.steps ?? [], 0, 0, false), run.duration_ms, .001);
  return section(`Run of ${moment(run.created_at)}`,
    h('div', {class: 'line bottom-gap'}, state(run), h('span', null, `${usd(run.cost_usd)} · ${ms(run.duration_ms)} · ${number(run.usage?.total_tokens)} tokens`), run.key ? h('span', {class: 'muted'}, `key ${run.key}`) : null, link('Request', `#/request/${encodeURIComponent(run.id)}`)),
    run.error ? h('p', {class: 'error'}, `${run.error.code}: ${run.error.message}`) : null,
    run.steps?.length ? h('ol', {class: 'timeline'}, rows.map(({one, at, deep}) => h('li', null,
      h('span', {class: 'step', style: {'padding-left': `${deep * 16}px`}}, one.request_id ? link(name(one), `#/request/${encodeURIComponent(one.request_id)}`) : name(one), one.status === 'ok' ? null : [' ', state(one)]),
      h('span', {class: 'track', title: `${ms(one.duration_ms)}, ${one.model ?? ''}`}, h('span', {class: `span ${states[one.status] ?? ''}`, style: {left: `${100 * at / all}%`, width: `${Math.max(.6, 100 * one.duration_ms / all)}%`}})),
      h('span', {class: 'num'}, ms(one.duration_ms)), h('span', {class: 'num'}, usd(one.cost_usd)),
      one.error ? h('span', {class: 'error'}, `${one.error.code}: ${one.error.message}`) : null))) : h('p', {class: 'muted'}, 'Its steps are known to the node that ran it, as long as that runs; the ledger has the requests.'));
}
const name = (one) => (one.index === undefined || one.index === null ? one.name : `${one.name} ${one.index + 1}`);

// ask runs a pipeline in the operator's own name.
function ask(p, api, done) {
  const inputs = p.inputs.map((i) => {
    const base = {name: i.name, label: i.name, hint: [i.description, i.type, i.default !== undefined && i.default !== null ? `else ${JSON.stringify(i.default)}` : ''].filter(Boolean).join(' · '), required: Boolean(i.required)};
    if (/^(image|audio|file)$/.test(i.type)) return field({...base, type: 'file', accept: i.type === 'file' ? undefined : `${i.type}/*`});
    if (i.enum?.length) return field({...base, options: i.enum.map(String)});
    if (i.type === 'boolean') return field({...base, options: [['', ''], ['true', 'yes'], ['false', 'no']]});
    if (i.type === 'number') return field({...base, type: 'number', step: 'any'});
    return field({...base, type: 'textarea', rows: 3});
  });
  return dialog(`Run ${p.name}`, (close) => form(inputs.length ? inputs : [h('p', null, 'It takes no inputs.')], 'Run', async (values) => {
    const input = {};
    for (const i of p.inputs) {
      const v = values[i.name];
      if (v instanceof File) { if (v.size) input[i.name] = {type: v.type, name: v.name, data: await base64(v)}; } else if (v !== '' && v !== undefined) input[i.name] = i.type === 'string' ? v : readJSON(i, v);
    }
    const answer = await api.raw(`/admin/playground/v1/pipelines/${encodeURIComponent(p.name)}`, {headers: {'content-type': 'application/json'}, body: JSON.stringify({input})});
    const run = await answer.json();
    if (!answer.ok && !run.id) throw new Error(run.error?.message ?? `The gateway answered with status ${answer.status}.`);
    close();
    done(run);
    dialog(`Answer of ${p.name}`, (end) => [h('div', {class: 'line bottom-gap'}, state(run), `${usd(run.cost_usd)} · ${ms(run.duration_ms)}`), run.error ? h('p', {class: 'error'}, run.error.message) : null,
      json(run.output ?? '', 'Output'), h('div', {class: 'dialog-foot'}, button('Close', () => end(), {kind: 'primary'}))]);
  }, {cancel: () => close()}));
}

function readJSON(i, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${i.name} has to be JSON of the type ${i.type}.`);
  }
}

import {h, s, head, section, facts, loaded, replace, status, badge, link, skeleton, empty} from '../ui.js';
import {table} from '../table.js';
import {usd, us, ms, number, moment} from '../format.js';
import {requestColumns} from './ledger.js';

export const title = 'Request';

export async function show(root, {id}, api) {
  replace(root, skeleton(10));
  const row = await find(id, api);
  if (!row) {
    replace(root, h('h1', {tabindex: '-1'}, 'Request'), empty(`The ledger has no request ${id}.`, 'Rows are kept for as long as retention.requests says; of a flood of callers without a valid key some are only counted.', link('To the ledger', '#/ledger', {class: 'button'})));
    return;
  }
  const [{decisions: [decision], missing}, children] = await Promise.all([
    api.get(`/admin/decisions?request=${encodeURIComponent(id)}`),
    api.lines(`/admin/ledger?parent=${encodeURIComponent(id)}&limit=200`),
  ]);
  replace(root,
    head(h('span', {class: 'line'}, h('code', {class: 'id'}, row.id), status(row.status), row.cached ? badge(`${row.cached} cache`, 'accent') : null), moment(row.time),
      link('All of this key', `#/ledger?key=${encodeURIComponent(row.key)}`, {class: 'button'})),
    h('div', {class: 'row'}, section('Request', about(row)), section('Cost', cost(row))),
    section('Attempts', timeline(row, decision)),
    children.length ? section('Requests that this one has made', table({caption: 'Requests that this one has made', rows: children, columns: requestColumns})) : null,
    decision ? [section('Decision', decided(decision)), section('Candidates', candidates(decision))] : section('Decision', h('p', {class: 'muted'}, missing)),
    section('All that is known', h('details', null, h('summary', null, 'As JSON'), h('pre', {tabindex: '0', 'aria-label': 'The request as JSON'}, JSON.stringify({ledger: row, decision: decision ?? undefined}, null, 2)))));
}

// find waits a little for a request that has just ended: the ledger has it soon.
async function find(id, api) {
  for (let tries = 0; ; tries++) {
    const [row] = await api.lines(`/admin/ledger?id=${encodeURIComponent(id)}`);
    if (row || tries === 5) return row;
    await new Promise((done) => setTimeout(done, 200));
  }
}

const filter = (name, value) => (value ? link(value, `#/ledger?${name}=${encodeURIComponent(value)}`) : undefined);

function about(r) {
  return facts([
    ['Key', filter('key', r.key)], ['Team', filter('team', r.team)], ['Project', filter('project', r.project)], ['User', filter('user', r.user)], ['Organisation', r.org],
    ['Operation', `${r.op}${r.stream ? ', streamed' : ''}`], ['Dialect', r.dialect], ['Asked for', filter('asked', r.asked)], [r.status < 400 ? 'Answered by' : 'Meant for', filter('model', r.model)],
    ['Route', r.route], ['Policy', r.policy ? h('code', null, r.policy) : undefined], ['Error', r.code ? [badge(r.code, 'bad'), ' ', filter('class', r.class)] : undefined], ['Address', r.address],
    ['Duration', us(r.duration_us)], ['Of it the gateway’s own', us(r.overhead_us)], ['First token', r.ttft_us ? us(r.ttft_us) : undefined],
    ['Part of', r.parent ? link(r.parent, `#/request/${r.parent}`) : undefined], ['Origin', filter('origin', r.origin)], ['Requests alike', r.count > 1 ? number(r.count) : undefined],
  ]);
}

const told = {reported: 'told by the provider', computed: 'usage told by the provider × price', estimated: 'estimated from sizes', none: 'nothing was used'};
const buckets = {input: 'Input', cache_read: 'Read from a cache', cache_write_5m: 'Written to a cache, 5 min', cache_write_1h: 'Written to a cache, 1 h', output: 'Output', reasoning: 'Of it reasoning', audio_input: 'Audio in', audio_output: 'Audio out', image_input: 'Images in', image_output: 'Images out', cache_read_audio: 'Audio from a cache', cache_read_image: 'Images from a cache'};
const unitNames = {characters: 'Characters', audio_ms: 'Audio', images: 'Images', pages: 'Pages', searches: 'Searches', reported_cost_usd: 'Cost that the provider told'};

function cost(r) {
  const used = [...Object.entries(buckets).map(([k, text]) => [text, r.tokens[k], 'tokens']), ...Object.entries(unitNames).map(([k, text]) => [text, r.units?.[k], k])].filter(([, n]) => Number(n) > 0);
  return [
    facts([
      ['Cost', h('strong', null, usd(r.cost_usd))], ['How it is known', told[r.provenance] ?? r.provenance], ['Reserved before', usd(r.reserved_usd)],
      ['By the price list', r.computed_usd ? usd(r.computed_usd) : undefined], ['Saved', Number(r.saved_usd) ? usd(r.saved_usd) : undefined],
    ]),
    h('table', {class: 'table usage'}, h('caption', {class: 'quiet'}, 'What was used'), h('thead', null, h('tr', null, h('th', {scope: 'col'}, 'Used'), h('th', {scope: 'col', class: 'num'}, 'Amount'))),
      h('tbody', null, used.length ? used.map(([text, n, unit]) => h('tr', null, h('th', {scope: 'row'}, text), h('td', {class: 'num'}, unit === 'tokens' ? `${number(n)} tokens` : unit === 'audio_ms' ? ms(n) : unit === 'reported_cost_usd' ? usd(n) : number(n)))) : h('tr', null, h('th', {scope: 'row'}, 'Nothing'), h('td', {class: 'num'}, '0')))),
  ];
}

// timeline draws when each attempt ran, within the request.
function timeline(r, decision) {
  let list = decision?.attempts?.map((a) => ({...a}));
  if (!list?.length) {
    list = (r.attempts ?? []).map((a) => ({target: a.target, duration_ms: a.us / 1000, status: a.status, class: a.class}));
    let at = Math.max(0, (r.duration_us / 1000) - list.reduce((sum, a) => sum + a.duration_ms, 0));
    for (const a of list) { a.start_ms = at; at += a.duration_ms; }
  }
  if (list.length === 0) {
    return h('p', {class: 'muted'}, r.cached ? 'No provider was asked: the answer was there already.' : r.status < 400 ? 'One attempt, which succeeded at once: only what went otherwise is kept for every request.' : 'No provider was asked: the request was refused before.');
  }
  const total = Math.max(r.duration_us / 1000, ...list.map((a) => a.start_ms + a.duration_ms));
  const W = 1000, row = 26, x = (t) => W * t / total;
  const svg = s('svg', {class: 'timeline', viewBox: `0 0 ${W} ${list.length * row + 6}`, preserveAspectRatio: 'none', height: list.length * row + 6, role: 'img', 'aria-label': list.map((a, i) => `Attempt ${i + 1}: ${a.target}, ${a.status || a.class || 'no status'}, from ${ms(a.start_ms)}, for ${ms(a.duration_ms)}`).join('. ')},
    list.map((a, i) => {
      const good = a.status >= 200 && a.status < 400;
      const width = Math.max(3, x(a.duration_ms));
      return [s('rect', {class: 'lane', x: 0, y: i * row + 4, width: W, height: row - 8}), s('rect', {class: good ? 's4' : 's5', x: Math.min(x(a.start_ms), W - width), y: i * row + 4, width, height: row - 8, rx: 3}),
        a.first_byte_ms ? s('rect', {class: 'first', x: Math.min(W - 2, x(a.start_ms + a.first_byte_ms)), y: i * row + 4, width: 2, height: row - 8}) : null];
    }));
  return [h('div', {class: 'timeline-box'}, h('ol', {class: 'timeline-names', 'aria-hidden': 'true'}, list.map((a) => h('li', {title: a.target}, a.target))), svg),
    table({caption: 'Attempts', rows: list.map((a, i) => ({...a, n: i + 1})), columns: [
      {key: 'n', title: '#', sort: false}, {key: 'target', title: 'Target', sort: false, show: (a) => a.target}, {key: 'status', title: 'Status', sort: false, show: (a) => [a.status ? status(a.status) : '–', a.class ? [' ', h('span', {class: 'muted'}, a.class)] : '']},
      {key: 'start_ms', title: 'Began after', num: true, sort: false, show: (a) => ms(a.start_ms)}, {key: 'first_byte_ms', title: 'First byte', num: true, sort: false, show: (a) => (a.first_byte_ms ? ms(a.first_byte_ms) : '–')},
      {key: 'duration_ms', title: 'Took', num: true, sort: false, show: (a) => ms(a.duration_ms)}]})];
}

function decided(d) {
  return facts([
    ['Policy', d.policy ? [badge(d.policy.allow ? 'allowed' : 'refused', d.policy.allow ? 'good' : 'bad'), d.policy.restricted ? ' with restrictions' : ''] : undefined],
    ['Reason', d.policy?.reason ?? d.policy?.code], ['Revision', d.policy?.revision ? h('code', null, d.policy.revision) : undefined],
    ['Route', d.route?.name], ['Module', d.route?.module], ['Lane', d.route?.lane], ['Planned by', d.plan?.by],
    ['Asked again', d.again ? [badge(d.again.result, d.again.result === 'same' ? 'good' : 'warn'), ` ${d.again.detail ?? ''}`] : undefined],
    ['Tokens expected in', d.facts?.input_tokens_estimated !== undefined ? number(d.facts.input_tokens_estimated) : undefined], ['Tokens allowed out', d.facts?.output_tokens_allowed !== undefined ? number(d.facts.output_tokens_allowed) : undefined],
  ]);
}

const perMillion = (nanoPer1k) => (nanoPer1k === undefined ? '–' : usd(nanoPer1k / 1e6));

const candidates = (d) => table({
  caption: 'Candidates', rows: d.candidates ?? [], nothing: ['There was nothing to choose from.'],
  columns: [
    {key: 'target', title: 'Target'},
    {key: 'planned', title: 'Place', num: true, value: (c) => (d.plan?.attempts ?? []).findIndex((a) => a.target === c.target), show: (c) => { const i = (d.plan?.attempts ?? []).findIndex((a) => a.target === c.target); return i < 0 ? '–' : String(i + 1); }},
    {key: 'input_nano_usd_per_1k', title: 'In / M', num: true, show: (c) => perMillion(c.input_nano_usd_per_1k)},
    {key: 'output_nano_usd_per_1k', title: 'Out / M', num: true, show: (c) => perMillion(c.output_nano_usd_per_1k)},
    {key: 'error_rate', title: 'Errors', num: true, show: (c) => `${(100 * c.error_rate).toFixed(0)} %`},
    {key: 'in_flight', title: 'Running', num: true},
    {key: 'circuit', title: 'Breaker', show: (c) => badge(c.circuit, c.circuit === 'closed' ? 'good' : 'bad')},
  ],
});

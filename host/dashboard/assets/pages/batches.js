import {h, head, section, tiles, replace, badge, loaded, link, confirm, facts} from '../ui.js';
import {table} from '../table.js';
import {usd, compact, moment, ago, percent} from '../format.js';
import {span, small, act} from '../parts.js';

export const title = 'Batches';

const states = {completed: 'good', failed: 'bad', expired: 'bad', cancelled: 'warn', cancelling: 'warn', in_progress: 'accent', finalizing: 'accent', validating: 'accent'};
const running = (b) => ['validating', 'in_progress', 'finalizing', 'cancelling'].includes(b.status);
const state = (b) => badge(b.status.replace('_', ' '), states[b.status] ?? '');

export async function show(root, {id}, api) {
  return id ? showOne(root, id, api) : showAll(root, api);
}

const part = (n, b) => `${b.total > 0 ? 100 * n / b.total : 0}%`;
const progress = (b) => h('span', {class: 'progress'},
  h('span', {class: 'bar', role: 'progressbar', 'aria-label': `Progress of ${b.id}`, 'aria-valuemin': '0', 'aria-valuemax': String(b.total), 'aria-valuenow': String(b.completed + b.failed)},
    h('span', {class: 'failed', style: {width: part(b.completed + b.failed, b)}}), h('span', {class: 'used', style: {width: part(b.completed, b)}})),
  h('span', {class: 'muted'}, `${compact(b.completed + b.failed)} of ${compact(b.total)}`, b.failed ? h('span', {class: 'over'}, `, ${compact(b.failed)} failed`) : null));

async function showAll(root, api) {
  const body = h('div');
  replace(root, head('Batches', 'Files of requests that the gateways work on, or have a provider work on.'), section('Batches', body));
  const columns = [
    {key: 'id', title: 'Batch', show: (b) => link(b.id, `#/batches/${encodeURIComponent(b.id)}`)},
    {key: 'status', title: 'Status', show: state},
    {key: 'done', title: 'Progress', value: (b) => (b.completed + b.failed) / (b.total || 1), show: progress},
    {key: 'key_name', title: 'Key', show: (b) => b.key_name || b.key || '–'},
    {key: 'endpoint', title: 'Asks', show: (b) => h('code', null, b.endpoint)},
    {key: 'mode', title: 'Done by', show: (b) => (b.mode === 'native' ? b.provider : 'the gateway')},
    {key: 'left', title: 'Left', num: true, value: (b) => b.seconds_left, show: (b) => (running(b) && b.seconds_left ? span(b.seconds_left) : '–')},
    {key: 'cost_usd', title: 'Cost', num: true, show: (b) => usd(b.cost_usd)},
    {key: 'created', title: 'Made', show: (b) => ago(b.created)},
  ];
  let list;
  await loaded(body, () => api.get('/admin/batches?limit=500'), ({batches}) => {
    list = table({caption: 'Batches', columns, rows: batches, page: 25, csv: 'batches', nothing: ['No batch was made yet.', 'Callers upload a file of requests to /v1/files and make a batch of it at /v1/batches.']});
    return list;
  });
  api.every(3000, async () => {
    const fresh = await api.get('/admin/batches?limit=500', {background: true}).catch(() => null); // the next round says it again
    if (fresh && list && !body.contains(document.activeElement)) list.update(fresh.batches);
  });
}

async function showOne(root, id, api) {
  const path = `/admin/batches/${encodeURIComponent(id)}`;
  const body = h('div', {class: 'stack wide-gap'});
  replace(root, head(id, ''), body);
  const draw = (b) => {
    const stop = running(b) && b.status !== 'cancelling' && api.may('operator') ? small('Cancel…', async () => {
      if (await confirm(`Cancel ${b.id}?`, 'Requests that run are finished; the rest is not asked. What was answered stays.', 'Cancel the batch')) act(() => api.post(`${path}/cancel`), 'The batch is being cancelled.', again);
    }) : null;
    replace(root, head(id, [state(b), ' ', h('code', null, b.endpoint)], link('All batches', '#/batches', {class: 'button small'}), ...(stop ? [stop] : [])), body);
    return [section('Progress', progress(b)), tiles([
      {label: 'Done', value: compact(b.completed), note: percent(b.completed, b.total)}, {label: 'Failed', value: compact(b.failed), kind: b.failed ? 'bad' : ''},
      {label: 'A second', value: b.per_second ? b.per_second.toFixed(b.per_second < 10 ? 1 : 0) : '–'}, {label: 'Left', value: running(b) && b.seconds_left ? span(b.seconds_left) : '–'}, {label: 'Cost', value: usd(b.cost_usd)}]),
    section('Batch', facts([['Tenant', b.tenant], ['Key', b.key_name || b.key], ['Done by', b.mode === 'native' ? b.provider : 'the gateway'], ['Made', moment(b.created)], ['Expires', moment(b.expires)], ['Ended', b.ended ? moment(b.ended) : null],
      ['Requests', link('in the ledger', `#/ledger?origin=${encodeURIComponent(`batch/${b.id}`)}`)]])),
    b.parts?.length ? section('At work', table({caption: 'Parts that somebody is at', columns: [{key: 'number', title: 'Part', show: (p) => (p.number < 0 ? 'before or after' : String(p.number))}, {key: 'first_line', title: 'From line', num: true}, {key: 'lines', title: 'Lines', num: true}, {key: 'node', title: 'Node'}], rows: b.parts})) : null];
  };
  const again = async () => { const b = await api.get(path, {background: true}); replace(body, draw(b)); return b; };
  let last;
  await loaded(body, async () => { last = await api.get(path); return last; }, draw);
  api.every(2000, async () => {
    if (last && running(last) && !root.contains(document.activeElement) && !document.querySelector('dialog')) last = await again().catch(() => last);
  });
}

import {h, head, section, tiles, replace, loaded, field, empty, confirm, facts} from '../ui.js';
import {table} from '../table.js';
import {usd, number, compact, percent} from '../format.js';
import {bytes, small, act, asked} from '../parts.js';

export const title = 'Cache';

const names = {memory: 'In memory', file: 'In the file', redis: 'In Redis', postgres: 'In PostgreSQL'};

export async function show(root, params, api) {
  const body = h('div', {class: 'stack wide-gap'});
  const again = () => show(root, params, api);
  const purged = async (query) => api.del(`/admin/cache?${new URLSearchParams(query)}`);
  const actions = api.may('operator') ? [
    small('Purge a part…', () => asked('Forget answers', 'Those that fit all that is given, at all gateways.', [field({name: 'tenant', label: 'Tenant'}), field({name: 'model', label: 'Model'}), field({name: 'key', label: 'Key of an entry'})], 'Forget',
      async (f) => { await purged(Object.entries(f).filter(([, v]) => v !== '')); again(); }, {kind: 'small'})),
    small('Purge all…', async () => {
      if (await confirm('Forget all answers?', 'They are asked anew, at all gateways.', 'Forget all')) act(() => purged({all: 'true'}), 'All answers are forgotten.', again);
    }),
  ] : [];
  replace(root, head('Cache', 'Answers that were not asked anew, since this gateway started.', ...actions), body);
  await loaded(body, () => api.get('/admin/cache'), (c) => (c.exact || c.semantic ? [
    tiles([
      {label: 'Hits', value: compact(c.hits), note: `${percent(c.hits, c.hits + c.misses)} of requests that may be kept`}, {label: 'Saved', value: usd(c.saved_usd), kind: c.saved_usd > 0 ? 'good' : ''},
      {label: 'Stored', value: compact(c.stored), note: c.learnt ? `${compact(c.learnt)} by their meaning` : ''}, {label: 'Not stored', value: compact(c.too_large + c.dropped), note: `${number(c.too_large)} too large`},
      {label: 'Failures beyond memory', value: number(c.failed), kind: c.failed ? 'bad' : ''}]),
    h('div', {class: 'row'}, [c.memory, c.beyond].filter(Boolean).map((p) => section(names[p.kind] ?? p.kind, facts([['Entries', number(p.entries)], ['Size', p.max_bytes ? `${bytes(p.bytes)} of ${bytes(p.max_bytes)}` : bytes(p.bytes)],
      ['By meaning', p.meanings ? number(p.meanings) : null], ['Made room', p.evicted ? `${number(p.evicted)} times` : null]])))),
    section('By tenant and model', table({caption: 'Hits by tenant and model', sort: {key: 'saved_usd', down: true}, csv: 'cache', columns: [
      {key: 'tenant', title: 'Tenant'}, {key: 'model', title: 'Model'}, {key: 'exact', title: 'Exact', num: true}, {key: 'semantic', title: 'By meaning', num: true}, {key: 'misses', title: 'Asked', num: true},
      {key: 'bypassed', title: 'Passed by', num: true}, {key: 'rate', title: 'Hit rate', num: true, value: (r) => (r.exact + r.semantic) / (r.exact + r.semantic + r.misses || 1), show: (r) => percent(r.exact + r.semantic, r.exact + r.semantic + r.misses)},
      {key: 'saved_usd', title: 'Saved', num: true, show: (r) => usd(r.saved_usd)}], rows: c.rows ?? [], nothing: ['Nothing was asked yet that may be kept.', 'Rows show as soon as requests come.']})),
  ] : empty('No cache is configured.', 'Write cache: {exact: {…}} into the configuration: answers of requests that are the same are then kept.')));
}

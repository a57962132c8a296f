import {h, head, section, replace, badge, loaded, empty, facts, confirm} from '../ui.js';
import {table} from '../table.js';
import {ms, number, ago, moment, usd} from '../format.js';
import {small, act} from '../parts.js';

export const title = 'Tools';

const states = {up: 'good', starting: 'warn', down: 'bad'};

export async function show(root, params, api) {
  const body = h('div', {class: 'stack wide-gap'});
  replace(root, head('Tools', 'Tool servers behind /mcp: what they offer, and how they fare.'), body);
  const again = () => show(root, params, api);
  await loaded(body, () => api.get('/admin/mcp'), ({servers}) => (servers?.length ? servers.map((s) => section(s.name,
    h('div', {class: 'line bottom-gap'}, badge(s.state, states[s.state]), h('span', {class: 'muted'}, `since ${moment(s.since)}`), h('span', {class: 'grow'}),
      api.may('operator') ? small('Restart', async () => {
        if (await confirm(`Restart ${s.name}?`, 'Calls that run end.', 'Restart', {danger: false})) act(() => api.post(`/admin/mcp/${encodeURIComponent(s.name)}/restart`), 'The tool server is restarted.', again);
      }) : null),
    facts([['Reached by', s.kind], ['Version', s.version], ['Process', s.pid], ['Restarts', number(s.restarts)], ['Calls', `${number(s.calls)}, ${number(s.errors)} failed`], ['Running', number(s.running)],
      ['Half within', s.calls ? ms(s.p50_ms) : null], ['Next try', s.next_try ? ago(s.next_try) : null], ['Prompts', s.prompts?.length || null], ['Resources', s.resources || null]]),
    [s.failure, ...(s.problems ?? [])].filter(Boolean).map((p) => h('p', {class: 'error'}, p)),
    h('div', {class: 'sub'}, table({caption: `Tools of ${s.name}`, page: 15, nothing: ['It offers no tool.', 'Or none that the configuration lets through.'], columns: [
      {key: 'name', title: 'Tool', show: (t) => h('code', null, t.name)}, {key: 'description', title: 'What it does', show: (t) => t.description || '–'},
      {key: 'price_usd', title: 'A call costs', num: true, value: (t) => Number(t.price_usd), show: (t) => (Number(t.price_usd) ? usd(t.price_usd) : 'nothing')}], rows: s.tools ?? []}))))
    : empty('No tool server is configured.', 'Name some under mcp.servers: callers then find their tools at /mcp.')));
}

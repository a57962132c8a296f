import {h, head, section, loaded, replace, badge} from '../ui.js';
import {table} from '../table.js';
import {ago, moment} from '../format.js';

export const title = 'Nodes';

export async function show(root, params, api) {
  const list = h('div');
  replace(root, head('Nodes', 'The gateways that share this store. A node that was not seen for half a minute is taken for gone.'), section('Nodes', list));
  await loaded(list, () => api.get('/admin/nodes'), (a) => table({
    caption: 'Nodes', rows: a.nodes, sort: {key: 'seen', down: true},
    columns: [
      {key: 'name', title: 'Name', show: (n) => [n.name, n.self ? [' ', badge('this one', 'accent')] : '', ' ', h('code', {class: 'muted'}, n.id.slice(0, 8))]},
      {key: 'state', title: 'State', value: state, show: (n) => badge(state(n), {running: 'good', gone: 'warn', 'written off': 'bad'}[state(n)])},
      {key: 'number', title: 'Number', num: true},
      {key: 'version', title: 'Version'},
      {key: 'started', title: 'Started', show: (n) => h('span', {title: moment(n.started)}, ago(n.started))},
      {key: 'seen', title: 'Seen', show: (n) => h('span', {title: moment(n.seen)}, ago(n.seen))},
    ],
  }));
}

function state(n) {
  if (n.fenced) return 'written off';
  return n.self || Date.now() - Date.parse(n.seen) < 30000 ? 'running' : 'gone';
}

import {h, head, section, button, loaded, replace, badge, toast} from '../ui.js';
import {table} from '../table.js';
import {moment, ago} from '../format.js';

export const title = 'Alerts';

export async function show(root, params, api) {
  const told = h('div'), receivers = h('div');
  replace(root, head('Alerts', 'What people were told of, and who is told.'), section('Told', told), section('Receivers', receivers));
  let list;
  await loaded(told, async () => { list = await api.get('/admin/alerts'); }, () => alertTable(list.alerts));
  await loaded(receivers, async () => list ?? api.get('/admin/alerts'), (a) => receiverTable(a.receivers ?? []));

  function receiverTable(rows) {
    return table({
      caption: 'Receivers', rows, nothing: ['Nobody is told.', 'Name a webhook, a Slack address or a mail server under alerts.to in the configuration, or with signalbox alert receiver.'],
      columns: [
        {key: 'name', title: 'Name'},
        {key: 'kind', title: 'By', value: (r) => r.kind ?? ['webhook', 'slack', 'smtp'].find((k) => r[k]) ?? '–'},
        {key: 'source', title: 'Written in', value: (r) => r.source ?? ''},
        {key: 'kinds', title: 'Told of', value: (r) => (r.kinds?.length ? r.kinds.join(', ') : 'everything')},
        {key: 'do', title: 'Actions', sort: false, value: () => '', show: (r) => (api.may('operator') ? button('Send a test', () => test(r.name), {kind: 'small', 'aria-label': `Send a test to ${r.name}`}) : '')},
      ],
    });
  }

  async function test(name) {
    try {
      await api.post(`/admin/alerts/receivers/${encodeURIComponent(name)}/test`);
      toast(`A test was sent to ${name}.`, 'good');
    } catch (err) {
      toast(err.message, 'bad');
    }
  }
}

const alertTable = (rows) => table({
  caption: 'Alerts, the newest first', rows, csv: 'alerts', nothing: ['There was nothing to tell.', 'Budgets that near their end, breakers that open and the like show here.'],
  columns: [
    {key: 'time', title: 'Time', class: 'nowrap', show: (a) => h('span', {title: moment(a.time)}, ago(a.time))},
    {key: 'type', title: 'Kind', value: (a) => a.event.type, show: (a) => badge(a.event.type, 'warn')},
    {key: 'scope', title: 'About', value: (a) => a.event.scope},
    {key: 'message', title: 'Message', value: (a) => a.event.message},
    {key: 'told', title: 'Delivered', sort: false, value: (a) => a.deliveries.length, show: (a) => (a.deliveries.length ? a.deliveries.map((d) => [badge(d.to, d.delivered ? 'good' : 'bad'), ' ']) : 'to nobody')},
  ],
});

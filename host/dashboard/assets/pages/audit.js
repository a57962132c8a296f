import {h, head, section, button, field, loaded, replace, badge, dialog, toast} from '../ui.js';
import {table} from '../table.js';
import {moment, number} from '../format.js';

export const title = 'Audit log';

const most = 200;

export async function show(root, {query}, api) {
  const list = h('div');
  const at = {who: query.get('who') ?? '', what: query.get('what') ?? '', outcome: query.get('outcome') ?? ''};
  const form = h('form', {class: 'panel filters', 'aria-label': 'Filters', onsubmit: (e) => {
    e.preventDefault();
    Object.assign(at, Object.fromEntries(new FormData(form)));
    api.replace(`#/audit?${new URLSearchParams(Object.entries(at).filter(([, v]) => v))}`);
    draw();
  }}, h('div', {class: 'filter-grid'},
    field({name: 'who', label: 'Who', value: at.who}), field({name: 'what', label: 'What', value: at.what, placeholder: 'keys'}),
    field({name: 'outcome', label: 'Outcome', value: at.outcome, options: [['', 'any'], 'done', 'begun', 'refused', 'failed']}),
    h('div', null, button('Filter', undefined, {kind: 'primary', type: 'submit'}))));
  replace(root, head('Audit log', 'Who did what here, chained so that a missing or changed entry shows.', button('Verify the chain', verify)), form, section('Entries', list));
  const draw = () => loaded(list, () => api.get(`/admin/audit?${new URLSearchParams({most, ...Object.fromEntries(Object.entries(at).filter(([, v]) => v))})}`), (a) => entries(a.entries.toReversed()));
  await draw();

  async function verify(e) {
    e.target.disabled = true;
    try {
      const v = await api.get('/admin/audit/verify');
      const bad = v.problems?.length || v.problem || v.ok === false;
      toast(bad ? `The chain does not hold: ${JSON.stringify(v.problems ?? v.problem ?? v)}` : `The chain holds: ${number(v.entries ?? v.checked ?? v.last ?? 0)} entries.`, bad ? 'bad' : 'good');
    } catch (err) {
      toast(err.message, 'bad');
    } finally {
      e.target.disabled = false;
    }
  }
}

const outcomes = {done: 'good', begun: '', refused: 'warn', failed: 'bad'};

const entries = (rows) => table({
  caption: 'Entries, the newest first', rows, csv: 'audit', nothing: ['No entry matches.', 'Clear a filter, or look at an earlier time with signalbox audit list --since.'],
  columns: [
    {key: 'seq', title: '#', class: 'nowrap', show: (e) => h('button', {type: 'button', class: 'link', 'aria-label': `Entry ${e.seq}`, onclick: () => detail(e)}, String(e.seq))},
    {key: 'time', title: 'Time', class: 'nowrap', show: (e) => moment(e.time)},
    {key: 'who', title: 'Who', value: (e) => e.who ?? '', show: (e) => [e.who || '–', e.role ? h('span', {class: 'muted'}, ` ${e.role}`) : '']},
    {key: 'action', title: 'Action'},
    {key: 'on', title: 'On', value: (e) => e.on ?? ''},
    {key: 'outcome', title: 'Outcome', show: (e) => [badge(e.outcome, outcomes[e.outcome]), e.code ? h('span', {class: 'muted'}, ` ${e.code}`) : '']},
    {key: 'address', title: 'From', value: (e) => e.address ?? ''},
  ],
});

const detail = (e) => dialog(`Entry ${e.seq}`, (close) => [h('pre', {tabindex: '0', 'aria-label': 'The entry as JSON'}, JSON.stringify(e, null, 2)), h('div', {class: 'dialog-foot'}, button('Close', () => close(), {autofocus: true}))]);

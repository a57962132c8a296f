import {h, head, section, button, field, loaded, replace, badge, dialog, toast} from '../ui.js';
import {table} from '../table.js';
import {moment, number} from '../format.js';

export const title = 'Audit log';

const most = 100; // of a page

export async function show(root, {query}, api) {
  const list = h('div');
  const at = Object.fromEntries(['who', 'what', 'outcome', 'until', 'before', 'after'].map((n) => [n, query.get(n) ?? '']));
  const go = (to) => {
    Object.assign(at, {before: '', after: ''}, to);
    api.replace(`#/audit?${new URLSearchParams(Object.entries(at).filter(([, v]) => v))}`);
    return draw();
  };
  const form = h('form', {class: 'panel filters', 'aria-label': 'Filters', onsubmit: (e) => {
    e.preventDefault();
    go(Object.fromEntries(new FormData(form)));
  }}, h('div', {class: 'filter-grid'},
    field({name: 'who', label: 'Who', value: at.who}), field({name: 'what', label: 'Action or object', value: at.what, placeholder: 'keys'}),
    field({name: 'outcome', label: 'Outcome', value: at.outcome, options: [['', 'any'], 'done', 'begun', 'refused', 'failed']}),
    field({name: 'until', label: 'Until the end of', type: 'date', value: at.until}),
    h('div', null, button('Filter', undefined, {kind: 'primary', type: 'submit'}))));
  replace(root, head('Audit log', 'Who did what here, chained so that a missing or changed entry shows.', button('Verify the chain', verify)), form, section('Entries', list));
  const draw = () => loaded(list, load, (page) => entries(page, go));
  await draw();

  // load asks for one more than a page, which tells whether there is another. Newer
  // ones that do not fill a page are those of the newest.
  async function load() {
    const q = new URLSearchParams({most: most + 1, ...Object.fromEntries(Object.entries(at).filter(([k, v]) => v && k !== 'until'))});
    if (at.until) q.set('until', new Date(`${at.until}T24:00`).toISOString());
    const {entries: got} = await api.get(`/admin/audit?${q}`);
    const another = got.length > most;
    if (at.after && !another) {
      at.after = '';
      return load();
    }
    if (another) at.after ? got.pop() : got.shift();
    return {rows: got.toReversed(), newer: Boolean(at.after || at.before), older: at.after ? true : another};
  }

  async function verify(e) {
    e.target.disabled = true;
    try {
      const v = await api.get('/admin/audit/verify');
      toast(v.ok ? `The chain holds: ${number(v.entries)} entries.` : `The chain does not hold from entry ${v.broken?.entry} on: ${v.broken?.text}`, v.ok ? 'good' : 'bad');
    } catch (err) {
      toast(err.message, 'bad');
    } finally {
      e.target.disabled = false;
    }
  }
}

const outcomes = {done: 'good', begun: '', refused: 'warn', failed: 'bad'};

const entries = ({rows, newer, older}, go) => table({
  caption: 'Entries, the newest first', rows, page: most, csv: 'audit', nothing: ['No entry matches.', 'Clear a filter, or choose a later day.'],
  more: newer || older ? h('span', {class: 'line'}, button('Newest', () => go({}), {kind: 'small', disabled: !newer}),
    button('Newer', () => go({after: String(rows[0].seq)}), {kind: 'small', disabled: !newer || !rows.length}),
    button('Older', () => go({before: String(rows.at(-1).seq)}), {kind: 'small', disabled: !older || !rows.length})) : null,
  columns: [
    {key: 'seq', title: '#', class: 'nowrap', show: (e) => h('button', {type: 'button', class: 'link', 'aria-label': `Entry ${e.seq}`, onclick: () => detail(e)}, String(e.seq))},
    {key: 'time', title: 'Time', class: 'nowrap', show: (e) => moment(e.time)},
    {key: 'who', title: 'Who', value: (e) => e.who ?? '', show: (e) => [e.who || '–', e.role ? h('span', {class: 'muted'}, ` ${e.role}`) : '']},
    {key: 'action', title: 'Action'},
    {key: 'on', title: 'On', value: (e) => e.on ?? ''},
    {key: 'outcome', title: 'Outcome', show: (e) => [e.damaged ? badge('cannot be read', 'bad') : badge(e.outcome, outcomes[e.outcome]), e.code ? h('span', {class: 'muted'}, ` ${e.code}`) : '']},
    {key: 'address', title: 'From', value: (e) => e.address ?? ''},
  ],
});

const detail = (e) => dialog(`Entry ${e.seq}`, (close) => [h('pre', {tabindex: '0', 'aria-label': 'The entry as JSON'}, JSON.stringify(e, null, 2)), h('div', {class: 'dialog-foot'}, button('Close', () => close(), {autofocus: true}))]);

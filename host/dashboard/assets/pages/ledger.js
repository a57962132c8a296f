import {h, head, section, field, button, loaded, replace, status, badge, empty, choice} from '../ui.js';
import {table} from '../table.js';
import {usd, us, compact, moment, number} from '../format.js';

export const title = 'Ledger';

const page = 50;
const ranges = [['1', 'Today'], ['7', '7 days'], ['30', '30 days'], ['all', 'All']];
const fields = [
  {name: 'key', label: 'Key'}, {name: 'model', label: 'Model'}, {name: 'asked', label: 'Asked for'}, {name: 'team', label: 'Team'}, {name: 'project', label: 'Project'},
  {name: 'user', label: 'User'}, {name: 'provider', label: 'Provider'}, {name: 'op', label: 'Operation'}, {name: 'status', label: 'Status', inputmode: 'numeric'}, {name: 'class', label: 'Class of error'},
  {name: 'code', label: 'Code of error'}, {name: 'origin', label: 'Origin'}, {name: 'cached', label: 'Cache', options: [['', 'any'], 'exact', 'semantic', 'shared']}, {name: 'address', label: 'Address'},
];
// What a word from the search box may be, in the order in which it is tried.
const guesses = ['key', 'model', 'asked', 'user', 'team', 'project', 'provider', 'code', 'class', 'address', 'key_id', 'status'];

export async function show(root, {query}, api) {
  const at = Object.fromEntries(query);
  at.range ??= '7';
  const found = h('div');
  const filters = h('div');
  replace(root, head('Ledger', 'Every request, with what it was, where it went and what it cost.', choice('Time', ranges, at.range, (r) => { at.range = r; apply(); })), filters, section('Requests', found));
  if (at.search) {
    const word = at.search;
    delete at.search;
    const is = await guess(word, api);
    if (!is) {
      drawFilters();
      replace(found, empty(`No request has “${word}” as its key, model, user, team, project, provider, code or address.`, 'Ids begin with req_. Check how it is written, or filter by something else above.'));
      return;
    }
    at[is] = word;
    at.range = 'all';
    api.replace(address());
  }
  drawFilters();
  await draw();

  function address() {
    return `#/ledger?${new URLSearchParams(Object.entries(at).filter(([, v]) => v))}`;
  }

  function apply() {
    api.replace(address());
    return draw();
  }

  function drawFilters() {
    const first = fields.slice(0, 2).concat(fields.filter((f) => f.name === 'status' || f.name === 'team'));
    const rest = fields.filter((f) => !first.includes(f));
    const input = (f) => field({...f, value: at[f.name] ?? ''});
    const open = rest.some((f) => at[f.name]);
    const others = h('div', {class: 'filter-grid', id: 'more-filters', hidden: !open}, rest.map(input));
    const toggle = button('More filters', () => {
      others.hidden = !others.hidden;
      toggle.setAttribute('aria-expanded', String(!others.hidden));
      if (!others.hidden) others.querySelector('input').focus();
    }, {'aria-expanded': String(open), 'aria-controls': 'more-filters'});
    const form = h('form', {class: 'panel filters', 'aria-label': 'Filters', onsubmit: (e) => {
      e.preventDefault();
      for (const [name, value] of new FormData(form)) {
        if (value) at[name] = value.trim();
        else delete at[name];
      }
      apply();
    }}, h('div', {class: 'filter-grid'}, first.map(input)),
    others, h('div', {class: 'line'}, button('Filter', undefined, {kind: 'primary', type: 'submit'}),
      button('Clear', () => { for (const f of fields) delete at[f.name]; drawFilters(); apply(); }), toggle));
    replace(filters, form);
  }

  function ask(more) {
    const q = new URLSearchParams();
    for (const [name, value] of Object.entries(at)) {
      if (name === 'range') continue;
      q.append(name, value);
    }
    if (at.range !== 'all') {
      const from = new Date();
      from.setHours(0, 0, 0, 0);
      from.setDate(from.getDate() - (Number(at.range) - 1));
      q.set('from', from.toISOString().replace(/\.\d+/, ''));
    }
    for (const [name, value] of Object.entries(more)) q.set(name, value);
    return `/admin/ledger?${q}`;
  }

  function draw() {
    const before = []; // the first id of each page that was left behind
    const turn = (id) => loaded(found, () => api.lines(ask({order: 'newest', limit: page + 1, ...(id ? {before: id} : {})})), (rows) => {
      const older = rows.length > page;
      if (older) rows.pop();
      const turns = h('span', {class: 'line'}, before.length ? button('Newer', () => { before.pop(); return turn(before.at(-1)); }, {kind: 'small'}) : null,
        older ? button('Older', () => { before.push(rows.at(-1).id); return turn(rows.at(-1).id); }, {kind: 'small'}) : null);
      return table({caption: 'Requests, the newest first', rows, page, columns, more: turns, csv: ask({format: 'csv'}), nothing: ['No request matches.', 'Choose a longer time, or clear the filters.']});
    });
    return turn();
  }
}

async function guess(word, api) {
  const found = await Promise.all(guesses.map(async (name) => {
    try {
      return (await api.lines(`/admin/ledger?${new URLSearchParams({[name]: word, limit: 1})}`)).length > 0;
    } catch (err) {
      if (err.name === 'AbortError' || err.status === 401) throw err;
      return false; // it cannot be that: a status is a number
    }
  }));
  return guesses.find((_, i) => found[i]);
}

// brief leaves of an origin what fits a line: batch/batch_4367….
const brief = (origin) => origin.replace(/^(batch\/batch_[0-9a-f]{4})[0-9a-f]+/, '$1…');

const columns = [
  {key: 'time', title: 'Time', sort: false, class: 'nowrap', show: (r) => h('a', {href: `#/request/${r.id}`}, moment(r.time))},
  {key: 'status', title: 'Status', sort: false, show: (r) => [status(r.status), r.code ? [' ', h('span', {class: 'muted'}, r.code)] : '']},
  {key: 'key', title: 'Key', sort: false, show: (r) => [r.key || '–', r.team ? h('span', {class: 'muted'}, ` ${r.team}`) : '']},
  {key: 'model', title: 'Model', sort: false, class: 'long', show: (r) => [r.model || r.asked, r.model && r.asked !== r.model ? h('span', {class: 'muted'}, ` for ${r.asked}`) : '']},
  {key: 'op', title: 'Operation', sort: false, show: (r) => [r.op, r.stream ? ' stream' : '', r.origin ? [' ', h('span', {title: r.origin}, badge(brief(r.origin)))] : '', r.cached ? [' ', badge(`${r.cached} cache`, 'accent')] : '', r.count > 1 ? [' ', badge(`${number(r.count)} alike`)] : '']},
  {key: 'tokens', title: 'Tokens', num: true, sort: false, show: (r) => compact(r.tokens.total)},
  {key: 'cost_usd', title: 'Cost', num: true, sort: false, show: (r) => usd(r.cost_usd)},
  {key: 'duration_us', title: 'Duration', num: true, sort: false, show: (r) => us(r.duration_us)},
];
export {columns as requestColumns};

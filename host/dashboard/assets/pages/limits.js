import {h, head, section, loaded, replace, badge, button, confirm, dialog, toast} from '../ui.js';
import {table} from '../table.js';
import {budgetTable, loadBudgets} from '../budgets.js';
import {limitText, limitForm, path, scopes} from '../limits.js';
import {act, small} from '../parts.js';
import {ago, moment} from '../format.js';

export const title = 'Limits';

export async function show(root, params, api) {
  const budgets = h('div'), limits = h('div');
  const owner = api.may('owner');
  let known = {list: [], keys: []};
  replace(root, head('Limits', 'What keys, teams and projects may spend and ask for, and how they stand.', owner ? button('Set limits', () => edit(), {kind: 'primary'}) : null),
    section('Budgets', budgets), section('Limits that are set', limits));
  await draw();

  function draw() {
    return Promise.all([
      loaded(budgets, () => loadBudgets(api), budgetTable),
      loaded(limits, load, (all) => { known = all; return limitTable(all.list); }),
    ]);
  }

  async function load() {
    const [a, {keys}] = await Promise.all([api.get('/admin/limits'), api.get('/admin/keys')]);
    const names = new Map(keys.map((k) => [`key/${k.id}`, `key/${k.name}`]));
    return {keys, list: a.limits.map((l) => ({...l, name: names.get(l.scope) ?? l.scope}))};
  }

  function limitTable(list) {
    const columns = [
      {key: 'name', title: 'Scope', show: (l) => h('code', {title: l.scope}, l.name)},
      {key: 'limits', title: 'Limits', value: (l) => (l.limits ?? []).map(limitText).join(', ')},
      {key: 'source', title: 'Written in', show: (l) => (l.source === 'config' ? 'the configuration' : 'the store')},
      {key: 'changed', title: 'Changed', value: (l) => l.changed ?? '', show: (l) => (l.changed ? h('span', {title: moment(l.changed)}, ago(l.changed)) : '–')},
    ];
    if (list.some((l) => l.problem)) columns.push({key: 'problem', title: 'Problem', show: (l) => (l.problem ? [badge('look at it', 'bad'), ' ', l.problem] : '–')});
    if (owner) columns.push({key: 'do', title: 'Actions', sort: false, value: () => '', show: actions});
    return table({
      caption: 'Limits that are set', rows: list, sort: {key: 'name'}, csv: 'limits', columns,
      nothing: ['No scope has limits of its own.', 'Keys have theirs on the page of keys; the configuration sets more under budgets and rates.', owner ? button('Set limits', () => edit(), {kind: 'primary'}) : null],
    });
  }

  function actions(l) {
    if (l.source === 'config') return ''; // it is changed there
    return h('span', {class: 'line end'}, small('Change', () => edit(l), {'aria-label': `Change the limits of ${l.name}`}),
      button('Remove', () => remove(l), {kind: 'small danger', 'aria-label': `Remove the limits of ${l.name}`}));
  }

  // edit changes the limits of a row, or sets those of a scope that has none.
  async function edit(row) {
    const done = await dialog(row ? `Limits of ${row.name}` : 'Set limits', (close) => limitForm(
      row ? {scope: row.scope, limits: row.limits?.length ? row.limits : undefined} : {names: namesOf(known.keys)},
      async (scope, limits) => {
        if (!row && (await load()).list.some((l) => l.source === 'store' && [l.scope, l.name].includes(scope))) throw new Error(`${scope} has limits in the store already: change them in the list.`);
        await api.put(path(scope), {limits, revision: row?.revision ?? 0});
        close(scope);
      }, () => close()));
    if (done) toast(`The limits of ${row?.name ?? done} hold from now on.`, 'good');
    await draw(); // and what others have changed
  }

  async function remove(l) {
    if (!await confirm(`Remove the limits of ${l.name}?`, `From now on this no longer holds: ${(l.limits ?? []).map(limitText).join(', ') || 'what is stored'}. What the configuration, keys and policy say goes on to hold.`, 'Remove')) return;
    await act(() => api.del(path(l.scope)), `${l.name} has no limits in the store any more.`);
    await draw();
  }
}

// namesOf are the names that keys have, by kind of scope.
function namesOf(keys) {
  const live = keys.filter((k) => !k.revoked);
  const out = Object.fromEntries(scopes.map((kind) => [kind, [...new Set(live.map((k) => k[kind]).filter((v) => typeof v === 'string' && v))].sort()]));
  out.key = live.map((k) => k.name).sort();
  return out;
}

import {h, head, section, loaded, replace, badge} from '../ui.js';
import {table} from '../table.js';
import {budgetTable, loadBudgets} from '../budgets.js';
import {limitText} from './keys.js';
import {ago} from '../format.js';

export const title = 'Limits';

export async function show(root, params, api) {
  const budgets = h('div'), limits = h('div');
  replace(root, head('Limits', 'What keys, teams and projects may spend and how fast they may ask, and how they stand.'), section('Budgets', budgets), section('Limits that are set', limits));
  await Promise.all([
    loaded(budgets, () => loadBudgets(api), budgetTable),
    loaded(limits, () => api.get('/admin/limits'), (a) => limitTable(a.limits)),
  ]);
}

const limitTable = (list) => table({
  caption: 'Limits that are set', rows: list, sort: {key: 'scope'}, csv: 'limits',
  nothing: ['No scope has limits of its own.', 'Set one with signalbox limit set team/NAME, or in the configuration under budgets and rates.'],
  columns: [
    {key: 'scope', title: 'Scope', show: (l) => h('code', null, l.scope)},
    {key: 'limits', title: 'Limits', value: (l) => l.limits.map(limitText).join(', ')},
    {key: 'source', title: 'Written in', show: (l) => (l.source === 'config' ? 'the configuration' : 'the store')},
    {key: 'changed', title: 'Changed', value: (l) => l.changed ?? '', show: (l) => (l.changed ? ago(l.changed) : '–')},
    {key: 'problem', title: 'Problem', value: (l) => l.problem ?? '', show: (l) => (l.problem ? badge(l.problem, 'bad') : '–')},
  ],
});

import {h, head, section, button, badge, dialog, confirm, form, field, secret, loaded, replace, toast} from '../ui.js';
import {table} from '../table.js';
import {limitText, limitForm} from '../limits.js';
import {ago, moment} from '../format.js';

export const title = 'Keys';

export async function show(root, params, api) {
  const list = h('div');
  const owner = api.may('owner');
  const dead = h('input', {type: 'checkbox', id: 'dead', onchange: () => draw()});
  replace(root, head('Keys', 'Who may call this gateway, for what, and for how much.', h('label', {class: 'check', for: 'dead'}, dead, 'Show revoked ones'),
    owner ? button('New key', create, {kind: 'primary'}) : null), section('Keys', list));
  const draw = () => loaded(list, () => api.get('/admin/keys'), (a) => keysTable(a.keys.filter((k) => dead.checked || !k.revoked)));
  await draw();

  function keysTable(keys) {
    return table({
      caption: 'Keys', rows: keys, csv: 'keys', sort: {key: 'name'},
      nothing: ['There is no key yet.', 'Nobody can use the gateway without one.', owner ? button('New key', create, {kind: 'primary'}) : null],
      columns: [
        {key: 'name', title: 'Name', show: (k) => [h('a', {href: `#/ledger?key=${encodeURIComponent(k.name)}`}, k.name), ' ', h('code', {class: 'muted'}, k.id)]},
        {key: 'state', title: 'State', value: state, show: (k) => badge(state(k), {live: 'good', 'ends soon': 'warn'}[state(k)] ?? 'bad')},
        {key: 'team', title: 'Belongs to', value: owned, show: (k) => owned(k) || '–'},
        {key: 'limits', title: 'Limits', value: (k) => own(k).map(limitText).join(', '), show: (k) => own(k).map(limitText).join(', ') || 'none of its own'},
        {key: 'scope', title: 'Good for', value: scope, show: (k) => scope(k) || 'everything'},
        {key: 'expires', title: 'Expires', value: (k) => k.expires ?? '', show: (k) => (k.expires ? h('span', {title: moment(k.expires)}, ago(k.expires)) : 'never')},
        {key: 'used', title: 'Used', value: (k) => k.used ?? '', show: (k) => (k.source === 'config' && !k.used ? '–' : h('span', {title: k.used ? moment(k.used) : undefined}, ago(k.used)))},
        {key: 'do', title: 'Actions', sort: false, value: () => '', show: (k) => actions(k)},
      ],
    });
  }

  function actions(k) {
    if (k.source === 'config') return h('span', {class: 'muted'}, 'in the configuration');
    if (k.revoked) return h('span', {class: 'muted'}, `revoked ${ago(k.revoked)}`);
    if (!owner) return '';
    return h('span', {class: 'line end'},
      button('Limits', () => limit(k), {kind: 'small', 'aria-label': `Change the limits of ${k.name}`}),
      button('Rotate', () => rotate(k), {kind: 'small', 'aria-label': `Rotate ${k.name}`}),
      button('Revoke', () => revoke(k), {kind: 'small danger', 'aria-label': `Revoke ${k.name}`}));
  }

  async function create() {
    const made = await dialog('New key', (close) => form([
      field({name: 'name', label: 'Name', required: true, maxlength: 128, pattern: '[A-Za-z0-9][A-Za-z0-9._:@\\-]*', placeholder: 'reports', hint: 'Letters, digits and . _ : @ -'}),
      h('div', {class: 'columns-2'}, field({name: 'team', label: 'Team'}), field({name: 'project', label: 'Project'})),
      h('div', {class: 'columns-2'},
        field({name: 'usd', label: 'Budget in dollars', type: 'number', min: 0, step: 'any', hint: 'Leave empty for none of its own.'}),
        field({name: 'window', label: 'for each', options: [['day', 'day'], ['week', 'week'], ['month', 'month'], ['lifetime', 'lifetime']], value: 'month'})),
      h('div', {class: 'columns-2'},
        field({name: 'rate', label: 'Requests a minute', type: 'number', min: 1, step: 1}),
        field({name: 'expires', label: 'Expires', type: 'date', min: new Date().toISOString().slice(0, 10)})),
      field({name: 'models', label: 'Models', placeholder: 'smart, demo/*', hint: 'Names or patterns, with commas between them; empty: all.'}),
    ], 'Make the key', async (v) => {
      const body = {name: v.name.trim()};
      if (v.team) body.team = v.team.trim();
      if (v.project) body.project = v.project.trim();
      if (v.usd) body.budgets = [{usd: Number(v.usd), window: v.window}];
      if (v.rate) body.rates = [{requests: Number(v.rate), per: 'minute'}];
      if (v.expires) body.expires = new Date(`${v.expires}T23:59:59`).toISOString();
      const models = v.models.split(/[\s,]+/).filter(Boolean);
      if (models.length) body.scope = {models};
      close(await api.post('/admin/keys', body));
    }, {cancel: () => close()}));
    if (!made) return;
    await reveal(made, `The key ${made.name}`);
    draw();
  }

  // limit changes what the key may spend and ask for; its secret stays.
  async function limit(k) {
    const done = await dialog(`Limits of ${k.name}`, (close) => limitForm({scope: k.name, limits: own(k), none: true}, async (name, limits) => {
      const of = {budgets: limits.filter((l) => l.window), rates: limits.filter((l) => !l.window)};
      try {
        await api.patch(`/admin/keys/${encodeURIComponent(k.id)}`, of);
      } catch (err) { // which counts budgets and rates apart
        err.message = err.message.replace(/^(budgets|rates)\[(\d+)\]/, (said, list, n) => `limits[${limits.indexOf(of[list][n])}]`);
        throw err;
      }
      close(true);
    }, () => close()));
    if (done) toast(`The limits of ${k.name} hold from now on.`, 'good');
    await draw(); // and what others have changed
  }

  async function rotate(k) {
    const made = await dialog(`Rotate ${k.name}`, (close) => form([
      h('p', null, 'The key gets a new secret. The one it has now counts for a while longer, so that callers can be moved over.'),
      field({name: 'overlap', label: 'The old secret counts for', options: [['1h', '1 hour'], ['24h', '1 day'], ['168h', '7 days'], ['0s', 'no longer']], value: '24h'}),
    ], 'Rotate', async (v) => close(await api.post(`/admin/keys/${encodeURIComponent(k.id)}/rotate`, {overlap: v.overlap})), {cancel: () => close()}), {kind: 'small'});
    if (!made) return;
    await reveal(made, `The new secret of ${made.name}`);
    draw();
  }

  async function revoke(k) {
    if (!await confirm(`Revoke ${k.name}?`, `Whoever uses ${k.name} is refused from now on. This cannot be undone; a new key can be made.`, 'Revoke')) return;
    try {
      await api.del(`/admin/keys/${encodeURIComponent(k.id)}`);
      toast(`${k.name} is revoked.`, 'good');
    } catch (err) {
      toast(err.message, 'bad');
    }
    draw();
  }
}

// reveal shows a secret the one time that it can be.
const reveal = (made, what) => dialog(what, (close) => [
  h('p', null, 'This is shown once: copy it to where it is used, and keep it safe.', made.previous_until ? ` The secret before it counts until ${moment(made.previous_until)}.` : ''),
  secret(made.token, 'Secret of the key'),
  h('div', {class: 'dialog-foot'}, button('Done', () => close())),
]);

function state(k) {
  if (k.revoked) return 'revoked';
  if (k.expires && Date.parse(k.expires) < Date.now()) return 'expired';
  if (k.refused) return 'refused';
  if (k.expires && Date.parse(k.expires) < Date.now() + 7 * 86400000) return 'ends soon';
  return 'live';
}
const owned = (k) => [k.org, k.team, k.project, k.user].filter(Boolean).join(' / ');
const own = (k) => [...(k.budgets ?? []), ...(k.rates ?? [])];
const scope = (k) => (k.scope ? [k.scope.models?.join(' '), k.scope.operations?.join(' '), k.scope.from?.length ? `from ${k.scope.from.join(' ')}` : '', k.scope.read_only ? 'reading' : ''].filter(Boolean).join('; ') : '');

// A table that is sorted, shown in pages, and turns into cards where it is narrow.

import {h, button, replace, empty} from './ui.js';

// Columns are {key, title, num, value(row), show(row), sort: false, wide}: value
// is what is sorted by and saved, show what is seen. The first one names the row.
export function table({columns, rows = [], caption, nothing = ['There is nothing here yet.'], page = 50, sort, csv, more}) {
  const state = {rows, sort: sort ?? null, at: 0};
  const value = (c, row) => (c.value ? c.value(row) : row[c.key]);
  const body = h('tbody', {role: 'rowgroup'});
  const heads = columns.map((c) => headOf(c));
  const foot = h('div', {class: 'table-foot'});
  const view = h('table', {role: 'table', class: 'table'}, h('caption', {class: 'quiet'}, caption),
    h('thead', {role: 'rowgroup'}, h('tr', {role: 'row'}, heads)), body);
  const none = h('div', {hidden: true}, empty(...nothing));
  const el = h('div', {class: 'table-box'}, h('div', {class: 'table-scroll'}, view), none, foot);

  function headOf(c) {
    const th = h('th', {scope: 'col', role: 'columnheader', class: c.num ? 'num' : ''});
    if (c.sort === false) th.append(c.title);
    else {
      th.append(h('button', {type: 'button', class: 'sort', onclick: () => {
        const down = state.sort?.key === c.key ? !state.sort.down : Boolean(c.num);
        state.sort = {key: c.key, down};
        state.at = 0;
        draw();
      }}, c.title));
    }
    return th;
  }

  function sorted() {
    const by = state.sort && columns.find((c) => c.key === state.sort.key);
    if (!by) return state.rows;
    const sign = state.sort.down ? -1 : 1;
    return state.rows.toSorted((a, b) => {
      const x = value(by, a) ?? '', y = value(by, b) ?? '';
      return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y)));
    });
  }

  function line(row) {
    return h('tr', {role: 'row', class: row.$class}, columns.map((c, i) => {
      const shown = c.show ? c.show(row) : value(c, row);
      return h(i === 0 ? 'th' : 'td', {role: i === 0 ? 'rowheader' : 'cell', scope: i === 0 ? 'row' : undefined, class: (c.num ? 'num ' : '') + (c.class ?? ''), 'data-label': c.title}, h('div', {class: 'cell'}, shown ?? '–'));
    }));
  }

  function draw() {
    const all = sorted();
    state.at = Math.min(state.at, Math.max(0, Math.ceil(all.length / page) - 1));
    heads.forEach((th, i) => {
      if (columns[i].key === state.sort?.key) th.setAttribute('aria-sort', state.sort.down ? 'descending' : 'ascending');
      else th.removeAttribute('aria-sort');
    });
    replace(body, all.slice(state.at * page, (state.at + 1) * page).map(line));
    none.hidden = all.length > 0;
    view.parentElement.hidden = all.length === 0;
    drawFoot(all.length);
  }

  // The buttons stay, so that they keep the focus.
  const turn = (text, by) => button(text, () => { state.at += by; draw(); }, {kind: 'small'});
  const back = turn('Previous', -1), on = turn('Next', 1);

  function drawFoot(n) {
    const pages = Math.ceil(n / page);
    back.disabled = state.at === 0;
    on.disabled = state.at >= pages - 1;
    replace(foot,
      n > 0 ? h('span', null, pages > 1 ? `${state.at * page + 1}–${Math.min(n, (state.at + 1) * page)} of ${n}` : `${n} ${n === 1 ? 'row' : 'rows'}`) : null,
      pages > 1 ? [back, on] : null,
      more,
      csv && n > 0 ? csvLink() : null);
    foot.hidden = foot.children.length === 0;
  }

  // csv is the address that answers with it, or the name of a file that is made here.
  function csvLink() {
    if (csv.startsWith('/')) return h('a', {class: 'button small csv', href: csv, download: ''}, 'CSV');
    return button('CSV', () => {
      const quote = (v) => `"${String(v ?? '').replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
      const text = [columns.map((c) => quote(c.title)), ...sorted().map((r) => columns.map((c) => quote(value(c, r))))].map((l) => l.join(',')).join('\r\n');
      const url = URL.createObjectURL(new Blob([text], {type: 'text/csv'}));
      h('a', {href: url, download: `${csv}.csv`}).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    }, {kind: 'small'});
  }

  draw();
  el.update = (fresh) => { state.rows = fresh; draw(); };
  return el;
}

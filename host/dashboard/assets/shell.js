// The frame around all pages: login, navigation, keys, and which page is shown.

import * as api from './api.js';
import {h, button, icon, replace, dialog, toast, failed, skeleton} from './ui.js';
import {pages, find} from './pages.js';

const app = document.getElementById('app');
let leave = new AbortController();
let main;

// where reads the address: #/name/rest?query.
function where() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  const [name, ...rest] = path.split('/').map(decoded);
  return {name: name || pages[0].name, id: rest.join('/'), query: new URLSearchParams(query)};
}

// decoded takes what is no encoding as it is written.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const go = (to) => { location.hash = to; };
const replaceAddress = (to) => history.replaceState(null, '', to);

const shownPages = () => pages.filter((p) => !p.hidden && api.may(p.need ?? 'viewer'));

// show leaves the page before and shows the one of the address.
async function show(focus) {
  leave.abort();
  const own = leave = new AbortController();
  const at = where();
  const page = find(at.name);
  mark(at.name);
  const root = h('div', {class: `page ${at.name}`}, skeleton(8));
  replace(main, root);
  if (!page || !api.may(page.need ?? 'viewer')) {
    replace(root, h('h1', {tabindex: '-1'}, 'There is no such page'), h('p', null, 'Choose one from the navigation, or press g and then o for the overview.'));
    return;
  }
  document.title = `${page.title} · Signalbox`;
  try {
    const module = await page.load();
    if (own.signal.aborted) return;
    replace(root);
    await module.show(root, at, api.forPage(own.signal, {go, replace: replaceAddress}));
  } catch (err) {
    if (own.signal.aborted || err.name === 'AbortError' || err.status === 401) return;
    if (!(err instanceof api.Refused)) console.error(err);
    const stale = err instanceof TypeError && /import|module/i.test(err.message);
    const why = stale ? await fetch('/', {cache: 'no-store'}).then(() => new Error('The gateway was upgraded since this page was opened: load it again.'), () => new Error(api.unreachable)) : err;
    if (own.signal.aborted) return;
    replace(root, h('h1', {tabindex: '-1'}, page.title), failed(why, stale ? () => location.reload() : () => show(true))); // a module that failed once is not asked for again
  }
  if (focus && !own.signal.aborted) {
    root.querySelector('h1')?.focus({preventScroll: true});
    scrollTo(0, 0);
  }
}

function mark(name) {
  const page = find(name);
  for (const a of document.querySelectorAll('nav a')) {
    if (a.dataset.page === (page?.under ?? name)) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
}

function navigation() {
  const groups = Map.groupBy(shownPages(), (p) => p.group ?? '');
  return [...groups].map(([group, list]) => h('div', {class: 'group'}, group ? h('p', {class: 'group-name'}, group) : null,
    h('ul', null, list.map((p) => h('li', null, h('a', {href: `#/${p.name}`, 'data-page': p.name}, icon(p.icon), p.title))))));
}

function frame() {
  main = h('main', {id: 'main', tabindex: '-1'});
  const nav = h('nav', {id: 'nav', 'aria-label': 'Pages'}, navigation());
  const menu = h('button', {type: 'button', class: 'menu', 'aria-expanded': 'false', 'aria-controls': 'nav', 'aria-label': 'Menu', onclick: () => open(nav.dataset.open !== 'true')}, icon('M2 4h12M2 8h12M2 12h12'));
  const open = (is) => { nav.dataset.open = String(is); menu.setAttribute('aria-expanded', String(is)); };
  nav.addEventListener('click', (e) => { if (e.target.closest('a')) open(false); });
  nav.addEventListener('keydown', (e) => { if (e.key === 'Escape') { open(false); menu.focus(); } });
  replace(app,
    h('a', {class: 'skip', href: '#main', onclick: (e) => { e.preventDefault(); main.focus(); }}, 'Skip to the page'),
    h('header', {class: 'top'}, menu, brand(), search(), h('div', {class: 'who'}, themeButton(),
      h('button', {type: 'button', class: 'plain', 'aria-label': 'Keys of the keyboard', title: 'Keys (?)', onclick: help}, '?'),
      h('span', {class: 'name', title: api.user.role}, api.user.name, h('span', {class: 'role'}, api.user.role.replace('_', ' '))),
      button('Sign out', signOut, {kind: 'small'}))),
    h('div', {class: 'columns'}, nav, main));
}

const brand = () => h('a', {class: 'brand', href: '#/overview'}, icon('M8 2.5a2 2 0 1 0 .01 0M8 9.5a2 2 0 1 0 .01 0M8 6.5v3'), 'Signalbox');

// search leads to the request of an id, else to the ledger with that filter.
function search() {
  const input = h('input', {type: 'search', id: 'search', placeholder: 'Request id, key or model', 'aria-label': 'Search requests', autocomplete: 'off', spellcheck: 'false'});
  return h('form', {role: 'search', class: 'search', onsubmit: (e) => {
    e.preventDefault();
    const text = input.value.trim();
    input.blur(); // where this page stays, keys are its own again
    if (text) go(/^req_[0-9a-v]+$/.test(text) ? `#/request/${encodeURIComponent(text)}` : `#/ledger?search=${encodeURIComponent(text)}`);
  }}, input, h('kbd', {'aria-hidden': 'true'}, '/'));
}

function themeButton() {
  const now = () => document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  const el = h('button', {type: 'button', class: 'plain', id: 'theme', title: 'Light or dark', onclick: () => {
    const next = now() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem('signalbox.theme', next);
    } catch {
      // It holds for this page alone.
    }
    label();
  }}, icon('M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12'));
  const label = () => el.setAttribute('aria-label', now() === 'dark' ? 'Use the light scheme' : 'Use the dark scheme');
  label();
  return el;
}

async function signOut() {
  leave.abort(); // nothing is asked any more in the name of who leaves
  try {
    await api.signOut();
    login();
  } catch (err) {
    toast(err.message, 'bad');
    show(false);
  }
}

// login is shown to who is not signed in, with why where it was meant otherwise.
function login(why) {
  leave.abort();
  document.title = 'Sign in · Signalbox';
  const token = h('input', {id: 'token', name: 'token', type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'token-hint'});
  const error = h('p', {class: 'error', role: 'alert', hidden: !why}, why ?? '');
  const submit = button('Sign in', undefined, {kind: 'primary', type: 'submit'});
  const box = h('form', {class: 'form', onsubmit: async (e) => {
    e.preventDefault();
    submit.disabled = true;
    error.hidden = true;
    try {
      await api.signIn(token.value);
      start();
    } catch (err) {
      error.textContent = err.message;
      error.hidden = false;
      submit.disabled = false;
      token.select();
    }
  }}, h('input', {type: 'text', name: 'username', value: 'signalbox', autocomplete: 'username', hidden: true}),
  h('div', {class: 'field'}, h('label', {for: 'token'}, 'Administrator’s token'), token,
    h('p', {class: 'hint', id: 'token-hint'}, 'Yours, or that of the gateway: it is what admin.token says, or lies in the file admin.token beside the store.')),
  error, submit);
  replace(app, h('main', {class: 'login'}, h('div', {class: 'login-box'}, h('h1', null, brandMark(), 'Signalbox'), box)));
  token.focus();
}
const brandMark = () => icon('M8 2.5a2 2 0 1 0 .01 0M8 9.5a2 2 0 1 0 .01 0M8 6.5v3');

function start() {
  frame();
  show(false);
}

// help lists what keys do.
function help() {
  const keys = [['/', 'Search requests'], ['?', 'This list'], ['t', 'Light or dark'], ['Esc', 'Close what is open'],
    ...shownPages().filter((p) => p.key).map((p) => [`g ${p.key}`, p.title])];
  dialog('Keys', () => h('dl', {class: 'keys'}, keys.map(([k, what]) => h('div', null, h('dt', null, k.split(' ').map((one) => h('kbd', null, one))), h('dd', null, what)))), {kind: 'small'});
}

let going = 0; // until when a g counts
function onKey(e) {
  if (!api.user.signed_in || e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, textarea, select, dialog')) return;
  const page = Date.now() < going && shownPages().find((p) => p.key === e.key);
  going = 0;
  if (page) go(`#/${page.name}`);
  else if (e.key === '/') document.getElementById('search')?.select();
  else if (e.key === '?') help();
  else if (e.key === 't') document.getElementById('theme')?.click();
  else if (e.key === 'g') { going = Date.now() + 1500; return; }
  else return;
  e.preventDefault();
}

api.onEnded(() => login('You are signed out: sign in again to go on.'));
addEventListener('hashchange', () => { if (api.user.signed_in) show(true); });
addEventListener('keydown', onKey);

try {
  if ((await api.resume()).signed_in) start();
  else login();
} catch (err) {
  replace(app, h('main', {class: 'login'}, failed(err, () => location.reload())));
}

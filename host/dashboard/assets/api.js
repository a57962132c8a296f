// What asks the admin API: with the cookie of this page, and for changes with
// the csrf that came with it.

export const unreachable = 'The gateway cannot be reached: is it running, and is the network up?';

export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const session = {csrf: '', name: '', role: '', may: [], signed_in: false};
let ended = () => {};

export const user = session;
export const may = (role) => session.may.includes(role);
export const onEnded = (f) => { ended = f; };

function take(view) {
  Object.assign(session, {csrf: '', name: '', role: '', may: [], signed_in: false}, view);
  return session;
}

async function ask(method, path, body, {signal, background} = {}) {
  const headers = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-signalbox-csrf'] = session.csrf;
  if (background) headers['x-signalbox-background'] = '1';
  let answer;
  try {
    answer = await fetch(path, {method, headers, signal, cache: 'no-store', body: body === undefined ? undefined : JSON.stringify(body)});
  } catch (err) {
    if (signal?.aborted) throw err;
    throw new Refused(0, 'unreachable', unreachable);
  }
  return answer;
}

async function read(answer) {
  const text = await answer.text();
  let value;
  try {
    value = text === '' ? undefined : JSON.parse(text);
  } catch {
    value = text;
  }
  if (answer.ok) return value;
  const e = value?.error ?? {};
  throw new Refused(answer.status, e.code ?? 'failed', e.message ?? `The gateway answered with status ${answer.status}.`);
}

// json asks and reads one JSON value. Who is signed out meanwhile is led to the login.
export async function json(method, path, body, options) {
  try {
    return await read(await ask(method, path, body, options));
  } catch (err) {
    if (err instanceof Refused && err.code === 'csrf' && !options?.again && await same()) return json(method, path, body, {...options, again: true});
    if (err instanceof Refused && err.status === 401) {
      take({});
      ended();
    }
    throw err;
  }
}

// same asks who is signed in where the csrf is no longer that of the cookie,
// since somebody has signed in anew in another tab; the page of somebody else is
// loaded again.
async function same() {
  const {name, role} = session;
  await resume();
  if (session.name === name && session.role === role) return true;
  location.reload();
  return false;
}

// lines asks for JSON lines, such as those of the ledger.
export async function lines(path, options) {
  const answer = await ask('GET', path, undefined, options);
  if (!answer.ok) return read(answer).catch((err) => { if (err.status === 401) { take({}); ended(); } throw err; });
  const text = await answer.text();
  return text.split('\n').filter(Boolean).map((l) => JSON.parse(l));
}

export const resume = async () => take(await read(await ask('GET', '/admin/session')));
export const signIn = async (token) => take(await read(await ask('POST', '/admin/session', {token})));
export async function signOut() {
  await read(await ask('DELETE', '/admin/session'));
  take({});
}

// forPage is what a page is given: all that it started ends when it is left.
export function forPage(signal, {go, replace}) {
  const opt = (o) => ({signal, ...o});
  return {
    signal, go, replace, user: session, may,
    get: (path, o) => json('GET', path, undefined, opt(o)),
    post: (path, body = {}, o) => json('POST', path, body, opt(o)),
    put: (path, body, o) => json('PUT', path, body, opt(o)),
    patch: (path, body, o) => json('PATCH', path, body, opt(o)),
    del: (path, o) => json('DELETE', path, undefined, opt(o)),
    lines: (path, o) => lines(path, opt(o)),
    // raw returns the Response itself: for streams and files. Other headers may be given.
    raw(path, {method = 'POST', headers = {}, body, signal: own} = {}) {
      return fetch(path, {method, body, signal: own ? AbortSignal.any([signal, own]) : signal, cache: 'no-store', headers: {...headers, ...(method === 'GET' ? {} : {'x-signalbox-csrf': session.csrf})}});
    },
    // stream follows server-sent events: on = {event: (data) => …, open, lost}.
    // The browser connects again by itself; where it has given up, this does, once
    // whoever is signed in still is.
    stream(path, on) {
      if (signal.aborted) return;
      let source, timer;
      const connect = () => {
        source = new EventSource(path);
        for (const name of Object.keys(on)) {
          if (name !== 'open' && name !== 'lost') source.addEventListener(name, (e) => on[name](JSON.parse(e.data)));
        }
        source.onopen = () => on.open?.();
        source.onerror = () => {
          on.lost?.();
          if (source.readyState === EventSource.CLOSED) timer = setTimeout(again, 3000);
        };
      };
      const again = () => json('GET', '/admin/whoami', undefined, {signal, background: true}).then(connect, (err) => {
        if (!signal.aborted && err.status !== 401) timer = setTimeout(again, 3000);
      });
      connect();
      signal.addEventListener('abort', () => { source.close(); clearTimeout(timer); });
    },
    // every calls f now and then while the page is shown and seen.
    every(period, f) {
      if (signal.aborted) return;
      const timer = setInterval(() => { if (!document.hidden) f(); }, period);
      signal.addEventListener('abort', () => clearInterval(timer));
    },
  };
}

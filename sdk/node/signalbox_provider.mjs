// Provider adapters for Signalbox in Node: the standard library and @grpc/grpc-js.
//
//   serve({
//     name: 'acme', version: '1.0.0', credential: 'none',
//     operations: [['chat', 'openai-chat']],
//     configure: (config, hosts) => ({ routes: { 'chat/openai-chat': chat } }),
//   });
//   async function chat(request) { return { body: {choices: […]}, usage: { in: 3, out: 7 } }; }
//
// A handler returns { body, usage, dropped, contentType }, or { events, dropped } for a
// stream: an async iterable of complete events (text or bytes) and of objects, the
// usage. What it throws before the first event is answered, best a ProviderError; after
// it the stream is cut. Copy this file beside your program, and node_modules with it.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Readable } from 'node:stream';
import grpc from '@grpc/grpc-js';

const MAX_BODY = 128 << 20;
const CLASSES = { 401: 'auth', 402: 'quota', 403: 'auth', 408: 'server', 409: 'server', 429: 'rate_limit', 503: 'overloaded', 504: 'timeout', 529: 'overloaded' };
export const classOf = (status) => CLASSES[status] ?? (status >= 500 ? 'server' : 'invalid_request');

// ProviderError is answered in the form of the request's dialect.
export class ProviderError extends Error {
  constructor(status, code, message, { errorClass = classOf(status), retryAfter } = {}) {
    super(message);
    Object.assign(this, { status, code, errorClass, retryAfter });
  }

  body(dialect) {
    const { status, code, message, errorClass } = this;
    if (dialect === 'anthropic-messages') return { type: 'error', error: { type: errorClass, message } };
    if (dialect === 'gemini-generate') return { error: { code: status, message, status: errorClass.toUpperCase() } };
    return { error: { message, type: errorClass, code, param: null } };
  }
}

// log writes a line for the gateway's log.
export const log = (level, msg, attrs = {}) => process.stderr.write(JSON.stringify({ level, msg, ...attrs }) + '\n');

// Request is one request. The credential is for this request alone; signal aborts at its
// deadline and when the gateway leaves: give it to fetch.
class Request {
  constructor(req, op, dialect, rest, body, signal) {
    const header = (name) => req.headers[name.toLowerCase()] ?? '';
    Object.assign(this, { op, dialect, path: rest, body, signal, header, method: req.method });
    this.model = header('x-signalbox-model');
    this.id = header('x-signalbox-request-id');
    this.credential = header('x-signalbox-credential');
    this.streams = header('x-signalbox-stream') === '1';
    this.strict = header('x-signalbox-strict') === '1';
  }

  json() {
    let value;
    try {
      value = JSON.parse(this.body.toString());
    } catch (e) {
      throw new ProviderError(400, 'invalid_json', 'the body is not JSON');
    }
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new ProviderError(400, 'invalid_json', 'the body is not a JSON object');
    return value;
  }

  // fetch calls an upstream; a redirect is not followed, it would carry the credential away.
  fetch(url, options = {}) {
    return fetch(url, { method: 'POST', redirect: 'manual', ...options, signal: this.signal });
  }
}

const left = new Error('the gateway has left');
const late = new ProviderError(504, 'timeout', "the request's deadline has passed");

// dataServer serves routes on the data socket.
function dataServer() {
  const state = { routes: {}, draining: false, running: 0, idle: () => {} };
  const server = http.createServer({ maxHeaderSize: 16 << 10, keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, async (req, res) => {
    state.running++;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(late), Number(req.headers['x-signalbox-deadline-ms'] ?? 600000));
    res.on('close', () => {
      clearTimeout(timer);
      abort.abort(left);
      state.running--;
      state.idle();
    });
    const [, op, dialect] = req.url.split('?')[0].split('/');
    try {
      const handle = state.routes[`${op}/${dialect}`];
      if (!handle) throw new ProviderError(404, 'not_served', `this adapter does not serve ${req.url}`);
      const body = await readBody(req);
      if (state.draining) res.setHeader('connection', 'close');
      await write(res, await handle(new Request(req, op, dialect, req.url.slice(`/${op}/${dialect}`.length), body, abort.signal)), abort.signal);
    } catch (e) {
      fail(res, abort.signal.aborted ? abort.signal.reason : e, dialect);
    }
  });
  return { server, state };
}

async function readBody(req) {
  const size = Number(req.headers['content-length'] ?? 0);
  const tooLarge = new ProviderError(413, 'request_too_large', `the body has more than ${MAX_BODY} bytes`);
  if (size > MAX_BODY) throw tooLarge;
  const parts = [];
  let n = 0;
  for await (const part of req) {
    if ((n += part.length) > MAX_BODY) throw tooLarge;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const usageText = (usage) => Object.entries(usage).map(([k, v]) => `${k}=${Math.trunc(v)}`).join(';');

async function write(res, { body, usage, events, dropped = [], contentType = 'application/json' }, signal) {
  if (dropped.length) res.setHeader('x-signalbox-dropped-params', dropped.join(','));
  if (!events) {
    if (usage) res.setHeader('x-signalbox-usage', usageText(usage));
    res.setHeader('content-type', contentType);
    return res.end(Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body));
  }
  for await (const event of events) {
    if (signal.aborted) throw signal.reason;
    if (typeof event === 'object' && !ArrayBuffer.isView(event)) {
      usage = event;
      continue;
    }
    if (!res.headersSent) res.writeHead(200, { 'content-type': 'text/event-stream', trailer: 'X-Signalbox-Usage' });
    if (!res.write(event)) await new Promise((go) => { res.once('drain', go); signal.addEventListener('abort', go, { once: true }); });
  }
  if (!res.headersSent) throw new ProviderError(502, 'empty_stream', 'the stream has no event');
  if (usage) res.addTrailers({ 'X-Signalbox-Usage': usageText(usage) });
  res.end();
}

function fail(res, e, dialect) {
  if (res.headersSent || e === left) {
    log('DEBUG', 'stream cut', { error: e.name });
    return res.destroy(); // a cut is all that can be said
  }
  if (!(e instanceof ProviderError)) {
    const network = e instanceof TypeError && e.message === 'fetch failed';
    log('ERROR', 'handler failed', { error: e.name });
    e = network ? new ProviderError(502, 'upstream_unreachable', 'the upstream does not answer', { errorClass: 'network' }) : new ProviderError(500, 'adapter_error', 'the adapter failed');
  }
  const headers = { 'content-type': 'application/json', 'x-signalbox-error-class': e.errorClass };
  if (e.retryAfter) headers['retry-after'] = String(e.retryAfter);
  if (e.status === 413) headers.connection = 'close';
  res.writeHead(e.status, headers).end(JSON.stringify(e.body(dialect)));
}

// lines are the lines of an upstream's answer, as they come.
export async function* lines(answer) {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const part of Readable.fromWeb(answer.body)) {
    const whole = (rest + decoder.decode(part, { stream: true })).split('\n');
    rest = whole.pop();
    for (const line of whole) yield line + '\n';
  }
  if (rest) yield rest;
}

// varint, pack and unpack write and read protobuf: { field number: text, bytes, number, message or a list }.
function varint(n) {
  const out = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return Buffer.from([...out, n]);
}

function pack(fields) {
  const out = [];
  for (const [number, values] of Object.entries(fields)) {
    for (const v of Array.isArray(values) ? values : [values]) {
      if (typeof v === 'number' || typeof v === 'boolean') {
        if (v) out.push(varint(number * 8), varint(Number(v)));
        continue;
      }
      const bytes = Buffer.isBuffer(v) ? v : typeof v === 'string' ? Buffer.from(v) : pack(v ?? {});
      if (bytes.length || Array.isArray(values)) out.push(varint(number * 8 + 2), varint(bytes.length), bytes);
    }
  }
  return Buffer.concat(out);
}

function unpack(raw) {
  const out = {};
  let at = 0;
  const read = () => {
    for (let n = 0, scale = 1; ; scale *= 128) {
      const b = raw[at++];
      n += (b & 127) * scale;
      if (b < 128) return n;
    }
  };
  while (at < raw.length) {
    const key = read();
    let value = read();
    if (key % 8 === 2) value = raw.subarray(at, (at += value));
    (out[Math.floor(key / 8)] ??= []).push(value);
  }
  return out;
}

const model = (m) => ({ 1: m.name, 2: m.operations ?? [], 3: m.capabilities ?? [], 4: m.context ?? 0, 5: m.maxOutput ?? 0 });

// A direct lease: { operation, dialect, url, headers: [[name, prefix, credential?]], models, errors: [[status, code, class]], … }.
const lease = (l) => ({
  1: l.operation, 2: l.dialect, 3: l.url, 5: (l.headers ?? []).map(([name, prefix, credential]) => ({ 1: name, 2: prefix, 4: !!credential })),
  6: l.passHeaders ?? [], 7: Object.entries(l.models ?? {}).map(([from, to]) => ({ 1: from, 2: to })),
  8: (l.errors ?? []).map(([status, code, name]) => ({ 1: status, 2: code, 3: name })),
  9: !!l.streamUsage, 10: l.ttlMs ?? 0, 11: l.maxTokensMember ?? '', 12: l.streamUrl ?? '',
});

function check(config, properties) {
  for (const [key, value] of Object.entries(config)) {
    const known = properties[key];
    if (!known) throw new Error(`unknown config key "${key}"; known are ${Object.keys(properties).join(', ') || 'none'}`);
    const is = Array.isArray(value) ? 'array' : Number.isInteger(value) && known.type === 'integer' ? 'integer' : typeof value;
    if (known.type && is !== known.type) throw new Error(`config key "${key}" is of type ${is}; want ${known.type}`);
  }
}

// controlPlane implements the contract's service.
function controlPlane(provider, { server, state }, socket) {
  let leases = null;
  const streams = new Set();
  const refuse = (done, code, e) => done({ code, message: e.message });
  const properties = provider.properties ?? {};
  return {
    Describe: (_, done) => done(null, pack({
      1: provider.name, 2: provider.version, 4: provider.operations.map(([op, dialect]) => ({ 1: op, 2: dialect })), 5: (provider.models ?? []).map(model),
      6: JSON.stringify({ type: 'object', properties, additionalProperties: false }), 8: provider.hosts ?? [], 9: provider.credential ?? 'required',
    })),
    Configure: async ({ request }, done) => {
      try {
        const given = unpack(request);
        const config = JSON.parse((given[1]?.at(-1) ?? '{}').toString() || '{}');
        check(config, properties);
        const setup = await provider.configure(config, (given[2] ?? []).map(String));
        state.routes = setup.routes ?? {};
        const own = Object.keys(state.routes).map((r) => ({ 1: r.split('/')[0], 2: r.split('/')[1], 4: socket }));
        leases = pack({ 1: [...(setup.leases ?? []).map(lease), ...own] });
        for (const s of streams) s.write(leases);
        done(null, Buffer.alloc(0));
      } catch (e) {
        refuse(done, grpc.status.INVALID_ARGUMENT, e);
      }
    },
    Endpoints: (call) => {
      streams.add(call);
      call.on('cancelled', () => streams.delete(call));
      if (leases) call.write(leases);
    },
    Health: async (_, done) => {
      try {
        await provider.health?.();
        done(null, Buffer.alloc(0));
      } catch (e) {
        refuse(done, grpc.status.UNAVAILABLE, e);
      }
    },
    Drain: ({ request }, done) => {
      state.draining = true;
      server.close();
      server.closeIdleConnections();
      const timeout = unpack(request)[1]?.at(-1);
      const timer = timeout && setTimeout(() => { state.idle = () => {}; refuse(done, grpc.status.DEADLINE_EXCEEDED, new Error(`${state.running} requests still run`)); }, timeout);
      state.idle = () => {
        if (state.running > 0) return;
        state.idle = () => {};
        clearTimeout(timer);
        done(null, Buffer.alloc(0));
      };
      state.idle();
    },
    leases: () => { if (leases) for (const s of streams) s.write(leases); },
  };
}

// serve runs provider until the gateway ends it.
export function serve(provider) {
  const folder = process.env.PLUGIN_UNIX_SOCKET_DIR;
  if (process.env.SIGNALBOX_PLUGIN !== 'provider' || !folder) {
    process.stderr.write(`${provider.name} ${provider.version} is a provider adapter of Signalbox. Name it in the configuration's providers; the gateway starts it.\n`);
    process.exit(2);
  }
  process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume(); // the gateway holds the other end
  const data = dataServer();
  const socket = path.join(folder, 'data');
  const control = controlPlane(provider, data, socket);
  const raw = (bytes) => bytes;
  const method = (name, responseStream = false) => ({
    path: `/signalbox.provider.v1.Provider/${name}`, requestStream: false, responseStream,
    requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw,
  });
  const server = new grpc.Server();
  server.addService(Object.fromEntries(['Describe', 'Configure', 'Health', 'Drain', 'Endpoints'].map((n) => [n, method(n, n === 'Endpoints')])), control);
  setInterval(control.leases, 30_000); // renews them
  data.server.listen(socket, () => {
    fs.chmodSync(socket, 0o600);
    server.bindAsync(`unix:${path.join(folder, 'control')}`, grpc.ServerCredentials.createInsecure(), (e) => {
      if (e) throw e;
      process.stdout.write(`1|1|unix|${path.join(folder, 'control')}|grpc\n`);
    });
  });
}

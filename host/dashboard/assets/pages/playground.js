import {h, head, section, replace, badge, choice, field, button, link, empty, toast, loaded} from '../ui.js';
import {usd, ms, number} from '../format.js';
import {base64, small} from '../parts.js';
import {events, wav} from '../media.js';

export const title = 'Playground';

const kinds = [['chat', 'Chat'], ['speech', 'Speech'], ['images', 'Pictures'], ['transcription', 'Transcription']];
const maxFile = 16 << 20;

export async function show(root, {query}, api) {
  const body = h('div', {class: 'stack wide-gap'});
  const first = query.get('model') ?? '';
  const key = field({name: 'key', label: 'Virtual key', type: 'password', autocomplete: 'off', hint: 'Empty: in your own name, on the playground’s budget. A key stays in this page alone.'});
  const state = {api, keyField: key, key: () => key.querySelector('input').value.trim(), models: []};
  const kind = h('div');
  const about = 'Try what callers may ask for. It goes the way of all requests: policy, budgets and the ledger see it.';
  replace(root, head('Playground', about, kind), body);
  await loaded(body, async () => {
    const [{models}, pipelines] = await Promise.all([api.get('/admin/models'), api.get('/admin/pipelines').catch(() => ({pipelines: []}))]);
    state.models = [...(pipelines.pipelines ?? []).map((p) => ({name: `pipeline/${p.name}`, ops: ['chat']})), ...models.toSorted((a, b) => Number(b.alias) - Number(a.alias) || a.name.localeCompare(b.name)).map((m) => ({name: m.name, ops: [...new Set(m.targets.flatMap((t) => t.operations))]}))];
  }, () => {
    const known = state.models.find((m) => m.name === first);
    const start = kinds.find(([k]) => known?.ops.includes(k))?.[0] ?? 'chat';
    const stage = h('div');
    let leave = new AbortController(); // what was begun ends where something else is tried
    const pick = (kind) => {
      leave.abort();
      leave = new AbortController();
      state.signal = AbortSignal.any([api.signal, leave.signal]);
      replace(stage, ({chat, speech, images, transcription})[kind](state, first));
    };
    pick(start);
    replace(kind, choice('What to try', kinds, start, pick));
    return stage;
  });
}

const named = (state, op) => state.models.filter((m) => m.ops.includes(op)).map((m) => m.name);

// modelField offers the names that serve op, and takes any other.
function modelField(state, op, first, {name = 'model', text = 'Model', none} = {}) {
  const names = named(state, op);
  const options = [...(none ? [['', none]] : []), ...names.map((n) => [n, n])];
  if (first && !none && !names.includes(first)) options.unshift([first, first]);
  return field({name, label: text, options: options.length ? options : [['', 'no model serves this']], value: none ? '' : first || names[0]});
}

// ask sends a request through the admin address to the data plane.
function ask(state, path, body, signal) {
  const headers = {};
  if (!(body instanceof FormData)) headers['content-type'] = 'application/json';
  if (state.key()) headers['x-signalbox-key'] = state.key();
  const ends = signal ? AbortSignal.any([state.signal, signal]) : state.signal;
  return fetchWith(state.api, `/admin/playground${path}`, {headers, body: body instanceof FormData ? body : JSON.stringify(body)}, ends);
}

async function fetchWith(api, path, init, signal) {
  const answer = await api.raw(path, {...init, signal});
  if (answer.ok) return answer;
  const text = await answer.text();
  let message = `The gateway answered with status ${answer.status}.`;
  try {
    message = JSON.parse(text).error?.message ?? message;
  } catch {
    // It is no JSON: the status has to do.
  }
  const err = new Error(message);
  err.id = answer.headers.get('x-signalbox-request-id');
  err.status = answer.status;
  throw err;
}

// told is what an answer's headers say of its way.
const told = (answer) => ({id: answer.headers.get('x-signalbox-request-id'), provider: answer.headers.get('x-signalbox-provider'), model: answer.headers.get('x-signalbox-model'),
  attempts: answer.headers.get('x-signalbox-attempts'), route: answer.headers.get('x-signalbox-route'), cost: answer.headers.get('x-signalbox-cost-usd'), cache: answer.headers.get('x-signalbox-cache')});

// meta shows what an answer took.
function meta(t) {
  const parts = [
    t.cost !== null && t.cost !== undefined ? h('b', null, usd(t.cost)) : null,
    t.usage ? `${number(t.usage.prompt_tokens ?? t.usage.input_tokens)} + ${number(t.usage.completion_tokens ?? t.usage.output_tokens)} tokens` : null,
    t.first ? `first byte ${ms(t.first)}` : null, t.took ? `${ms(t.took)} in all` : null,
    t.provider ? `${t.provider}/${t.model}` : null, t.route ? `by ${t.route.replace(/@([0-9a-f]{8})[0-9a-f+]*/, '@$1')}` : null,
    Number(t.attempts) > 1 ? `${t.attempts} attempts` : null, t.cache ? badge(`${t.cache} cache`, 'accent') : null,
    t.id ? link('Request', `#/request/${encodeURIComponent(t.id)}`) : null];
  return h('p', {class: 'meta'}, parts.filter(Boolean).map((p) => h('span', null, p)));
}

const problem = (err) => h('div', {class: 'error', role: 'alert'}, err.message, err.id ? [' ', link('Request', `#/request/${encodeURIComponent(err.id)}`)] : null);

// Chat.

function chat(state, first) {
  const settings = {
    model: modelField(state, 'chat', first), other: modelField(state, 'chat', '', {name: 'other', text: 'Compare with', none: 'nothing'}),
    system: field({name: 'system', label: 'System prompt', type: 'textarea', rows: 3}),
    temperature: field({name: 'temperature', label: 'Temperature', type: 'number', min: 0, max: 2, step: 0.1, placeholder: 'the model’s'}),
    most: field({name: 'max_tokens', label: 'Longest answer, in tokens', type: 'number', min: 1, value: '1024'}),
  };
  const value = (f) => f.querySelector('input, select, textarea').value;
  const columns = h('div', {class: 'talks'});
  let talks = [];
  const begin = () => {
    talks.forEach((t) => t.stop());
    talks = [value(settings.model), value(settings.other)].filter(Boolean).map((model) => talk(state, model, settings, value));
    replace(columns, talks.map((t) => t.el));
  };
  settings.model.addEventListener('change', begin);
  settings.other.addEventListener('change', begin);
  begin();
  const composer = compose(async (content) => { await Promise.all(talks.map((t) => t.say(content))); }, () => talks.forEach((t) => t.stop()), state.signal);
  return h('div', {class: 'play'},
    h('details', {class: 'panel settings', open: matchMedia('(min-width: 861px)').matches}, h('summary', null, 'Settings'),
      h('form', {class: 'form', onsubmit: (e) => e.preventDefault()}, Object.values(settings), state.keyField, small('New conversation', begin))),
    h('div', {class: 'stack'}, columns, composer));
}

// talk is one conversation with one model.
function talk(state, model, settings, value) {
  const log = h('div', {class: 'log', role: 'log', 'aria-live': 'polite', 'aria-label': `Conversation with ${model}`, tabindex: '0'}, empty('Nothing was said yet.', 'Write below: Enter sends, Shift and Enter begin a new line.'));
  const el = h('section', {class: 'panel talk', 'aria-label': model}, h('h2', null, model), log);
  const history = [];
  let running;
  const say = async (content) => {
    if (!history.length) replace(log);
    history.push({role: 'user', content: content.length === 1 && content[0].type === 'text' ? content[0].text : content});
    const answer = h('div', {class: 'said assistant', 'aria-busy': 'true'}, h('p', {class: 'muted'}, '…'));
    log.append(h('div', {class: 'said user'}, content.map(partOf)), answer);
    log.scrollTop = log.scrollHeight;
    running = new AbortController();
    const system = value(settings.system).trim();
    const body = {model, stream: true, stream_options: {include_usage: true}, messages: [...(system ? [{role: 'system', content: system}] : []), ...history]};
    if (value(settings.temperature) !== '') body.temperature = Number(value(settings.temperature));
    if (value(settings.most) !== '') body.max_tokens = Number(value(settings.most));
    try {
      history.push({role: 'assistant', content: await written(state, body, answer, log, running.signal)});
    } catch (err) {
      if (err.name === 'AbortError') answer.append(h('p', {class: 'muted'}, 'Stopped.'));
      else replace(answer, problem(err));
      history.pop();
    } finally {
      answer.removeAttribute('aria-busy');
      running = null;
    }
  };
  return {el, say, stop: () => running?.abort()};
}

const partOf = (c) => {
  if (c.type === 'text') return h('p', null, c.text);
  if (c.type === 'image_url') return h('img', {src: c.image_url.url, alt: 'The picture that was sent'});
  return h('audio', {controls: true, src: c.$url, 'aria-label': 'The recording that was sent'});
};

// written shows an answer as it is written, and returns it.
async function written(state, body, el, log, signal) {
  const began = performance.now();
  const answer = await ask(state, '/v1/chat/completions', {...body, messages: body.messages.map(plain)}, signal);
  const t = told(answer);
  const text = h('p', {class: 'text'}), thought = h('p', {class: 'thought', hidden: true});
  replace(el, thought, text);
  let all = '';
  const take = (chunk) => {
    if (chunk.error) throw new Error(chunk.error.message ?? 'The answer broke off.');
    const c = chunk.choices?.[0];
    const more = c?.delta?.content ?? c?.message?.content ?? '';
    const thinks = c?.delta?.reasoning_content ?? c?.delta?.reasoning ?? '';
    if ((more || thinks) && !t.first) t.first = performance.now() - began;
    if (thinks) { thought.hidden = false; thought.append(thinks); }
    if (more) { all += more; text.append(more); }
    for (const call of c?.delta?.tool_calls ?? []) text.append(call.function?.name ? `\n${call.function.name} ` : '', call.function?.arguments ?? '');
    if (chunk.usage) t.usage = chunk.usage;
    const low = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    if (low) log.scrollTop = log.scrollHeight;
  };
  if ((answer.headers.get('content-type') ?? '').includes('event-stream')) {
    for await (const e of events(answer.body)) {
      if (e.comment?.startsWith('signalbox ')) Object.assign(t, costOf(e.comment.slice(10)));
      else if (e.data && e.data !== '[DONE]') take(JSON.parse(e.data));
    }
  } else take(await answer.json());
  t.took = performance.now() - began;
  el.append(meta(t));
  log.scrollTop = log.scrollHeight;
  return all;
}

function costOf(text) {
  try {
    const c = JSON.parse(text);
    return {cost: c.cost_usd};
  } catch {
    return {};
  }
}

// plain is a message without what this page keeps beside it.
const plain = (m) => (Array.isArray(m.content) ? {...m, content: m.content.map(({$url, ...c}) => c)} : m);

// compose is where one writes, with what is sent along.
function compose(send, stop, signal) {
  const text = h('textarea', {name: 'message', rows: 3, 'aria-label': 'Message', placeholder: 'Write a message'});
  const files = h('ul', {class: 'attached'});
  const attached = [];
  const drawFiles = () => replace(files, attached.map((a, i) => h('li', null, a.type === 'image_url' ? h('img', {src: a.image_url.url, alt: ''}) : null, a.$name, h('button', {type: 'button', class: 'close', 'aria-label': `Leave ${a.$name} out`, onclick: () => { attached.splice(i, 1); drawFiles(); }}, '×'))));
  const input = (name, label, accept, take) => h('label', {class: 'button small file'}, label, h('input', {type: 'file', name, accept, class: 'quiet', onchange: async (e) => {
    try {
      for (const file of e.target.files) attached.push(await take(file));
    } catch (err) {
      toast(err.message, 'bad');
    }
    e.target.value = '';
    drawFiles();
  }}));
  const go = button('Send', undefined, {kind: 'primary', type: 'submit'});
  const halt = button('Stop', stop, {hidden: true});
  const form = h('form', {class: 'composer panel', 'aria-label': 'Write', onsubmit: async (e) => {
    e.preventDefault();
    const said = text.value.trim();
    if (!said && !attached.length) return;
    const content = [...attached.splice(0).map(({$name, ...a}) => a), ...(said ? [{type: 'text', text: said}] : [])];
    text.value = '';
    drawFiles();
    go.disabled = true;
    halt.hidden = false;
    await send(content);
    go.disabled = false;
    halt.hidden = true;
    text.focus();
  }}, files, text, h('div', {class: 'line'}, input('picture', 'Picture…', 'image/*', picture), input('sound', 'Sound…', 'audio/*', sound), recorder((a) => { attached.push(a); drawFiles(); }, signal), h('span', {class: 'grow'}), halt, go));
  text.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); if (!go.disabled) form.requestSubmit(); }
  });
  return form;
}

async function picture(file) {
  if (file.size > maxFile) throw new Error(`${file.name} is larger than 16 MB.`);
  return {type: 'image_url', image_url: {url: `data:${file.type || 'image/png'};base64,${await base64(file)}`}, $name: file.name};
}

async function sound(file) {
  if (file.size > maxFile) throw new Error(`${file.name} is larger than 16 MB.`);
  const kept = /mpeg|mp3/.test(file.type) ? {file, format: 'mp3'} : /wav/.test(file.type) ? {file, format: 'wav'} : {file: await wav(file), format: 'wav'};
  return {type: 'input_audio', input_audio: {data: await base64(kept.file), format: kept.format}, $name: file.name ?? 'recording', $url: URL.createObjectURL(file)};
}

// recorder takes sound from the microphone until it is pressed again, or left.
function recorder(take, signal) {
  let running;
  const el = small('Record', async () => {
    if (running) return running.stop();
    el.disabled = true; // the browser may ask first
    let off;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({audio: true});
      off = () => stream.getTracks().forEach((one) => one.stop());
      if (signal.aborted) return off();
      signal.addEventListener('abort', off, {once: true});
      running = record(stream, (file) => {
        signal.removeEventListener('abort', off);
        off();
        drawn(running = null);
        if (!signal.aborted) sound(file).then(take, (err) => toast(err.message, 'bad'));
      });
      drawn(true);
    } catch {
      off?.();
      toast('The microphone cannot be used: the browser has to allow it, and the page to come by https or from this machine.', 'bad');
    } finally {
      el.disabled = false;
    }
  });
  const drawn = (on) => {
    el.textContent = on ? 'Stop recording' : 'Record';
    el.setAttribute('aria-pressed', String(Boolean(on)));
  };
  drawn(false);
  return el;
}

// record gives done the whole recording once it was stopped.
function record(stream, done) {
  const parts = [], r = new MediaRecorder(stream);
  r.ondataavailable = (e) => parts.push(e.data);
  r.onstop = () => done(new File(parts, 'recording', {type: r.mimeType}));
  r.start();
  return r;
}

// once is a form with one answer below it.
function once(state, fields, verb, send) {
  const out = h('div', {'aria-live': 'polite'});
  const go = button(verb, undefined, {kind: 'primary', type: 'submit'});
  const form = h('form', {class: 'form', onsubmit: async (e) => {
    e.preventDefault();
    go.disabled = true;
    replace(out, h('p', {class: 'muted', role: 'status'}, 'Waiting for the answer…'));
    try {
      const began = performance.now();
      const {answer, shown} = await send(Object.fromEntries(new FormData(form)));
      replace(out, shown, meta({...told(answer), took: performance.now() - began}));
    } catch (err) {
      replace(out, problem(err));
    } finally {
      go.disabled = false;
    }
  }}, fields, state.keyField, h('div', {class: 'dialog-foot'}, go));
  return h('div', {class: 'play'}, h('section', {class: 'panel settings', 'aria-label': 'Request'}, form), section('Answer', out));
}

const speech = (state, first) => once(state, [modelField(state, 'speech', first), field({name: 'input', label: 'Text', type: 'textarea', rows: 5, required: true}), field({name: 'voice', label: 'Voice', value: 'alloy', required: true})], 'Speak',
  async (f) => {
    const answer = await ask(state, '/v1/audio/speech', {model: f.model, input: f.input, voice: f.voice, response_format: 'mp3'});
    const url = URL.createObjectURL(await answer.blob());
    return {answer, shown: h('div', {class: 'line'}, h('audio', {controls: true, src: url, 'aria-label': 'The speech'}), link('Save', url, {download: 'speech.mp3'}))};
  });

const images = (state, first) => once(state, [modelField(state, 'images', first), field({name: 'prompt', label: 'What it shows', type: 'textarea', rows: 4, required: true}), field({name: 'size', label: 'Size', value: '1024x1024'}), field({name: 'n', label: 'How many', type: 'number', value: '1', min: 1, max: 4})], 'Make',
  async (f) => {
    const answer = await ask(state, '/v1/images/generations', {model: f.model, prompt: f.prompt, size: f.size || undefined, n: Number(f.n), response_format: 'b64_json'});
    const {data} = await answer.json();
    const src = (d) => (d.b64_json ? `data:image/png;base64,${d.b64_json}` : null);
    return {answer, shown: h('div', {class: 'pictures'}, data.map((d) => (src(d) ? h('img', {src: src(d), alt: f.prompt}) : h('p', null, `It lies at ${d.url}`))))};
  });

const transcription = (state, first) => once(state, [modelField(state, 'transcription', first), field({name: 'file', label: 'Sound', type: 'file', accept: 'audio/*,video/*', required: true}), field({name: 'language', label: 'Language', placeholder: 'found out'})], 'Transcribe',
  async (f) => {
    const form = new FormData();
    form.set('model', f.model);
    form.set('file', f.file);
    if (f.language) form.set('language', f.language);
    const answer = await ask(state, '/v1/audio/transcriptions', form);
    const {text} = await answer.json();
    return {answer, shown: h('p', {class: 'text'}, text)};
  });

#!/usr/bin/env node
// Relay is a provider adapter in Node: it passes chat requests on to a service and streams what that says.
import { classOf, lines, ProviderError, serve } from './signalbox_provider.mjs';

serve({
  name: 'relay-node', version: '1.0.0', credential: 'required',
  operations: [['chat', 'openai-chat']],
  properties: { base_url: { type: 'string', description: 'of the service, without /chat/completions' } },
  configure({ base_url: base = '' }) {
    if (!/^https?:\/\//.test(base)) throw new Error(`base_url "${base}" is not of the form https://host/path`);
    return { routes: { 'chat/openai-chat': (request) => chat(request, base.replace(/\/+$/, '') + '/chat/completions') } };
  },
});

async function chat(request, url) {
  const ask = { ...request.json(), model: request.model };
  if (request.streams) ask.stream_options = { include_usage: true };
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${request.credential}` };
  const answer = await request.fetch(url, { headers, body: JSON.stringify(ask) });
  if (answer.status !== 200) {
    const { error = {} } = await answer.json();
    throw new ProviderError(answer.status, error.code, error.message ?? 'the service refuses', { errorClass: classOf(answer.status), retryAfter: answer.headers.get('retry-after') });
  }
  if (request.streams) return { events: events(answer) };
  const body = await answer.text();
  return { body, usage: usage(JSON.parse(body)) };
}

async function* events(answer) {
  for await (const line of lines(answer)) { // a cut throws, and cuts our stream
    if (line.startsWith('data: {') && line.includes('"usage":{')) yield usage(JSON.parse(line.slice(6)));
    if (line.trim()) yield line + '\n';
  }
}

// usage takes OpenAI's counts apart: cached tokens are within the prompt, reasoning is within the completion.
function usage({ usage: u = {} }) {
  const cached = u.prompt_tokens_details?.cached_tokens ?? 0;
  const reasoning = u.completion_tokens_details?.reasoning_tokens ?? 0;
  return { in: (u.prompt_tokens ?? 0) - cached, cr: cached, out: (u.completion_tokens ?? 0) - reasoning, rs: reasoning };
}

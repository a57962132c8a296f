// Vercel's AI SDK against a gateway, by four of its providers: text, streams,
// tools over several steps, typed errors, embeddings.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… node ai.mjs
import assert from 'node:assert/strict'
import { APICallError, embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, MODEL = 'demo/echo' } = process.env
const { LIMITED_MODEL = 'demo/echo?fault=status_429', REFUSED_MODEL = 'demo/echo?fault=status_400' } = process.env
const { EMBEDDING_MODEL = 'demo/embed' } = process.env

globalThis.AI_SDK_LOG_WARNINGS = false // settings that a model does not know: none of them matters here

const at = key => ({ baseURL: `${BASE_URL}/v1`, apiKey: key })
const providers = {
  openai: key => createOpenAI(at(key)).chat,
  'openai responses': key => createOpenAI(at(key)),
  'openai-compatible': key => createOpenAICompatible({ name: 'signalbox', includeUsage: true, ...at(key) }),
  anthropic: key => createAnthropic(at(key)),
  google: key => createGoogleGenerativeAI({ baseURL: `${BASE_URL}/v1beta`, apiKey: key }),
}
const weather = tool({
  description: 'The weather in a city',
  inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }),
  execute: async ({ city }) => `21 °C in ${city}`,
})

for (const [name, provider] of Object.entries(providers)) {
  const ask = { model: provider(KEY)(MODEL), maxRetries: 0, maxOutputTokens: 200 }

  // Text
  const answer = await generateText({ ...ask, prompt: 'The night train is late.' })
  assert.equal(answer.text, 'The night train is late.')
  assert.equal(answer.finishReason, 'stop')
  assert.ok(answer.usage.outputTokens > 0)
  console.log(`ok ${name} chat`)

  // Stream
  const stream = streamText({ ...ask, prompt: 'One two three four.' })
  let text = ''
  for await (const part of stream.textStream) text += part
  assert.equal(text, 'One two three four.')
  assert.equal(await stream.finishReason, 'stop')
  assert.ok((await stream.usage).outputTokens > 0)
  console.log(`ok ${name} stream`)

  // Tools: the call, its result, and the answer to that
  const question = { ...ask, prompt: 'call weather {"city":"Köln"}', tools: { weather }, stopWhen: stepCountIs(2) }
  const told = await generateText(question)
  assert.deepEqual(told.steps[0].toolCalls.map(c => [c.toolName, c.input]), [['weather', { city: 'Köln' }]])
  assert.match(told.text, /21 °C in Köln/)

  const parts = []
  for await (const part of streamText(question).fullStream) parts.push(part)
  assert.deepEqual(parts.filter(p => p.type === 'error'), [])
  assert.deepEqual(parts.filter(p => p.type === 'tool-call').map(p => [p.toolName, p.input]), [['weather', { city: 'Köln' }]])
  assert.match(parts.filter(p => p.type === 'text-delta').map(p => p.text).join(''), /21 °C in Köln/)
  console.log(`ok ${name} tools`)

  // Errors
  const status = code => error => APICallError.isInstance(error) && error.statusCode === code
  const refused = { ...ask, prompt: '?' }
  await assert.rejects(generateText({ ...refused, model: provider('sb-unknown')(MODEL) }), status(401))
  await assert.rejects(generateText({ ...refused, model: provider(KEY)('nobody/has-this') }), status(404))
  await assert.rejects(generateText({ ...refused, model: provider(KEY)(LIMITED_MODEL) }), status(429))
  await assert.rejects(generateText({ ...refused, model: provider(KEY)(REFUSED_MODEL) }), status(400))
  console.log(`ok ${name} errors`)
}

// Embeddings
if (EMBEDDING_MODEL) {
  const { embeddings } = await embedMany({ model: createOpenAI(at(KEY)).embedding(EMBEDDING_MODEL), values: ['red', 'green', 'red'], maxRetries: 0 })
  assert.equal(embeddings.length, 3)
  assert.deepEqual(embeddings[0], embeddings[2])
  assert.notDeepEqual(embeddings[0], embeddings[1])
  console.log('ok embeddings')
}

// OpenAI's own client against a gateway: chat, streams, tools, typed errors,
// embeddings and the list of models.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… node openai.mjs
import assert from 'node:assert/strict'
import OpenAI from 'openai'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, MODEL = 'demo/echo' } = process.env
const { LIMITED_MODEL = 'demo/echo?fault=status_429', EMBEDDING_MODEL = 'demo/embed' } = process.env

const options = { baseURL: `${BASE_URL}/v1`, apiKey: KEY, maxRetries: 0 }
const client = new OpenAI(options)
const ask = content => ({ model: MODEL, messages: [{ role: 'user', content }], max_completion_tokens: 200 })
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

// Chat
const answer = await client.chat.completions.create(ask('The night train is late.'))
assert.equal(answer.choices[0].message.content, 'The night train is late.')
assert.equal(answer.choices[0].finish_reason, 'stop')
assert.ok(answer.usage.total_tokens > 0)
console.log('ok chat')

// Stream
let text = ''
let usage
const stream = await client.chat.completions.create({ ...ask('One two three four.'), stream: true, stream_options: { include_usage: true } })
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta.content ?? ''
  usage = chunk.usage ?? usage
}
assert.equal(text, 'One two three four.')
assert.ok(usage.completion_tokens > 0)

// who does not ask for usage does not get the chunk that carries it
for await (const chunk of await client.chat.completions.create({ ...ask('No usage.'), stream: true })) {
  assert.equal(chunk.choices.length, 1)
}
console.log('ok stream')

// Tools
const question = ask('call weather {"city":"Köln"}')
const called = await client.chat.completions.create({ ...question, tools: [weather] })
const [call] = called.choices[0].message.tool_calls
assert.equal(called.choices[0].finish_reason, 'tool_calls')
assert.equal(call.function.name, 'weather')
assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Köln' })

const told = await client.chat.completions.create({
  ...question,
  tools: [weather],
  messages: [...question.messages, called.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '21 °C' }],
})
assert.equal(told.choices[0].message.content, '21 °C')

const runner = client.chat.completions.stream({ ...question, tools: [weather] })
const streamed = await runner.finalChatCompletion()
assert.equal(streamed.choices[0].message.tool_calls[0].function.name, 'weather')
assert.deepEqual(JSON.parse(streamed.choices[0].message.tool_calls[0].function.arguments), { city: 'Köln' })
console.log('ok tools')

// Errors, each of its own type
await assert.rejects(new OpenAI({ ...options, apiKey: 'sb-unknown' }).chat.completions.create(ask('?')), OpenAI.AuthenticationError)
await assert.rejects(client.chat.completions.create({ ...ask('?'), model: 'nobody/has-this' }), OpenAI.NotFoundError)
await assert.rejects(client.chat.completions.create({ ...ask('?'), model: LIMITED_MODEL }), OpenAI.RateLimitError)
await assert.rejects(client.chat.completions.create({ ...ask('?'), messages: [] }), OpenAI.BadRequestError)
await assert.rejects(client.chat.completions.create({ ...ask('?'), stream: true, model: LIMITED_MODEL }), OpenAI.RateLimitError)
console.log('ok errors')

// Embeddings
if (EMBEDDING_MODEL) {
  const { data } = await client.embeddings.create({ model: EMBEDDING_MODEL, input: ['red', 'green', 'red'] })
  assert.equal(data.length, 3)
  assert.ok(data[0].embedding.length > 0 && data[0].embedding.every(Number.isFinite))
  assert.deepEqual(data[0].embedding, data[2].embedding)
  assert.notDeepEqual(data[0].embedding, data[1].embedding)
  console.log('ok embeddings')
}

// Models
const models = []
for await (const model of client.models.list()) models.push(model.id)
assert.ok(models.length > 0)
console.log('ok models')

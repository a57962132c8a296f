// Anthropic's own client against a gateway: messages, streams, tools, typed
// errors and the list of models.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… node anthropic.mjs
import assert from 'node:assert/strict'
import Anthropic from '@anthropic-ai/sdk'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, MODEL = 'demo/echo', LIMITED_MODEL = 'demo/echo?fault=status_429' } = process.env

const options = { baseURL: BASE_URL, apiKey: KEY, maxRetries: 0 }
const client = new Anthropic(options)
const ask = content => ({ model: MODEL, max_tokens: 200, messages: [{ role: 'user', content }] })
const weather = {
  name: 'weather',
  description: 'The weather in a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

// Chat
const answer = await client.messages.create(ask('The night train is late.'))
assert.deepEqual([answer.content[0].type, answer.content[0].text], ['text', 'The night train is late.'])
assert.equal(answer.stop_reason, 'end_turn')
assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0)
console.log('ok chat')

// Stream
let text = ''
const stream = client.messages.stream(ask('One two three four.')).on('text', delta => (text += delta))
const message = await stream.finalMessage()
assert.equal(text, 'One two three four.')
assert.equal(message.content[0].text, text)
assert.equal(message.stop_reason, 'end_turn')
assert.ok(message.usage.output_tokens > 0)
console.log('ok stream')

// Tools
const question = ask('call weather {"city":"Köln"}')
const called = await client.messages.create({ ...question, tools: [weather] })
const use = called.content.find(block => block.type === 'tool_use')
assert.equal(called.stop_reason, 'tool_use')
assert.equal(use.name, 'weather')
assert.deepEqual(use.input, { city: 'Köln' })

const told = await client.messages.create({
  ...question,
  tools: [weather],
  messages: [
    ...question.messages,
    { role: 'assistant', content: called.content },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: '21 °C' }] },
  ],
})
assert.equal(told.content[0].text, '21 °C')

const streamed = await client.messages.stream({ ...question, tools: [weather] }).finalMessage()
const streamedUse = streamed.content.find(block => block.type === 'tool_use')
assert.equal(streamed.stop_reason, 'tool_use')
assert.deepEqual([streamedUse.name, streamedUse.input], ['weather', { city: 'Köln' }])
console.log('ok tools')

// Errors, each of its own type
await assert.rejects(new Anthropic({ ...options, apiKey: 'sb-unknown' }).messages.create(ask('?')), Anthropic.AuthenticationError)
await assert.rejects(client.messages.create({ ...ask('?'), model: 'nobody/has-this' }), Anthropic.NotFoundError)
await assert.rejects(client.messages.create({ ...ask('?'), model: LIMITED_MODEL }), Anthropic.RateLimitError)
await assert.rejects(client.messages.create({ ...ask('?'), messages: [] }), Anthropic.BadRequestError)
await assert.rejects(client.messages.create({ ...ask('?'), stream: true, model: LIMITED_MODEL }), Anthropic.RateLimitError)
console.log('ok errors')

// Models
const models = []
for await (const model of client.models.list()) models.push(model.id)
assert.ok(models.length > 0)
console.log('ok models')

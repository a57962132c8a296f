// OpenAI's Responses API by OpenAI's own client against a gateway: text,
// streams, tools, answers by a schema, typed errors.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… node responses.mjs
import assert from 'node:assert/strict'
import OpenAI from 'openai'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, MODEL = 'demo/echo' } = process.env
const { LIMITED_MODEL = 'demo/echo?fault=status_429', REFUSED_MODEL = 'demo/echo?fault=status_400' } = process.env

const options = { baseURL: `${BASE_URL}/v1`, apiKey: KEY, maxRetries: 0 }
const client = new OpenAI(options)
const ask = input => ({ model: MODEL, input, max_output_tokens: 200 })
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false }
const weather = { type: 'function', name: 'weather', description: 'The weather in a city', parameters: schema, strict: true }

// Text
const answer = await client.responses.create({ ...ask('The night train is late.'), instructions: 'Answer.' })
assert.equal(answer.output_text, 'The night train is late.')
assert.equal(answer.status, 'completed')
assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens)
console.log('ok text')

// Stream: the client itself checks that events fit together
let text = ''
const stream = client.responses.stream(ask('One two three four.')).on('response.output_text.delta', e => (text += e.delta))
const whole = await stream.finalResponse()
assert.equal(text, 'One two three four.')
assert.equal(whole.output_text, text)
assert.ok(whole.usage.output_tokens > 0)
console.log('ok stream')

// Tools
const question = { ...ask('call weather {"city":"Köln"}'), tools: [weather] }
const called = await client.responses.create(question)
const call = called.output.find(item => item.type === 'function_call')
assert.deepEqual([call.name, JSON.parse(call.arguments)], ['weather', { city: 'Köln' }])

const told = await client.responses.create({
  ...question,
  input: [{ role: 'user', content: question.input }, ...called.output, { type: 'function_call_output', call_id: call.call_id, output: '21 °C' }],
})
assert.equal(told.output_text, '21 °C')

const streamed = await client.responses.stream(question).finalResponse()
assert.deepEqual(streamed.output.at(-1).parsed_arguments, { city: 'Köln' })
console.log('ok tools')

// Schema
const format = { type: 'json_schema', name: 'place', schema, strict: true }
const parsed = await client.responses.parse({ ...ask('{"city":"Köln"}'), text: { format } })
assert.deepEqual(parsed.output_parsed, { city: 'Köln' })
console.log('ok schema')

// Errors, each of its own type
await assert.rejects(new OpenAI({ ...options, apiKey: 'sb-unknown' }).responses.create(ask('?')), OpenAI.AuthenticationError)
await assert.rejects(client.responses.create({ ...ask('?'), model: 'nobody/has-this' }), OpenAI.NotFoundError)
await assert.rejects(client.responses.create({ ...ask('?'), model: LIMITED_MODEL }), OpenAI.RateLimitError)
await assert.rejects(client.responses.create({ ...ask('?'), model: REFUSED_MODEL }), OpenAI.BadRequestError)
await assert.rejects(client.responses.create({ ...ask('?'), model: LIMITED_MODEL, stream: true }), OpenAI.RateLimitError)
console.log('ok errors')

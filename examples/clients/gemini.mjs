// Google's own client against a gateway: text, streams, functions, answers by
// a schema, typed errors.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… node gemini.mjs
import assert from 'node:assert/strict'
import { ApiError, GoogleGenAI, Type } from '@google/genai'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, MODEL = 'demo/echo' } = process.env
const { LIMITED_MODEL = 'demo/echo?fault=status_429', REFUSED_MODEL = 'demo/echo?fault=status_400' } = process.env

const at = apiKey => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: BASE_URL } }).models
const models = at(KEY)
const ask = contents => ({ model: MODEL, contents, config: { maxOutputTokens: 200 } })
const place = { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] }
const tools = [{ functionDeclarations: [{ name: 'weather', description: 'The weather in a city', parameters: place }] }]

// Text
const answer = await models.generateContent({ ...ask('The night train is late.'), config: { systemInstruction: 'Answer.' } })
assert.equal(answer.text, 'The night train is late.')
assert.equal(answer.candidates[0].finishReason, 'STOP')
assert.ok(answer.usageMetadata.promptTokenCount > 0 && answer.usageMetadata.candidatesTokenCount > 0)
console.log('ok text')

// Stream
let text = ''
let usage
for await (const chunk of await models.generateContentStream(ask('One two three four.'))) {
  text += chunk.text ?? ''
  usage = chunk.usageMetadata ?? usage
}
assert.equal(text, 'One two three four.')
assert.ok(usage.candidatesTokenCount > 0)
console.log('ok stream')

// Functions
const question = 'call weather {"city":"Köln"}'
const called = await models.generateContent({ ...ask(question), config: { tools } })
const [call] = called.functionCalls
assert.deepEqual([call.name, call.args], ['weather', { city: 'Köln' }])

const told = await models.generateContent({
  ...ask([
    { role: 'user', parts: [{ text: question }] },
    called.candidates[0].content,
    { role: 'user', parts: [{ functionResponse: { id: call.id, name: call.name, response: { output: '21 °C' } } }] },
  ]),
  config: { tools },
})
assert.match(told.text, /21 °C/)

const streamed = []
for await (const chunk of await models.generateContentStream({ ...ask(question), config: { tools } })) streamed.push(...(chunk.functionCalls ?? []))
assert.deepEqual(streamed.map(c => [c.name, c.args]), [['weather', { city: 'Köln' }]])
console.log('ok functions')

// Schema
const parsed = await models.generateContent({ ...ask('{"city":"Köln"}'), config: { responseMimeType: 'application/json', responseSchema: place } })
assert.deepEqual(JSON.parse(parsed.text), { city: 'Köln' })
console.log('ok schema')

// Errors
const status = code => error => error instanceof ApiError && error.status === code
await assert.rejects(at('sb-unknown').generateContent(ask('?')), status(401))
await assert.rejects(models.generateContent({ ...ask('?'), model: 'nobody/has-this' }), status(404))
await assert.rejects(models.generateContent({ ...ask('?'), model: LIMITED_MODEL }), status(429))
await assert.rejects(models.generateContent({ ...ask('?'), model: REFUSED_MODEL }), status(400))
await assert.rejects(models.generateContentStream({ ...ask('?'), model: LIMITED_MODEL }), status(429))
console.log('ok errors')

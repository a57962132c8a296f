// LangChain's client for OpenAI against a gateway, by chats and by the
// Responses API: invoke, streams, tools, structured output, typed errors.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… node langchain.mjs
import assert from 'node:assert/strict'
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, MODEL = 'demo/echo' } = process.env
const { LIMITED_MODEL = 'demo/echo?fault=status_429', EMBEDDING_MODEL = 'demo/embed' } = process.env

const at = apiKey => ({ apiKey, maxRetries: 0, configuration: { baseURL: `${BASE_URL}/v1` } })
const schema = { title: 'place', type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false }
const weather = { type: 'function', function: { name: 'weather', description: 'The weather in a city', parameters: schema } }

for (const useResponsesApi of [false, true]) {
  const name = useResponsesApi ? 'responses' : 'chat'
  const make = (more = {}) => new ChatOpenAI({ model: MODEL, useResponsesApi, maxTokens: 200, ...at(KEY), ...more })
  const model = make()

  // Invoke
  const answer = await model.invoke([new SystemMessage('Answer.'), new HumanMessage('The night train is late.')])
  assert.equal(answer.text, 'The night train is late.')
  assert.ok(answer.usage_metadata.output_tokens > 0)
  console.log(`ok ${name} invoke`)

  // Stream
  let whole
  for await (const chunk of await model.stream('One two three four.')) whole = whole?.concat(chunk) ?? chunk
  assert.equal(whole.text, 'One two three four.')
  assert.ok(whole.usage_metadata.output_tokens > 0)
  console.log(`ok ${name} stream`)

  // Tools
  const question = new HumanMessage('call weather {"city":"Köln"}')
  const equipped = model.bindTools([weather])
  const called = await equipped.invoke([question])
  assert.deepEqual(called.tool_calls.map(c => [c.name, c.args]), [['weather', { city: 'Köln' }]])
  const told = await equipped.invoke([question, called, new ToolMessage({ tool_call_id: called.tool_calls[0].id, content: '21 °C' })])
  assert.equal(told.text, '21 °C')
  let streamed
  for await (const chunk of await equipped.stream([question])) streamed = streamed?.concat(chunk) ?? chunk
  assert.deepEqual(streamed.tool_calls.map(c => [c.name, c.args]), [['weather', { city: 'Köln' }]])
  console.log(`ok ${name} tools`)

  // Structured output
  const place = await model.withStructuredOutput(schema, { name: 'place', method: 'jsonSchema' }).invoke('{"city":"Köln"}')
  assert.deepEqual(place, { city: 'Köln' })
  console.log(`ok ${name} structured output`)

  // Errors
  const status = code => error => error.status === code
  await assert.rejects(make(at('sb-unknown')).invoke('?'), status(401))
  await assert.rejects(make({ model: 'nobody/has-this' }).invoke('?'), status(404))
  await assert.rejects(make({ model: LIMITED_MODEL }).invoke('?'), status(429))
  console.log(`ok ${name} errors`)
}

// Embeddings
if (EMBEDDING_MODEL) {
  const [red, green, again] = await new OpenAIEmbeddings({ model: EMBEDDING_MODEL, ...at(KEY) }).embedDocuments(['red', 'green', 'red'])
  assert.deepEqual(red, again)
  assert.notDeepEqual(red, green)
  console.log('ok embeddings')
}

// A realtime session by OpenAI's own client, through a gateway's WebSocket.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… MODEL=gpt-realtime node realtime.mjs
import assert from 'node:assert/strict'
import net from 'node:net'
import OpenAI from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, MODEL } = process.env

// The client always asks for TLS; a gateway on this machine may have none
const plain = { createConnection: ({ host, port }) => net.connect({ host, port }) }
const options = BASE_URL.startsWith('http:') ? plain : {}
const open = apiKey => new OpenAIRealtimeWS({ model: MODEL, options }, new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey }))
const session = open(KEY)
let text = ''
const usage = await new Promise((resolve, reject) => {
  session.on('error', reject)
  session.on('session.created', () => {
    session.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Grüße' }] } })
    session.send({ type: 'response.create' })
  })
  session.on('response.output_text.delta', e => (text += e.delta))
  session.on('response.done', e => resolve(e.response.usage))
})
assert.equal(text, 'Grüße')
assert.equal(usage.total_tokens, 30)
console.log('ok session')

// An event that the upstream refuses is an error event, and the session goes on
const refused = await new Promise(resolve => {
  session.on('error', resolve)
  session.send({ type: 'no.such.event' })
})
assert.equal(refused.error.code, 'unknown_event')
session.close()
console.log('ok errors')

// A stranger's session never opens
const stranger = open('sb-unknown')
const error = await new Promise(resolve => stranger.on('error', resolve))
assert.match(error.message, /401/)
console.log('ok refusal')

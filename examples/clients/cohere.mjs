// Cohere's own client against a gateway: rerank.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… node cohere.mjs
import assert from 'node:assert/strict'
import { CohereClientV2, CohereError } from 'cohere-ai'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, MODEL = 'demo/rerank' } = process.env
const at = token => new CohereClientV2({ environment: BASE_URL, token })
const ask = { model: MODEL, query: 'night train', documents: ['a boat', 'the night train', 'a train'], topN: 2 }
const once = { maxRetries: 0 }

const { results } = await at(KEY).rerank(ask, once)
assert.deepEqual(results.map(r => r.index), [1, 2])
assert.ok(results[0].relevanceScore > results[1].relevanceScore)
console.log('ok rerank')

const status = code => error => error instanceof CohereError && error.statusCode === code
await assert.rejects(at('sb-unknown').rerank(ask, once), status(401))
await assert.rejects(at(KEY).rerank({ ...ask, model: 'nobody/has-this' }, once), status(404))
await assert.rejects(at(KEY).rerank({ ...ask, documents: [] }, once), status(400))
console.log('ok errors')

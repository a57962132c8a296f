// What is not chat, by OpenAI's own client against a gateway: images, speech,
// transcription of a file, moderation, completions.
//
//   BASE_URL=http://127.0.0.1:8080 KEY=sb-… node media.mjs
import assert from 'node:assert/strict'
import OpenAI, { toFile } from 'openai'

const { BASE_URL = 'http://127.0.0.1:8080', KEY, WAY } = process.env
const models = WAY
  ? { image: `${WAY}-images`, speech: `${WAY}-speech`, hearing: `${WAY}-hearing`, judge: `${WAY}-judge`, words: `${WAY}-words` }
  : { image: 'demo/image', speech: 'demo/speech', hearing: 'demo/transcribe', judge: 'demo/moderate', words: 'demo/echo' }
const client = new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: KEY, maxRetries: 0 })

const drawn = await client.images.generate({ model: models.image, prompt: 'a box' })
assert.ok(Buffer.from(drawn.data[0].b64_json, 'base64').length > 0)
console.log('ok images')

const speech = await client.audio.speech.create({ model: models.speech, voice: 'alloy', input: 'good night' })
const sound = Buffer.from(await speech.arrayBuffer())
assert.equal(speech.headers.get('content-type'), 'audio/mpeg')
assert.ok(sound.length > 0)
console.log('ok speech')

const heard = await client.audio.transcriptions.create({ model: models.hearing, file: await toFile(sound, 'night.mp3', { type: 'audio/mpeg' }) })
assert.match(heard.text, new RegExp(`^${sound.length} bytes`))
await assert.rejects(client.audio.transcriptions.create({ model: 'nobody/has-this', file: await toFile(sound, 'night.mp3') }), OpenAI.NotFoundError)
console.log('ok transcription')

const judged = await client.moderations.create({ model: models.judge, input: 'tea and violence' })
assert.equal(judged.results[0].flagged, true)
console.log('ok moderation')

const completed = await client.completions.create({ model: models.words, prompt: 'Once upon a time', max_tokens: 50 })
assert.equal(completed.choices[0].text, 'Once upon a time')
console.log('ok completions')

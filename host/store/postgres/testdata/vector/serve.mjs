// Serves PGlite, PostgreSQL as WebAssembly, with pgvector on a Unix socket: one
// session for whoever connects, until standard input ends. --make makes the
// cluster that it serves a copy of, which takes far longer than to serve it.
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { cp, rename, rm } from 'node:fs/promises'
import net from 'node:net'

const made = 'node_modules/cluster'
const open = (dir) => PGlite.create(dir, { extensions: { vector } })

if (process.argv[2] === '--make') {
  const half = made + '.half'
  await rm(half, { recursive: true, force: true })
  const db = await open(half)
  await db.exec('CREATE EXTENSION vector')
  await db.close()
  await rm(made, { recursive: true, force: true })
  await rename(half, made)
  process.exit()
}

const dir = process.argv[2]
await cp(made, dir + '/data', { recursive: true })
const db = await open(dir + '/data')
let last = Promise.resolve() // the messages of all clients, one after the other

net.createServer((client) => {
  let held = Buffer.alloc(0)
  let head = 4 // bytes before the end of a message's length: a client's first has no type
  client.on('error', () => {}) // it has gone
  client.on('data', (data) => {
    held = Buffer.concat([held, data])
    while (held.length >= head) {
      const length = head - 4 + held.readInt32BE(head - 4)
      if (held.length < length) return
      const message = held.subarray(0, length)
      held = held.subarray(length)
      if (head === 5 && message[0] === 0x58) return client.end() // Terminate
      head = 5
      last = last.then(async () => client.write(await db.execProtocolRaw(message)))
    }
  })
}).listen(dir + '/.s.PGSQL.5432', () => console.log('ready'))

process.stdin.on('end', () => process.exit()).resume()

// Hypercore: one signed append-only log of one writer, replicated over a TCP stream with Noise.

import { createServer, connect } from 'node:net'
import Hypercore from 'hypercore'
import { serve } from './driver.mjs'

const BATCH = 1000

await serve(async (folder, changed, [key]) => {
  const core = new Hypercore(folder, key ? Buffer.from(key, 'hex') : null, { valueEncoding: 'json' })
  await core.ready()
  let server = null
  let socket = null
  core.on('download', changed)
  core.on('append', changed)
  if (key) core.download({ start: 0, end: -1 })
  const join = (stream, isInitiator) => {
    const session = core.replicate(isInitiator)
    stream.on('error', () => {})
    session.on('error', () => {})
    stream.setNoDelay(true)
    stream.pipe(session).pipe(stream)
  }
  return {
    async fill (entries) {
      for (let at = 0; at < entries.length; at += BATCH) await core.append(entries.slice(at, at + BATCH))
    },
    async add (entry) { await core.append(entry) },
    async listen () {
      server = createServer((stream) => join(stream, false))
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      return `${server.address().port} ${core.key.toString('hex')}`
    },
    async connect (address) {
      socket = connect(Number(address.split(' ')[0]), '127.0.0.1')
      join(socket, true)
    },
    async disconnect () {
      const over = new Promise((resolve) => socket.once('close', resolve))
      socket.destroy()
      await over
    },
    async count () { return core.contiguousLength },
    async entries () {
      const found = []
      for await (const entry of core.createReadStream()) found.push(entry)
      return found
    },
    async close () {
      if (server) server.close()
      if (socket) socket.destroy()
      await core.close()
    }
  }
})

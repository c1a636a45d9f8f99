// Secure Scuttlebutt: ssb-db2 with the feed of one author, replicated by ssb-ebt over secret-handshake.

import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { serve } from './driver.mjs'

const require = createRequire(import.meta.url)
const SecretStack = require('secret-stack')
const caps = require('ssb-caps')
const keys = require('ssb-keys')

const TYPE = 'entry'
const WAVE = 500 // creations asked for at once; the feed itself is written in order

async function freePort () {
  const probe = createServer()
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return port
}

await serve(async (folder, changed, [feed]) => {
  mkdirSync(folder, { recursive: true })
  const own = keys.loadOrCreateSync(folder + '/secret')
  const sbot = SecretStack({ caps })
    .use(require('ssb-db2'))
    .use(require('ssb-db2/compat/ebt'))
    .use(require('ssb-ebt'))
    .call(null, {
      path: folder,
      keys: own,
      connections: {
        incoming: { net: [{ scope: 'device', transform: 'shs', port: await freePort(), host: '127.0.0.1' }] },
        outgoing: { net: [{ transform: 'shs' }] }
      },
      ebt: { logging: false }
    })
  const create = promisify(sbot.db.create)
  let count = 0
  let remote = null
  sbot.db.onMsgAdded((added) => {
    const value = added.nativeMsg ?? added.kvt?.value
    if (value?.content?.type === TYPE) { count += 1; changed() }
  })
  sbot.ebt.request(feed ?? sbot.id, true)
  return {
    async fill (entries) {
      for (let at = 0; at < entries.length; at += WAVE) {
        await Promise.all(entries.slice(at, at + WAVE).map((entry) => this.add(entry)))
      }
      await promisify(sbot.db.onDrain)('base')
    },
    async add (entry) { await create({ keys: own, content: { type: TYPE, ...entry } }) },
    async listen () { return `${sbot.getAddress('device')} ${sbot.id}` },
    async connect (address) { remote = await promisify(sbot.connect)(address.split(' ')[0]) },
    async disconnect () { await promisify(remote.close)(true) },
    async count () { return count },
    async entries () {
      const { where, type, toPromise } = require('ssb-db2/operators')
      const found = await sbot.db.query(where(type(TYPE)), toPromise())
      return found.map(({ value: { content: { type: _, ...entry } } }) => entry)
    },
    async close () { await promisify(sbot.close)(true) }
  }
})

// OrbitDB on Helia and js-libp2p: a log of signed entries; heads over gossipsub, blocks over bitswap.

import { serve } from './driver.mjs' // first: it lends older Nodes what libp2p expects
import { mkdirSync } from 'node:fs'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { gossipsub } from '@libp2p/gossipsub'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createOrbitDB } from '@orbitdb/core'
import { LevelBlockstore } from 'blockstore-level'
import { LevelDatastore } from 'datastore-level'
import { createHelia } from 'helia'
import { bitswap } from '@helia/block-brokers'
import { createLibp2p } from 'libp2p'

await serve(async (folder, changed, [address]) => {
  mkdirSync(folder, { recursive: true })
  const datastore = new LevelDatastore(folder + '/data')
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) }
  })
  const ipfs = await createHelia({
    libp2p, datastore, blockstore: new LevelBlockstore(folder + '/blocks'), blockBrokers: [bitswap()]
  })
  const orbitdb = await createOrbitDB({ ipfs, id: address ? 'target' : 'source', directory: folder + '/orbitdb' })
  let db = address ? null : await orbitdb.open('entries', { type: 'events', sync: true })
  let connection = null
  const entries = async () => (await db.all()).map(({ value }) => value)
  return {
    async fill (all) { for (const entry of all) await db.add(entry) },
    async add (entry) { await db.add(entry) },
    async listen () { return `${libp2p.getMultiaddrs()[0]} ${db.address}` },
    async connect (where) {
      connection = await libp2p.dial(multiaddr(where.split(' ')[0]))
      if (!db) {
        db = await orbitdb.open(address)
        db.events.on('update', changed)
        changed()
      }
    },
    async disconnect () { await connection.close() },
    async count () { return db ? (await entries()).length : 0 },
    entries,
    async close () {
      if (db) await db.close()
      await orbitdb.stop()
      await ipfs.stop()
    }
  }
})

// PouchDB on LevelDB; the source serves CouchDB's protocol over HTTP, the target replicates live.

import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import express from 'express'
import expressPouchDB from 'express-pouchdb'
import PouchDB from 'pouchdb'
import { serve } from './driver.mjs'

const BATCH = 1000 // the default of 100 is slower
const toDoc = ({ id, ...rest }) => ({ _id: id, ...rest })
const toEntry = ({ _id, _rev, ...rest }) => ({ id: _id, ...rest })

await serve(async (folder, changed) => {
  mkdirSync(folder, { recursive: true })
  const Local = PouchDB.defaults({ prefix: folder + '/' })
  const db = new Local('entries')
  await db.info()
  let server = null
  let replication = null
  let count = 0
  return {
    async fill (entries) {
      for (let at = 0; at < entries.length; at += BATCH) {
        await db.bulkDocs(entries.slice(at, at + BATCH).map(toDoc))
      }
    },
    async add (entry) { await db.put(toDoc(entry)) },
    async listen () {
      const app = express()
      app.use('/', expressPouchDB(Local, { mode: 'minimumForPouchDB', inMemoryConfig: true, logPath: folder + '/log.txt' }))
      server = createServer(app)
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      return `http://127.0.0.1:${server.address().port}/entries`
    },
    async connect (address) {
      replication = Local.replicate(address, 'entries', { live: true, retry: true, batch_size: BATCH })
      let before = count
      replication.on('change', (info) => { count = before + info.docs_written; changed() })
      replication.on('error', (error) => { throw error })
    },
    async disconnect () {
      const over = new Promise((resolve) => replication.on('complete', resolve))
      replication.cancel()
      await over
    },
    async count () { return count },
    async entries () {
      const { rows } = await db.allDocs({ include_docs: true })
      return rows.map((row) => toEntry(row.doc))
    },
    async close () {
      if (server) { server.closeAllConnections(); server.close() }
      await db.close()
    }
  }
})

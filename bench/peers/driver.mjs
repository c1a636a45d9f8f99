// One replica of one system in a process of its own, told what to do by lines of JSON.
//
// A system is an object with fill(entries), add(entry), listen(), connect(address), disconnect(),
// count(), entries() and close(). It calls `changed()` when something has arrived. Times are those
// of the machine's monotonic clock, so that two processes can be compared.

import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const now = () => Number(process.hrtime.bigint()) / 1e9
const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\n')
// Libraries may print what they like, but not where the answers go.
console.log = console.info = console.debug = (...words) => console.error(...words)

// libp2p 3 expects Node 22 for this alone.
Promise.withResolvers ??= function () {
  const parts = {}
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

export function canonical (entry) {
  const { author, id, tags, text, time, title } = entry
  return JSON.stringify([id, author, time, title, text, tags])
}

async function read (path) {
  const found = []
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line) found.push(JSON.parse(line))
  }
  return found
}

function residentMiB () {
  const line = readFileSync('/proc/self/status', 'utf8').match(/VmRSS:\s+(\d+)/)
  return Number(line[1]) / 1024
}

export async function serve (open) {
  let waiting = null
  let looking = false
  let again = false
  const look = async () => {
    // One look at a time; what changes meanwhile is looked at once more.
    if (looking) { again = true; return }
    looking = true
    do {
      again = false
      if (waiting) {
        const count = await system.count()
        if (waiting && count >= waiting.count) {
          const { reply } = waiting
          waiting = null
          reply({ at: now(), count })
        }
      }
    } while (again)
    looking = false
  }
  const folder = process.argv[2]
  const system = await open(folder, () => { look().catch(fail) }, process.argv.slice(3))
  const operations = {
    fill: async ({ path }) => { await system.fill(await read(path)); return {} },
    add: async ({ path }) => {
      const entries = await read(path)
      const began = now()
      for (const entry of entries) await system.add(entry)
      return { began, at: now() }
    },
    listen: async () => ({ address: await system.listen() }),
    connect: async ({ address }) => { const began = now(); await system.connect(address); return { began } },
    disconnect: async () => { await system.disconnect(); return {} },
    wait: ({ count }) => new Promise((resolve) => {
      waiting = { count, reply: resolve }
      look().catch(fail)
    }),
    digest: async () => {
      const lines = (await system.entries()).map(canonical).sort()
      const hash = createHash('sha256')
      for (const line of lines) hash.update(line + '\n')
      return { count: lines.length, digest: hash.digest('hex') }
    },
    memory: async () => ({ mib: residentMiB() }),
    close: async () => { await system.close(); return {} }
  }
  const fail = (error) => {
    say({ error: String(error && error.stack ? error.stack : error) })
    process.exit(1)
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  say({ ready: true })
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    try {
      say(await operations[request.do](request))
    } catch (error) {
      fail(error)
    }
    if (request.do === 'close') process.exit(0)
  }
  process.exit(0)
}

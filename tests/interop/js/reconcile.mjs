// A session of `/p2pcommons/reconcile/1.0.0`: docs/protocol.md section 11, both sides of it.

import { randomBytes } from 'node:crypto'
import { decode, encode } from './canonical.mjs'
import { read, sha256 } from './contribution.mjs'
import { Frames } from './frames.mjs'
import { Negentropy } from './negentropy.mjs'

export const PROTOCOL = '/p2pcommons/reconcile/1.0.0'

const FIRST_WANT_MAX = 64
const WANT_MAX = 900
const PUT_BYTES_MAX = 200000
const WANTS_MAX = 4
const BODY_BYTES_MAX = 65536

// `commons` maps ids in hex to replicas. Returns what came of each commons that is shared.
export async function reconcile (stream, isOpener, commons) {
  const session = new Session(new Frames(stream), isOpener, commons)
  try {
    return await session.run()
  } catch (error) {
    stream.abort(error)
    throw error
  }
}

class Session {
  constructor (frames, isOpener, commons) {
    this.frames = frames
    this.isOpener = isOpener
    this.commons = commons
    this.channels = new Map()
  }

  async run () {
    await this.meet()
    if (this.isOpener) {
      for (const [number, id] of this.shared.entries()) {
        const channel = this.channel(number, Buffer.from(id, 'hex'))
        await this.send('open', number, channel.id, 0, {})
        await channel.begin()
        await this.send('neg', number, channel.negentropy.initiate())
      }
    }
    while (!(this.isOpener && [...this.channels.values()].every((channel) => channel.over))) {
      const message = await this.receive()
      if (message === null) break
      await this.take(message)
    }
    await this.frames.stream.close()
    return [...this.channels.values()].map((channel) => channel.result())
  }

  async meet () {
    const nonce = randomBytes(32)
    await this.send('hello', nonce, Math.floor(Date.now() / 1000), {})
    const [name, theirs, now, limits] = await this.receive() ?? []
    need(name === 'hello' && theirs.length === 32 && typeof now === 'number' && typeof limits === 'object', 'hello')
    need(!theirs.equals(nonce), 'that is this peer itself')
    this.nonces = this.isOpener ? [nonce, theirs] : [theirs, nonce]
    if (!this.isOpener) await this.sendCommons()
    const [second, blinded, offered] = await this.receive() ?? []
    need(second === 'commons' && Array.isArray(blinded) && Array.isArray(offered), 'commons')
    if (this.isOpener) await this.sendCommons()
    const known = new Set(blinded.map((hash) => hash.toString('hex')))
    this.offered = offered
    this.shared = [...this.commons.keys()].filter((id) => known.has(this.blind(id).toString('hex')))
  }

  blind (id) {
    return sha256(...this.nonces, Buffer.from(id, 'hex')).subarray(0, 16)
  }

  async sendCommons () {
    await this.send('commons', [...this.commons.keys()].map((id) => this.blind(id)).sort(Buffer.compare), [])
  }

  channel (number, id) {
    const channel = new Channel(this, number, id, this.commons.get(id.toString('hex')))
    this.channels.set(number, channel)
    return channel
  }

  async take ([name, number, ...fields]) {
    if (name === 'open' && !this.channels.has(number)) {
      const [id, from, scope] = fields
      need(!this.isOpener && this.shared.includes(id.toString('hex')), 'a commons that is not shared')
      need(from === 0 && Object.keys(scope).length === 0, 'a scope')
      await this.channel(number, id).begin()
      return
    }
    const channel = this.channels.get(number)
    need(channel !== undefined && typeof channel[name] === 'function' && MESSAGES.has(name), `turn of ${name}`)
    await channel[name](...fields)
    await channel.goOn()
  }

  async send (...message) {
    await this.frames.write(encode(message))
  }

  async receive () {
    const frame = await this.frames.read()
    return frame === null ? null : decode(frame, 4)
  }
}

const MESSAGES = new Set(['neg', 'want', 'have', 'put', 'absent', 'bodies', 'done', 'unsupported'])

// One commons. The methods that are named like messages take their fields.
class Channel {
  constructor (session, number, id, replica) {
    this.session = session
    this.number = number
    this.id = id
    this.replica = replica
    this.negentropy = new Negentropy(replica.items())
    this.lacking = [] // ids to want
    this.wanted = new Map() // ids in flight, in hex, to the number of their want
    this.wants = 0
    this.taken = 0 // announced ids that have been dealt with
    this.compared = !session.isOpener
    this.theirs = null
    this.isDone = false
    this.counts = { received: 0, sent: 0 }
  }

  get over () {
    return this.isDone && this.theirs !== null
  }

  async begin () {
    if (!this.replica.has(this.id)) this.lacking.push(this.id)
    await this.sendWants()
  }

  async neg (message) {
    const { message: answer, have, need: lacking } = this.negentropy.reconcile(message)
    if (answer !== null) await this.session.send('neg', this.number, answer)
    else this.compared = true
    this.lacking.push(...lacking.filter((id) => !this.lacking.some((other) => other.equals(id)) && !this.replica.has(id)))
    if (have.length > 0) await this.session.send('have', this.number, have)
  }

  async have (ids) {
    need(!this.session.isOpener, 'have comes from the opener')
    this.taken += ids.length
    this.lacking.push(...ids.filter((id) => !this.replica.has(id) && !this.wanted.has(id.toString('hex'))))
  }

  async want (ids, maxBody) {
    await this.serve(ids, maxBody)
  }

  async sendWants () {
    while (this.lacking.length > 0 && new Set(this.wanted.values()).size < WANTS_MAX) {
      const size = this.wants === 0 ? FIRST_WANT_MAX : WANT_MAX
      const asked = this.lacking.splice(0, size).filter((id) => !this.wanted.has(id.toString('hex')))
      if (asked.length === 0) continue
      this.wants += 1
      for (const id of asked) this.wanted.set(id.toString('hex'), this.wants)
      await this.session.send('want', this.number, asked, BODY_BYTES_MAX, this.taken)
    }
  }

  async bodies (ids) {
    await this.serve(ids, BODY_BYTES_MAX, true)
  }

  async serve (ids, maxBody, needsBody = false) {
    let frame = []
    let bytes = 0
    const absent = []
    for (const id of ids) {
      const [header, signature, grant, body] = this.replica.envelope(id) ?? []
      if (header === undefined || (needsBody && body === null)) {
        absent.push(id)
        continue
      }
      frame.push([header, signature, grant, body !== null && body.length <= maxBody ? body : null])
      bytes += header.length + 140 + (body?.length ?? 0)
      this.counts.sent += 1
      if (bytes > PUT_BYTES_MAX) {
        await this.session.send('put', this.number, frame)
        frame = []
        bytes = 0
      }
    }
    if (frame.length > 0) await this.session.send('put', this.number, frame)
    if (absent.length > 0) await this.session.send('absent', this.number, absent)
  }

  async put (envelopes) {
    need(Array.isArray(envelopes) && envelopes.length > 0, 'put')
    for (const envelope of envelopes) {
      const contribution = read(envelope)
      need(contribution.commons.equals(this.id), 'a contribution of another commons')
      need(this.wanted.delete(contribution.id.toString('hex')), 'what was not wanted')
      this.counts.received += this.replica.add(envelope, contribution) ? 1 : 0
    }
  }

  async absent (ids) {
    for (const id of ids) need(this.wanted.delete(id.toString('hex')), 'what was not wanted')
  }

  async done (digest) {
    this.theirs = digest
  }

  async unsupported (what) {
    throw new Error(`unsupported: ${what}`)
  }

  // Send what is due after a message.
  async goOn () {
    await this.sendWants()
    const lacksNothing = this.lacking.length === 0 && this.wanted.size === 0
    const mayEnd = this.session.isOpener ? this.compared : this.theirs !== null
    if (lacksNothing && mayEnd && !this.isDone) {
      this.isDone = true
      await this.session.send('done', this.number, { ...this.replica.digest(), ...this.full() })
    }
  }

  // Who is asked for a hash over all ids answers in kind.
  full () {
    if (this.theirs?.fingerprint.length !== 32) return {}
    const ids = this.replica.items().map((item) => item.id).sort(Buffer.compare)
    return { fingerprint: sha256(...this.session.nonces, ...ids) }
  }

  result () {
    const own = { ...this.replica.digest(), ...this.full() }
    const equal = this.theirs !== null && this.theirs.count === own.count && this.theirs.fingerprint.equals(own.fingerprint)
    return { commons: this.id.toString('hex'), equal, count: own.count, ...this.counts }
  }
}

function need (holds, what) {
  if (!holds) throw new Error(`out of order: ${what}`)
}

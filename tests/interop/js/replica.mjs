// One commons as this peer holds it: envelopes by id, and what it says about itself when a session is done.

import { fingerprint } from './negentropy.mjs'

export class Replica {
  constructor () {
    this.held = new Map() // id in hex -> { envelope, item: { order, id }, hasBody }
  }

  // Takes an envelope that has been read; true when it was not known.
  add (envelope, contribution) {
    const key = contribution.id.toString('hex')
    if (this.held.get(key)?.hasBody) return false
    this.held.set(key, {
      envelope,
      hasBody: contribution.hasBody,
      item: { order: 2 ** 32 - 1 - contribution.claimedAt, id: contribution.id }
    })
    return true
  }

  has (id) {
    return this.held.has(id.toString('hex'))
  }

  envelope (id) {
    return this.held.get(id.toString('hex'))?.envelope
  }

  items () {
    return [...this.held.values()].map((each) => each.item)
      .sort((one, other) => one.order - other.order || Buffer.compare(one.id, other.id))
  }

  digest () {
    const ids = [...this.held.values()].map((each) => each.item.id)
    const bodies = [...this.held.values()].filter((each) => each.hasBody).length
    return { count: ids.length, bodies, fingerprint: fingerprint(ids) }
  }
}

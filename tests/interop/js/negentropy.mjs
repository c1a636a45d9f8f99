// Negentropy V1 for sets of a size that needs no limit on messages: section 11.3.

import { sha256 } from './contribution.mjs'

const VERSION = 0x61
const SKIP = 0
const FINGERPRINT = 1
const ID_LIST = 2
const BUCKETS = 16
const END = { order: Infinity, id: Buffer.alloc(0) }

// `items` are sorted { order, id }. The opener calls initiate(), both sides reconcile().
export class Negentropy {
  constructor (items) {
    this.items = items
    this.isOpener = false
  }

  initiate () {
    this.isOpener = true
    const output = new Output()
    this.split(output, 0, this.items.length, END)
    return output.bytes()
  }

  // Returns { message, have, need }; message is null when the opener knows all.
  reconcile (message) {
    const input = new Input(message)
    if (input.take(1)[0] !== VERSION) return { message: Buffer.from([VERSION]), have: [], need: [] }
    const output = new Output()
    const have = []
    const need = []
    let low = 0
    while (input.left > 0) {
      const upper = input.bound()
      const high = this.position(low, upper)
      const ours = this.items.slice(low, high).map((item) => item.id)
      const mode = input.varint()
      if (mode === SKIP) {
        output.skip(upper)
      } else if (mode === FINGERPRINT) {
        if (input.take(16).equals(fingerprint(ours))) output.skip(upper)
        else this.split(output, low, high, upper)
      } else if (mode === ID_LIST) {
        const theirs = Array.from({ length: input.varint() }, () => input.take(32))
        if (this.isOpener) {
          const known = new Set(theirs.map((id) => id.toString('hex')))
          have.push(...ours.filter((id) => !known.delete(id.toString('hex'))))
          need.push(...[...known].map((id) => Buffer.from(id, 'hex')))
          output.skip(upper)
        } else {
          output.ids(upper, ours)
        }
      } else {
        throw new Error(`mode ${mode}`)
      }
      low = high
    }
    const bytes = output.bytes()
    return { message: this.isOpener && bytes.length === 1 ? null : bytes, have, need }
  }

  split (output, low, high, upper) {
    const ours = this.items.slice(low, high)
    if (ours.length < 2 * BUCKETS) {
      output.ids(upper, ours.map((item) => item.id))
      return
    }
    for (let bucket = 0, from = 0; bucket < BUCKETS; bucket++) {
      const to = Math.floor(ours.length * (bucket + 1) / BUCKETS)
      const bound = bucket === BUCKETS - 1 ? upper : ours[to]
      output.fingerprint(bound, fingerprint(ours.slice(from, to).map((item) => item.id)))
      from = to
    }
  }

  // The index of the first item that does not sort before the bound.
  position (low, bound) {
    const index = this.items.findIndex((item, at) => at >= low && !isBefore(item, bound))
    return index < 0 ? this.items.length : index
  }
}

function isBefore (item, bound) {
  if (item.order !== bound.order) return item.order < bound.order
  const padded = Buffer.alloc(32)
  bound.id.copy(padded)
  return Buffer.compare(item.id, padded) < 0
}

// Section 5.6.
export function fingerprint (ids) {
  let sum = 0n
  for (const id of ids) sum += BigInt(`0x${Buffer.from(id).reverse().toString('hex')}`)
  const total = Buffer.from(BigInt.asUintN(256, sum).toString(16).padStart(64, '0'), 'hex').reverse()
  return sha256(total, encodeVarint(ids.length)).subarray(0, 16)
}

export function encodeVarint (value) {
  const digits = [value & 127]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift(rest % 128 | 128)
  return Buffer.from(digits)
}

class Output {
  constructor () {
    this.parts = [Buffer.from([VERSION])]
    this.order = 0
    this.skipped = null
  }

  skip (bound) {
    this.skipped = bound // written only when something follows
  }

  fingerprint (bound, value) {
    this.range(bound, FINGERPRINT, value)
  }

  ids (bound, ids) {
    this.range(bound, ID_LIST, encodeVarint(ids.length), ...ids)
  }

  range (bound, mode, ...payload) {
    if (this.skipped !== null) this.bound(this.skipped, SKIP)
    this.skipped = null
    this.bound(bound, mode)
    this.parts.push(...payload)
  }

  bound ({ order, id }, mode) {
    this.parts.push(encodeVarint(order === Infinity ? 0 : order - this.order + 1))
    this.order = order
    this.parts.push(encodeVarint(id.length), id, encodeVarint(mode))
  }

  bytes () {
    return Buffer.concat(this.parts)
  }
}

class Input {
  constructor (data) {
    this.data = Buffer.from(data)
    this.at = 0
    this.order = 0
  }

  get left () {
    return this.data.length - this.at
  }

  take (size) {
    if (size > this.left) throw new Error('ends in the middle')
    this.at += size
    return this.data.subarray(this.at - size, this.at)
  }

  varint () {
    let value = 0
    for (let i = 0; i < 10; i++) {
      const [digit] = this.take(1)
      value = value * 128 + (digit & 127)
      if (digit < 128) return value
    }
    throw new Error('integer too long')
  }

  bound () {
    const delta = this.varint()
    this.order = delta === 0 ? Infinity : this.order + delta - 1
    return { order: this.order, id: this.take(this.varint()) }
  }
}

// Canonical msgpack, docs/protocol.md section 5.1. Byte strings are Uint8Array, maps plain objects.
// Integers are numbers as far as those are exact, and BigInt beyond.

const utf8 = new TextEncoder()
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class NotCanonical extends Error {}

export function encode (value) {
  const parts = []
  write(value, parts)
  return Buffer.concat(parts)
}

// A reader may do no more than this: decode, encode again, compare.
export function decode (data, depthMax = 8) {
  const reader = new Reader(data)
  const value = reader.value(depthMax)
  if (reader.at !== data.length || !Buffer.from(data).equals(encode(value))) {
    throw new NotCanonical('not canonical')
  }
  return value
}

function write (value, parts) {
  if (value === null) parts.push(Buffer.from([0xc0]))
  else if (value === false) parts.push(Buffer.from([0xc2]))
  else if (value === true) parts.push(Buffer.from([0xc3]))
  else if (typeof value === 'number' || typeof value === 'bigint') parts.push(integer(BigInt(value)))
  else if (typeof value === 'string') {
    const bytes = utf8.encode(value)
    parts.push(head(bytes.length, 0xa0, 32, [0xd9, 0xda, 0xdb]), bytes)
  } else if (value instanceof Uint8Array) {
    parts.push(head(value.length, null, 0, [0xc4, 0xc5, 0xc6]), value)
  } else if (Array.isArray(value)) {
    parts.push(head(value.length, 0x90, 16, [null, 0xdc, 0xdd]))
    for (const each of value) write(each, parts)
  } else {
    const keys = Object.keys(value).map((key) => [utf8.encode(key), key])
    keys.sort(([one], [other]) => Buffer.compare(one, other))
    parts.push(head(keys.length, 0x80, 16, [null, 0xde, 0xdf]))
    for (const [, key] of keys) {
      write(key, parts)
      write(value[key], parts)
    }
  }
}

// A length in its shortest form: inside the first byte, or in one, two or four of its own.
function head (size, fixed, fixedMax, [one, two, four]) {
  if (fixed !== null && size < fixedMax) return Buffer.from([fixed | size])
  if (one !== null && size < 2 ** 8) return Buffer.from([one, size])
  if (size < 2 ** 16) return Buffer.from([two, size >> 8, size & 255])
  return Buffer.from([four, ...bigEndian(BigInt(size), 4)])
}

function integer (value) {
  if (value >= 0n) {
    if (value < 0x80n) return Buffer.from([Number(value)])
    for (const [mark, size] of [[0xcc, 1], [0xcd, 2], [0xce, 4], [0xcf, 8]]) {
      if (value < 1n << BigInt(8 * size)) return Buffer.from([mark, ...bigEndian(value, size)])
    }
  } else {
    if (value >= -32n) return Buffer.from([256 + Number(value)])
    for (const [mark, size] of [[0xd0, 1], [0xd1, 2], [0xd2, 4], [0xd3, 8]]) {
      if (value >= -(1n << BigInt(8 * size - 1))) {
        return Buffer.from([mark, ...bigEndian(BigInt.asUintN(8 * size, value), size)])
      }
    }
  }
  throw new NotCanonical('integer beyond 64 bits')
}

function bigEndian (value, size) {
  const bytes = []
  for (let shift = 8 * (size - 1); shift >= 0; shift -= 8) bytes.push(Number(value >> BigInt(shift) & 255n))
  return bytes
}

class Reader {
  constructor (data) {
    this.data = data
    this.at = 0
  }

  take (size) {
    if (this.at + size > this.data.length) throw new NotCanonical('ends in the middle')
    this.at += size
    return this.data.subarray(this.at - size, this.at)
  }

  unsigned (size) {
    let value = 0n
    for (const byte of this.take(size)) value = value << 8n | BigInt(byte)
    return value
  }

  value (depth) {
    const mark = this.take(1)[0]
    if (mark <= 0x7f) return mark
    if (mark <= 0x8f) return this.map(mark & 15, depth)
    if (mark <= 0x9f) return this.array(mark & 15, depth)
    if (mark <= 0xbf) return text.decode(this.take(mark & 31))
    if (mark >= 0xe0) return mark - 256
    switch (mark) {
      case 0xc0: return null
      case 0xc2: return false
      case 0xc3: return true
      case 0xc4: case 0xc5: case 0xc6: return Buffer.from(this.take(this.size(1 << mark - 0xc4)))
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return plain(this.unsigned(1 << mark - 0xcc))
      case 0xd0: case 0xd1: case 0xd2: case 0xd3: {
        const size = 1 << mark - 0xd0
        return plain(BigInt.asIntN(8 * size, this.unsigned(size)))
      }
      case 0xd9: case 0xda: case 0xdb: return text.decode(this.take(this.size(1 << mark - 0xd9)))
      case 0xdc: case 0xdd: return this.array(this.size(2 * (mark - 0xdb)), depth)
      case 0xde: case 0xdf: return this.map(this.size(2 * (mark - 0xdd)), depth)
      default: throw new NotCanonical(`type ${mark.toString(16)} is not used`)
    }
  }

  size (bytes) {
    return Number(this.unsigned(bytes))
  }

  array (count, depth) {
    if (depth === 0) throw new NotCanonical('nested too deeply')
    const found = []
    for (let i = 0; i < count; i++) found.push(this.value(depth - 1))
    return found
  }

  map (count, depth) {
    if (depth === 0) throw new NotCanonical('nested too deeply')
    const found = Object.create(null)
    for (let i = 0; i < count; i++) {
      const key = this.value(depth - 1)
      if (typeof key !== 'string') throw new NotCanonical('map keys are strings')
      found[key] = this.value(depth - 1)
    }
    return found
  }
}

function plain (value) {
  return BigInt(Number(value)) === value && Number.isSafeInteger(Number(value)) ? Number(value) : value
}

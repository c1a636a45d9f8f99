// Contributions: docs/protocol.md sections 4 and 5. Signed and checked with Node's own Ed25519.

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto'
import { decode, encode } from './canonical.mjs'

const NO_COMMONS = Buffer.alloc(32)
const PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC = Buffer.from('302a300506032b6570032100', 'hex')

export const sha256 = (...parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const domain = (name, ...parts) => Buffer.concat([Buffer.from(`p2pcommons/v1/${name}\0`), ...parts])
const publicKey = (raw) => createPublicKey({ key: Buffer.concat([PUBLIC, raw]), format: 'der', type: 'spki' })

// An author with one device.
export class Author {
  constructor (rootSeed = randomBytes(32), deviceSeed = randomBytes(32)) {
    const [root, device] = [rootSeed, deviceSeed].map((seed) =>
      createPrivateKey({ key: Buffer.concat([PRIVATE, seed]), format: 'der', type: 'pkcs8' }))
    const raw = (key) => createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)
    this.author = raw(root)
    this.device = raw(device)
    this.grant = sign(null, domain('device', this.device, this.author), root)
    this.deviceKey = device
  }

  // Returns the four fields of an envelope.
  sign (kind, { commons, body, target = null, parents = [], claimedAt = Math.floor(Date.now() / 1000) }) {
    const bytes = encode({ salt: randomBytes(16), ...body })
    const header = encode([
      1, kind, commons, this.author, this.device, claimedAt, target,
      [...parents].sort(Buffer.compare), sha256(bytes), bytes.length
    ])
    return [header, sign(null, domain('contribution', header), this.deviceKey), this.grant, bytes]
  }
}

// Checks the rules of section 5.5 and returns what an envelope holds.
export function read (envelope) {
  need(Array.isArray(envelope) && envelope.length === 4, 'four fields')
  const [header, signature, grant, body] = envelope
  need([header, signature, grant].every((each) => each instanceof Uint8Array), 'byte strings')
  need(header.length <= 1024 && signature.length === 64 && grant.length === 64, 'sizes')
  const fields = decode(header, 2)
  need(Array.isArray(fields) && fields.length === 10, 'ten fields')
  const [version, kind, commons, author, device, claimedAt, target, parents, bodyHash, bodySize] = fields
  need(version === 1 && typeof kind === 'string' && /^[a-z-]{1,24}$/.test(kind), 'version and kind')
  need([commons, author, device, bodyHash].every(isId), 'ids')
  need(target === null || isId(target), 'target')
  need(Number.isInteger(claimedAt) && claimedAt >= 1 && claimedAt < 2 ** 32, 'claimed_at')
  need(Number.isInteger(bodySize) && bodySize >= 1 && bodySize <= 65536, 'body_size')
  need(Array.isArray(parents) && parents.length <= 16 && parents.every(isId), 'parents')
  need(parents.every((id, at) => at === 0 || Buffer.compare(parents[at - 1], id) < 0), 'order of parents')
  const founding = commons.equals(NO_COMMONS)
  need((kind === 'commons') === founding, 'only a commons has no commons')
  need(!founding || (target === null && parents.length === 0), 'a commons stands alone')
  if (body !== null) {
    need(body.length === bodySize && sha256(body).equals(bodyHash), 'body')
  }
  need(isSigned(author, domain('device', device, author), grant), 'grant')
  need(isSigned(device, domain('contribution', header), signature), 'signature')
  const id = sha256(header)
  return { id, kind, author, claimedAt, commons: founding ? id : commons, hasBody: body !== null, body }
}

// Section 4.1: OpenSSL does all of it but refuse keys and R of small order.
function isSigned (key, message, signature) {
  if ([key, signature.subarray(0, 32)].some(isOfSmallOrder)) return false
  return verify(null, message, publicKey(key), signature)
}

const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'
])

function isOfSmallOrder (point) {
  const unsigned = Buffer.from(point)
  unsigned[31] &= 0x7f
  return SMALL_ORDER.has(unsigned.toString('hex'))
}

const isId = (value) => value instanceof Uint8Array && value.length === 32

export function topicOf (commons) {
  const digest = sha256('p2pcommons/v1/topic\0', commons).subarray(0, 20)
  return `/p2pcommons/1/${base32(digest)}`
}

function base32 (bytes) {
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  return bits.match(/.{5}/g).map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[parseInt(five, 2)]).join('')
}

function need (holds, what) {
  if (!holds) throw new Error(`not valid: ${what}`)
}

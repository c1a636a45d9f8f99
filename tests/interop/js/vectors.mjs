// Reads the test vectors (section 15) with the code of this peer, and prints what is not as it should be.
// Without any package.

import { readFileSync } from 'node:fs'
import { decode, encode } from './canonical.mjs'
import { read, sha256, topicOf } from './contribution.mjs'
import { fingerprint } from './negentropy.mjs'

const [contributions, protocol] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path)))
const bytes = (hex) => Buffer.from(hex, 'hex')
const wrong = []
const check = (holds, what) => holds || wrong.push(what)

for (const { name, envelope, id } of contributions.contributions) {
  const fields = decode(bytes(envelope), 1)
  check(read(fields).id.equals(bytes(id)), name)
  check(encode(fields).equals(bytes(envelope)), `${name}: not the same bytes again`)
}
for (const { name, envelope, reason } of contributions.invalid) {
  try {
    read(decode(bytes(envelope), 1))
    wrong.push(`${name}: taken for valid (${reason})`)
  } catch {}
}
check(topicOf(bytes(protocol.topic.commons)) === protocol.topic.topic, 'topic')
check(fingerprint(protocol.fingerprint.ids.map(bytes)).equals(bytes(protocol.fingerprint.fingerprint)), 'fingerprint')
const { opener_nonce: opener, other_nonce: other, commons, blinded } = protocol.blinded
check(sha256(...[opener, other, commons].map(bytes)).subarray(0, 16).equals(bytes(blinded)), 'blinded hash')
for (const message of protocol.gossip) {
  check(decode(bytes(message), 2).map(read).length > 0, 'gossip')
}
for (const { name, frame } of protocol.messages) {
  check(decode(bytes(frame), 4)[0] === name, `message ${name}`)
}
process.stdout.write(JSON.stringify({ wrong }) + '\n')

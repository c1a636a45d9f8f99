// A js-libp2p peer that is told what to do: one JSON object a line on stdin, one answer on stdout.

import { createInterface } from 'node:readline'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { decode, encode } from './canonical.mjs'
import { Author, read, sha256, topicOf } from './contribution.mjs'
import { PROTOCOL, reconcile } from './reconcile.mjs'
import { Replica } from './replica.mjs'

const SERVICE_TAG = '_p2pcommons._udp.local'

let node
const author = new Author()
const commons = new Map() // ids in hex -> Replica
const gossip = [] // what came: { data, topic, type }
const identified = new Map() // peer id -> what Identify said
const found = new Map() // peer id -> addresses that mDNS showed
const sessions = [] // what came of sessions that others opened
const opening = new Set() // peers with which a session of ours is under way

const operations = {
  async start ({ listen, lan = false, relay = false, circuit = false }) {
    node = await createLibp2p({
      privateKey: await generateKeyPair('Ed25519'),
      addresses: { listen },
      transports: circuit ? [tcp(), circuitRelayTransport()] : [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      peerDiscovery: lan ? [mdns({ serviceTag: SERVICE_TAG, interval: 1000 })] : [],
      services: {
        identify: identify(),
        ping: ping({ runOnLimitedConnection: true }),
        ...(relay ? { relay: circuitRelayServer() } : {}),
        pubsub: gossipsub({
          globalSignaturePolicy: 'StrictNoSign',
          msgIdFn: (message) => sha256(message.data),
          allowPublishToZeroTopicPeers: true
        })
      }
    })
    node.addEventListener('peer:identify', ({ detail }) => identified.set(detail.peerId.toString(), detail))
    node.addEventListener('peer:discovery', ({ detail }) => {
      found.set(detail.id.toString(), detail.multiaddrs.map(String))
    })
    node.services.pubsub.addEventListener('message', ({ detail }) => gossip.push(detail))
    return { peer_id: node.peerId.toString(), addresses: node.getMultiaddrs().map(String) }
  },

  addresses: () => ({ addresses: node.getMultiaddrs().map(String) }),

  async dial ({ address }) {
    const connection = await node.dial(multiaddr(address))
    const { encryption, multiplexer, remotePeer } = connection
    return { peer_id: remotePeer.toString(), encryption, multiplexer, limited: connection.limits != null }
  },

  connections: () => ({ peers: node.getConnections().map((each) => each.remotePeer.toString()) }),
  found: () => ({ found: Object.fromEntries(found) }),

  identified ({ peer_id: peerId }) {
    const detail = identified.get(peerId)
    if (detail === undefined) return { known: false }
    return {
      known: true,
      protocols: detail.protocols,
      agent: detail.agentVersion,
      protocol: detail.protocolVersion,
      listens: detail.listenAddrs.map(String),
      observed: String(detail.observedAddr),
      signed: (detail.signedPeerRecord?.addresses ?? []).map(String)
    }
  },

  ping: async ({ peer_id: peerId }) => ({ ms: await node.services.ping.ping(peerIdFromString(peerId)) }),

  join ({ commons: id }) {
    commons.set(id, commons.get(id) ?? new Replica())
    node.services.pubsub.subscribe(topicOf(Buffer.from(id, 'hex')))
    return {}
  },

  subscribers ({ commons: id }) {
    return { peers: node.services.pubsub.getSubscribers(topicOf(Buffer.from(id, 'hex'))).map(String) }
  },

  // Signs an entry here; nothing of it is known to anybody before it is published or reconciled.
  write ({ commons: id, title, tags }) {
    const envelope = author.sign('entry', {
      commons: Buffer.from(id, 'hex'), body: { form: 'note', title, text: `${title}, says js.`, tags }
    })
    const contribution = read(envelope)
    commons.get(id).add(envelope, contribution)
    return { id: contribution.id.toString('hex'), author: contribution.author.toString('hex'), envelope: hex(envelope) }
  },

  async publish ({ commons: id, ids }) {
    const envelopes = ids.map((each) => commons.get(id).envelope(Buffer.from(each, 'hex')))
    const { recipients } = await node.services.pubsub.publish(topicOf(Buffer.from(id, 'hex')), encode(envelopes))
    return { recipients: recipients.map(String) }
  },

  // What gossip brought, each message read as section 10 has it.
  gossip: () => ({
    messages: gossip.map(({ topic, type, data }) => {
      const envelopes = decode(data, 2)
      const contributions = envelopes.map(read)
      return {
        topic,
        type,
        fitting: contributions.every((each) => topicOf(each.commons) === topic && each.hasBody),
        ids: contributions.map((each) => each.id.toString('hex')),
        envelopes: envelopes.map(hex)
      }
    })
  }),

  async reconcile ({ peer_id: peerId }) {
    opening.add(peerId)
    try {
      const stream = await node.dialProtocol(peerIdFromString(peerId), PROTOCOL, { runOnLimitedConnection: true })
      return { results: await reconcile(stream, true, commons) }
    } finally {
      opening.delete(peerId)
    }
  },

  // Serve sessions that others open. Of two at once the one of the smaller peer id goes on.
  async serve () {
    await node.handle(PROTOCOL, async (stream, connection) => {
      const peerId = connection.remotePeer.toString()
      if (opening.has(peerId) && node.peerId.toString() < peerId) {
        stream.abort(new Error('the other session goes on'))
        return
      }
      try {
        sessions.push({ peer_id: peerId, results: await reconcile(stream, false, commons) })
      } catch (error) {
        sessions.push({ peer_id: peerId, error: String(error) })
      }
    }, { runOnLimitedConnection: true })
    return {}
  },

  sessions: () => ({ sessions }),

  held: ({ commons: id }) => ({
    envelopes: Object.fromEntries([...commons.get(id).held].map(([key, each]) => [key, hex(each.envelope)]))
  }),

  // Sends bytes as they are on a new stream, and tells how the other side ended it.
  async raw ({ peer_id: peerId, bytes }) {
    const stream = await node.dialProtocol(peerIdFromString(peerId), PROTOCOL)
    stream.send(Buffer.from(bytes, 'hex'))
    const answer = []
    try {
      for await (const chunk of stream) answer.push(Buffer.from(chunk.subarray()))
      return { ended: 'closed', answer: Buffer.concat(answer).toString('hex') }
    } catch (error) {
      return { ended: 'reset', answer: Buffer.concat(answer).toString('hex') }
    } finally {
      stream.abort(new Error('enough'))
    }
  },

  async stop () {
    await node?.stop()
    return {}
  }
}

const hex = (envelope) => encode(envelope).toString('hex')

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...fields } = JSON.parse(line)
  let answer
  try {
    answer = await operations[op](fields)
  } catch (error) {
    answer = { error: String(error?.stack ?? error) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
await node?.stop()
process.exit(0)

// Frames on a stream: four bytes of length, big-endian, then the message. Section 9.

export const FRAME_BYTES_MAX = 262144

export class Frames {
  constructor (stream) {
    this.stream = stream
    this.buffered = Buffer.alloc(0)
    this.chunks = stream[Symbol.asyncIterator]()
  }

  async write (data) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    if (!this.stream.send(Buffer.concat([length, data]))) await this.stream.onDrain()
  }

  // The next frame, or null when the stream has ended.
  async read () {
    const length = await this.take(4)
    if (length === null) return null
    const size = length.readUInt32BE()
    if (size > FRAME_BYTES_MAX) throw new Error(`a frame of ${size} bytes`)
    return await this.take(size)
  }

  async take (size) {
    while (this.buffered.length < size) {
      const { done, value } = await this.chunks.next()
      if (done) return null
      this.buffered = Buffer.concat([this.buffered, value.subarray()])
    }
    const taken = this.buffered.subarray(0, size)
    this.buffered = this.buffered.subarray(size)
    return taken
  }
}

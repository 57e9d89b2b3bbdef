/** Reads datagrams of wire v1, apart from the code under test. */
'use strict'

class Reader {
  constructor(bytes) {
    this.bytes = bytes
    this.at = 0
  }

  take(size) {
    if (this.at + size > this.bytes.length) throw new RangeError('cut')
    this.at += size
    return this.bytes.subarray(this.at - size, this.at)
  }

  varint() {
    let number = 0n
    for (let shift = 0n; ; shift += 7n) {
      const [byte] = this.take(1)
      number |= BigInt(byte & 127) << shift
      if (byte < 128) return number
    }
  }

  signed() {
    const number = this.varint()
    return Number(number & 1n ? -(number >> 1n) - 1n : number >> 1n)
  }

  name() {
    return this.take(this.take(1)[0]).toString()
  }

  text() {
    return this.take(Number(this.varint())).toString()
  }
}

function read(datagram) {
  const end = 7 + datagram.readUInt16LE(5)
  const header = {
    sender: datagram.readBigUInt64LE(7),
    sequence: Number(datagram.readBigUInt64LE(15)),
    openedAt: Number(datagram.readBigInt64LE(23)),
    dropped: Number(datagram.readBigUInt64LE(31)),
    pid: datagram.readUInt32LE(39),
  }
  const rest = new Reader(datagram.subarray(43, end))
  header.hostname = rest.name()
  header.logger = rest.name()
  let body = datagram.subarray(end)
  if (datagram[4] & 1) {
    header.keyId = rest.name()
    body = body.subarray(0, -32)
  }
  if (header.sender === 0n && rest.bytes.length - rest.at >= 24) {
    const [sender, next, dropped] = [0, 8, 16].map((at) => rest.bytes.readBigUInt64LE(rest.at + at))
    header.heartbeat = { sender, next: Number(next), dropped: Number(dropped) }
  }
  const found = []
  while (body.length > 0) {
    const size = body.readUInt16LE(0)
    found.push(message(new Reader(body.subarray(2, 2 + size)), header))
    body = body.subarray(2 + size)
  }
  return { header, messages: found }
}

function message(reader, header) {
  const [flags] = reader.take(1)
  if (flags & 64) return span(reader, flags)
  const out = { severity: flags & 7, timestamp: header.openedAt + reader.signed(), type: reader.name() }
  out.logger = flags & 8 ? reader.name() : header.logger
  out.hostname = flags & 16 ? reader.name() : header.hostname
  out.pid = flags & 16 ? reader.signed() : header.pid
  out.envVersion = flags & 32 ? reader.name() : '1'
  const times = (run) => Array.from({ length: Number(reader.varint()) }, run)
  out.tokens = times(() => reader.text())
  out.payload = reader.text()
  out.fields = times(() => [reader.text(), reader.text()])
  return out
}

/** A span, with its ids in hexadecimal. */
function span(reader, flags) {
  const hex = (bytes) => reader.take(bytes).toString('hex')
  const times = (run) => Array.from({ length: Number(reader.varint()) }, run)
  const out = { kind: flags & 7, traceId: hex(16), spanId: hex(8), parentId: hex(8) }
  out.start = reader.signed()
  out.duration = reader.signed()
  out.flags = Number(reader.varint())
  const [status] = reader.take(1)
  out.status = [status & 3, reader.text()]
  out.name = reader.text()
  out.traceState = reader.text()
  out.probability = status & 4 ? reader.take(8).readDoubleLE() : undefined
  out.attributes = attributes(reader)
  out.events = times(() => [reader.signed(), reader.text(), attributes(reader), reader.varint()])
  out.links = times(() => {
    const [traceId, spanId] = [hex(16), hex(8)]
    reader.text()
    reader.varint()
    const found = [traceId, spanId, attributes(reader)]
    reader.varint()
    return found
  })
  out.leftOut = [0, 1, 2].map(() => Number(reader.varint()))
  if (reader.at !== reader.bytes.length) throw new RangeError('more follows')
  return out
}

function attributes(reader) {
  return Array.from({ length: Number(reader.varint()) }, () => {
    const key = reader.text()
    const [type] = reader.take(1)
    if (type === 0) return [key, reader.text()]
    if (type === 1) {
      const number = reader.varint()
      return [key, number & 1n ? -(number >> 1n) - 1n : number >> 1n]
    }
    if (type === 2) return [key, reader.take(8).readDoubleLE()]
    if (type === 3 || type === 4) return [key, type === 4]
    return [key, reader.take(Number(reader.varint()))]
  })
}

/** All messages of what was captured. */
function messages(captured) {
  return captured.datagrams.flatMap((datagram) => read(datagram).messages)
}

module.exports = { messages, read }

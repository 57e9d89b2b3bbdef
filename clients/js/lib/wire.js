/**
 * Wire v1: datagrams of messages as bytes. The specification is `schemas/wire.v1.md` of the repository.
 *
 * A datagram is written in place, in one buffer that is used again and again; what leaves is a copy of what was filled.
 * Times are microseconds since 1970, as numbers: whole, and exact until the year 2255.
 */
'use strict'

const { createHmac } = require('node:crypto')

const MAGIC = [0xf5, 0x4d, 0x4c]
const VERSION = 1
const FLAG_SIGNED = 1
const NAME_BYTES_MAX = 255
const FRAME_BYTES_MAX = 65535
const MAC_BYTES = 32
const MESSAGE_LOGGER = 0b1000
const MESSAGE_ORIGIN = 0b10000
const MESSAGE_ENV_VERSION = 0b100000
/** Shorter texts are written by a loop, which beats a call into C++. */
const LOOP_CHARS_MAX = 48

/** Cut at a character where it is longer than a name may be. */
function cutName(text) {
  const bytes = Buffer.from(text)
  if (bytes.length <= NAME_BYTES_MAX) return bytes
  let end = NAME_BYTES_MAX
  while ((bytes[end] & 0xc0) === 0x80) end -= 1
  return bytes.subarray(0, end)
}

/** Writes the datagrams of one sender. */
class Datagram {
  /**
   * @param {number} capacity most bytes of a datagram
   * @param {{sender: bigint, pid: number, hostname: string, logger: string, key?: {id: string, secret: Buffer}}} origin
   */
  constructor(capacity, { sender, pid, hostname, logger, key }) {
    this.sender = sender
    this.key = key
    const names = [hostname, logger, ...(key ? [key.id] : [])].map(cutName)
    const headerBytes = 36 + names.reduce((sum, name) => sum + 1 + name.length, 0)
    this.buffer = Buffer.alloc(Math.max(capacity, 7 + headerBytes + MAC_BYTES))
    this.buffer.set([...MAGIC, VERSION, key ? FLAG_SIGNED : 0])
    this.buffer.writeUInt16LE(headerBytes, 5)
    this.buffer.writeBigUInt64LE(sender, 7)
    this.buffer.writeUInt32LE(pid >>> 0, 39)
    let at = 43
    for (const name of names) {
      this.buffer[at] = name.length
      this.buffer.set(name, at + 1)
      at += 1 + name.length
    }
    this.start = at
    this.limit = capacity - (key ? MAC_BYTES : 0)
    this.end = at
    this.messages = 0
    this.openedAt = 0
  }

  get isEmpty() {
    return this.messages === 0
  }

  /** Room for frames in an empty datagram. */
  get room() {
    return this.limit - this.start
  }

  /**
   * Adds a message. False: it does not fit, and nothing was added.
   * @param {number} now when it is added
   * @param {{timestamp?: number, severity: number, type: string, logger?: string, origin?: {hostname: string, pid:
   *   number}, envVersion?: string, tokens: string[], payload: string, fields?: string[]}} message fields: key, value, …
   */
  push(now, message) {
    if (this.messages === 0) this.openedAt = now
    const start = this.end
    this.at = start + 2
    this.writeMessage(now, message)
    return this.close(start)
  }

  /** Adds a span, which writes itself. False: it does not fit, and nothing was added. */
  pushSpan(now, span) {
    if (this.messages === 0) this.openedAt = now
    const start = this.end
    this.at = start + 2
    span.write(this)
    return this.close(start)
  }

  writeMessage(now, message) {
    const { logger, origin, envVersion, tokens, fields } = message
    const flags =
      message.severity |
      (logger === undefined ? 0 : MESSAGE_LOGGER) |
      (origin === undefined ? 0 : MESSAGE_ORIGIN) |
      (envVersion === undefined ? 0 : MESSAGE_ENV_VERSION)
    this.putByte(flags)
    this.putSigned((message.timestamp === undefined ? now : message.timestamp) - this.openedAt)
    this.putName(message.type)
    if (logger !== undefined) this.putName(logger)
    if (origin !== undefined) {
      this.putName(origin.hostname)
      this.putSigned(origin.pid)
    }
    if (envVersion !== undefined) this.putName(envVersion)
    this.putVarint(tokens.length)
    for (let i = 0; i < tokens.length; i += 1) this.putText(tokens[i])
    this.putText(message.payload)
    if (fields === undefined) {
      this.putByte(0)
    } else {
      this.putVarint(fields.length / 2)
      for (let i = 0; i < fields.length; i += 1) this.putText(fields[i])
    }
  }

  /** The frame that begins at `start` counts, if it fits. */
  close(start) {
    const size = this.at - start - 2
    if (this.at > this.limit || size > FRAME_BYTES_MAX) return false
    this.buffer[start] = size & 0xff
    this.buffer[start + 1] = size >>> 8
    this.end = this.at
    this.messages += 1
    return true
  }

  /** The bytes to send: a copy. The datagram is empty afterwards. */
  finish(sequence, dropped) {
    const { buffer, key, end } = this
    buffer.writeBigUInt64LE(BigInt(sequence), 15)
    buffer.writeBigInt64LE(BigInt(this.openedAt), 23)
    buffer.writeBigUInt64LE(BigInt(dropped), 31)
    this.end = this.start
    this.messages = 0
    return signed(Buffer.from(buffer.subarray(0, end)), key)
  }

  /** Repeats how many datagrams were sent: `next` is the sequence of the next one. */
  heartbeat(now, next, dropped) {
    const header = Buffer.alloc(this.start + 24)
    this.buffer.copy(header, 0, 0, this.start)
    header.writeUInt16LE(this.start - 7 + 24, 5)
    header.fill(0, 7, 39)
    header.writeBigInt64LE(BigInt(now), 23)
    header.writeBigUInt64LE(this.sender, this.start)
    header.writeBigUInt64LE(BigInt(next), this.start + 8)
    header.writeBigUInt64LE(BigInt(dropped), this.start + 16)
    return signed(header, this.key)
  }

  putByte(byte) {
    // Writes behind the end of a buffer have no effect; `push` sees that it does not fit.
    this.buffer[this.at] = byte
    this.at += 1
  }

  putVarint(number) {
    let left = number
    while (left >= 0x80) {
      this.putByte((left % 0x80) | 0x80)
      left = Math.floor(left / 0x80)
    }
    this.putByte(left)
  }

  putSigned(number) {
    if (number >= 0) this.putVarint(number * 2)
    else this.putVarint(-number * 2 - 1)
  }

  /** A signed number of 64 bits. */
  putBigSigned(number) {
    let left = BigInt.asUintN(64, (number << 1n) ^ (number >> 63n))
    while (left >= 0x80n) {
      this.putByte(Number(left & 0x7fn) | 0x80)
      left >>= 7n
    }
    this.putByte(Number(left))
  }

  putDouble(number) {
    if (this.at + 8 <= this.buffer.length) this.buffer.writeDoubleLE(number, this.at)
    this.at += 8
  }

  putHex(digits) {
    if (this.at + digits.length / 2 <= this.buffer.length) this.buffer.write(digits, this.at, 'hex')
    this.at += digits.length / 2
  }

  putBytes(bytes) {
    this.putVarint(bytes.length)
    if (this.at + bytes.length <= this.buffer.length) this.buffer.set(bytes, this.at)
    this.at += bytes.length
  }

  putName(text) {
    const { at } = this
    this.at = at + 1
    if (!this.putAscii(text) || this.at - at - 1 > NAME_BYTES_MAX) {
      const bytes = cutName(text)
      this.buffer.set(bytes.subarray(0, Math.max(0, this.buffer.length - at - 1)), Math.min(at + 1, this.buffer.length))
      this.at = at + 1 + bytes.length
    }
    if (at < this.buffer.length) this.buffer[at] = this.at - at - 1
  }

  putText(text) {
    const { length } = text
    if (length <= LOOP_CHARS_MAX) {
      const { at } = this
      this.at = at + 1 // its length is one byte
      if (this.putAscii(text)) {
        this.buffer[at] = length
        return
      }
      this.at = at
    }
    const bytes = Buffer.byteLength(text)
    this.putVarint(bytes)
    if (this.at + bytes <= this.buffer.length) this.buffer.write(text, this.at)
    this.at += bytes
  }

  /** Writes a short text of ASCII. False: it is none, or too long for a loop; nothing was written that counts. */
  putAscii(text) {
    const { length } = text
    const { buffer } = this
    if (length > NAME_BYTES_MAX) return false
    let { at } = this
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i)
      if (code > 127) return false
      buffer[at] = code
      at += 1
    }
    this.at = at
    return true
  }
}

function signed(bytes, key) {
  if (key === undefined) return bytes
  return Buffer.concat([bytes, createHmac('sha256', key.secret).update(bytes).digest()])
}

module.exports = { Datagram, NAME_BYTES_MAX }

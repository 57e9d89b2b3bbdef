/**
 * Spans: what an application notes of one piece of work, and how that is written in wire v1.
 *
 * A span belongs to the asynchronous context that it was begun in. The root of a trace decides whether the trace is kept;
 * spans of others go on with what they were told.
 */
'use strict'

const { AsyncLocalStorage } = require('node:async_hooks')
const { randomFillSync } = require('node:crypto')
const { SAMPLED, isValid } = require('./propagation.js')
const { DEPTH_MAX, asText, isRecord } = require('./values.js')

/** Beyond these, attributes, events and links are left out, and counted in the span. */
const ATTRIBUTES_MAX = 128
const EVENTS_MAX = 128
const LINKS_MAX = 128
const KINDS = { '': 0, internal: 1, server: 2, client: 3, producer: 4, consumer: 5 }
const STATUSES = { '': 0, unset: 0, ok: 1, error: 2 }
const SPAN = 0b0100_0000
const PROBABILITY_KNOWN = 0b100
const HAS_REMOTE = 1 << 8
const IS_REMOTE = 1 << 9
const NANOS = 1_000_000

/** One for the process: a fresh one for each request is what leaks. */
const current = new AsyncLocalStorage()

/** The context of the span that is current here, to be injected into a request. */
function currentContext() {
  const held = current.getStore()
  return held === undefined ? undefined : held.context
}

/** Random bytes are asked for in blocks: a call costs more than they do. */
const random = Buffer.alloc(8_192)
let randomAt = random.length
function id(bytes) {
  if (randomAt + bytes > random.length) {
    randomFillSync(random)
    randomAt = 0
  }
  randomAt += bytes
  const text = random.toString('hex', randomAt - bytes, randomAt)
  return /[^0]/.test(text) ? text : id(bytes)
}

class Span {
  constructor(client, name, { kind = 'internal', attributes, parent } = {}) {
    this.client = client
    this.name = asText(name)
    this.kind = kind
    const held = current.getStore()
    const above = parent === undefined ? held && held.context : parent
    this.isRemote = parent !== undefined
    const isBelow = above !== undefined && isValid(above)
    this.parentId = isBelow ? above.spanId : ''
    let flags
    this.probability = undefined
    if (above !== undefined && above.isDecided) {
      flags = above.flags
    } else {
      const { sampling } = client
      const isKept = sampling >= 1 || (sampling > 0 && Math.random() < sampling)
      flags = isKept ? SAMPLED : 0
      if (isKept) this.probability = Math.min(1, sampling)
    }
    this.context = {
      traceId: isBelow ? above.traceId : id(16),
      spanId: id(8),
      flags,
      traceState: isBelow ? above.traceState : '',
      baggage: above === undefined ? {} : above.baggage,
      isDecided: true,
      isDebug: above !== undefined && above.isDebug === true,
    }
    this.attributes = []
    this.events = []
    this.links = []
    this.leftOut = [0, 0, 0]
    this.statusCode = 0
    this.statusMessage = ''
    this.duration = undefined
    this.startMicros = client.now()
    /** Beyond the microsecond: the clock has none. */
    this.startNanos = 0
    this.began = performance.now()
    if (attributes) this.set(attributes)
  }

  /** False where the trace is not kept, or the span is over: nothing that is set is sent. */
  get isRecording() {
    return this.duration === undefined && (this.context.flags & SAMPLED) !== 0
  }

  /** Sets an attribute, or several. */
  set(key, value) {
    if (this.isRecording) {
      for (const [one, given] of typeof key === 'object' && key !== null ? Object.entries(key) : [[key, value]]) {
        if (this.attributes.length >= ATTRIBUTES_MAX) this.leftOut[0] += 1
        else this.attributes.push([asText(one), given])
      }
    }
    return this
  }

  /** Notes that something happened, now. */
  event(name, attributes) {
    if (this.isRecording) {
      if (this.events.length >= EVENTS_MAX) this.leftOut[1] += 1
      else this.events.push([performance.now() - this.began, asText(name), attributes ? Object.entries(attributes) : []])
    }
    return this
  }

  /** Refers to a span of another trace. */
  link(context, attributes) {
    if (this.isRecording && isValid(context)) {
      if (this.links.length >= LINKS_MAX) this.leftOut[2] += 1
      else this.links.push([context, attributes ? Object.entries(attributes) : []])
    }
    return this
  }

  /** `ok` or `error`; the message says why. */
  status(status, message = '') {
    if (this.isRecording) {
      this.statusCode = STATUSES[status] || 0
      this.statusMessage = asText(message)
    }
    return this
  }

  /** Notes an error as OpenTelemetry does, and that the span failed. */
  exception(error) {
    const isError = error instanceof Error
    const text = isError ? error.message : asText(error)
    this.event('exception', { 'exception.type': isError ? error.name : typeof error, 'exception.message': text })
    return this.status('error', text)
  }

  /** Runs a function in which this span is the current one, and gives what it gives. */
  run(inside) {
    return current.run(this, inside)
  }

  /** Ends the span, and sends it. */
  end() {
    if (this.duration !== undefined) return
    const isKept = this.isRecording
    this.duration = performance.now() - this.began
    if (isKept) this.client.sendSpan(this)
  }

  /** Writes it as the content of a frame, in ns relative to when the datagram was opened. */
  write(datagram) {
    const { context, parentId } = this
    datagram.putByte(SPAN | (KINDS[this.kind] || 0))
    datagram.putHex(context.traceId)
    datagram.putHex(context.spanId)
    datagram.putHex(parentId || '0000000000000000')
    datagram.putSigned((this.startMicros - datagram.openedAt) * 1_000 + this.startNanos)
    datagram.putSigned(Math.round(this.duration * NANOS))
    let flags = context.flags & 0xff
    if (parentId) flags |= HAS_REMOTE | (this.isRemote ? IS_REMOTE : 0)
    datagram.putVarint(flags)
    datagram.putByte(this.statusCode | (this.probability === undefined ? 0 : PROBABILITY_KNOWN))
    datagram.putText(this.statusMessage)
    datagram.putText(this.name)
    datagram.putText(context.traceState)
    if (this.probability !== undefined) datagram.putDouble(this.probability)
    putAttributes(datagram, this.attributes)
    datagram.putVarint(this.events.length)
    for (const [at, name, attributes] of this.events) {
      datagram.putSigned(Math.round(at * NANOS))
      datagram.putText(name)
      putAttributes(datagram, attributes)
      datagram.putByte(0)
    }
    datagram.putVarint(this.links.length)
    for (const [linked, attributes] of this.links) {
      datagram.putHex(linked.traceId)
      datagram.putHex(linked.spanId)
      datagram.putText(linked.traceState || '')
      datagram.putVarint(linked.flags)
      putAttributes(datagram, attributes)
      datagram.putByte(0)
    }
    for (const count of this.leftOut) datagram.putVarint(count)
  }
}

function putAttributes(datagram, attributes) {
  datagram.putVarint(attributes.length)
  for (const [key, value] of attributes) {
    datagram.putText(key)
    putValue(datagram, value)
  }
}

function isWhole(value) {
  return typeof value === 'bigint' ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value) && !Object.is(value, -0)
}

function putValue(datagram, value) {
  if (typeof value === 'boolean') {
    datagram.putByte(value ? 4 : 3)
  } else if (isWhole(value)) {
    datagram.putByte(1)
    datagram.putBigSigned(BigInt(value))
  } else if (typeof value === 'number') {
    datagram.putByte(2)
    datagram.putDouble(value)
  } else if (value instanceof Uint8Array) {
    datagram.putByte(5)
    datagram.putBytes(value)
  } else if (Array.isArray(value) || isRecord(value)) {
    datagram.putByte(6)
    datagram.putBytes(anyValue(value, 0))
  } else {
    datagram.putByte(0)
    datagram.putText(asText(value))
  }
}

function bigVarint(number) {
  const bytes = []
  let left = BigInt.asUintN(64, number)
  while (left >= 128n) {
    bytes.push(Number(left & 127n) | 128)
    left >>= 7n
  }
  bytes.push(Number(left))
  return Buffer.from(bytes)
}

/** A field of protobuf that has a length. */
function field(number, content) {
  return Buffer.concat([bigVarint(BigInt((number << 3) | 2)), bigVarint(BigInt(content.length)), content])
}

/** OTLP's `AnyValue` in protobuf. */
function anyValue(value, depth) {
  if (typeof value === 'boolean') return Buffer.from([0x10, value ? 1 : 0])
  if (isWhole(value)) return Buffer.concat([Buffer.from([0x18]), bigVarint(BigInt(value))])
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9, 0x21)
    bytes.writeDoubleLE(value, 1)
    return bytes
  }
  if (value instanceof Uint8Array) return field(7, Buffer.from(value))
  if (depth < DEPTH_MAX) {
    if (Array.isArray(value)) return field(5, Buffer.concat(value.map((item) => field(1, anyValue(item, depth + 1)))))
    if (isRecord(value)) {
      const items = Object.entries(value).map(([key, item]) =>
        field(1, Buffer.concat([field(1, Buffer.from(key)), field(2, anyValue(item, depth + 1))]))
      )
      return field(6, Buffer.concat(items))
    }
  }
  return value === null || value === undefined ? Buffer.alloc(0) : field(1, Buffer.from(asText(value)))
}

module.exports = { Span, current, currentContext }

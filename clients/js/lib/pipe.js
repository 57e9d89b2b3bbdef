/**
 * The pipe: what callers put in goes straight into the datagram that will carry it; full ones leave at once, others after
 * 20 ms. Each thread of Node (`worker_threads`) and each process has its own, with an identity of its own.
 */
'use strict'

const { randomBytes } = require('node:crypto')
const { Outcome } = require('./outcome.js')
const { Datagram } = require('./wire.js')
const { Outlet } = require('./outlet.js')

const { QUEUED, DROPPED, OVERSIZE } = Outcome
/** How long a datagram that is not full waits for more. */
const TICK_MS = 20
/** From one heartbeat to the next, in milliseconds: see `schemas/wire.v1.md`. The first three follow a flush. */
const HEARTBEAT_PAUSES_MS = [0, 5, 15, 100, 1_000, 5_000, 30_000]
const AFTER_TRAFFIC = 3
/** How long the end of a process waits for what is queued. */
const EXIT_WITHIN_MS = 250
const MICROS = 1_000

/** Now, in µs since 1970. The wall clock, with the resolution of the monotonic one. */
const { timeOrigin } = performance
let skew = 0
let comparedAt = -Infinity
function now() {
  const elapsed = performance.now()
  if (elapsed - comparedAt > 1_000) {
    // The wall clock may be set while the process runs.
    comparedAt = elapsed
    const apart = Date.now() - (timeOrigin + elapsed)
    if (Math.abs(apart - skew) > 1) skew = apart
  }
  return Math.floor((timeOrigin + elapsed + skew) * MICROS)
}

class Pipe {
  constructor(settings) {
    this.settings = settings
    this.stats = {
      queued: 0, statsdQueued: 0, filtered: 0, dropped: 0, oversize: 0, datagrams: 0, statsdDatagrams: 0, sendErrors: 0,
    } // prettier-ignore
    const { destinations, statsdDestination, queueBytes } = settings
    const onError = () => {
      this.stats.sendErrors += 1
    }
    this.outlets = destinations.map((one) => new Outlet(one, queueBytes, onError))
    this.statsdOutlet = statsdDestination && new Outlet(statsdDestination, queueBytes, onError)
    this.datagram = new Datagram(settings.datagramBytes, {
      sender: randomBytes(8).readBigUInt64LE() || 1n,
      pid: process.pid,
      hostname: settings.hostname,
      logger: settings.logger,
      key: settings.key,
    })
    this.lines = ''
    /** Of the lines, and of a line feed behind each. */
    this.lineBytes = 0
    this.timer = undefined
    this.announced = 0
    this.beat = AFTER_TRAFFIC
    this.beatTimer = undefined
    this.isClosed = false
    this.hasEnded = false
  }

  /** Puts a message in, by the datagram's method `push`, or a span, by `pushSpan`. */
  push(item, method = 'push') {
    if (!this.outlets.every((outlet) => outlet.hasRoom)) return this.drop()
    const { datagram } = this
    if (!datagram[method](now(), item)) {
      if (datagram.isEmpty) return this.drop(OVERSIZE)
      this.sendMessages()
      if (!datagram[method](now(), item)) return this.drop(OVERSIZE)
    }
    this.stats.queued += 1
    return this.queued()
  }

  /** Puts a line in, or two that belong together. */
  pushLine(line) {
    if (!this.statsdOutlet.hasRoom) return this.drop()
    const most = this.settings.statsdDatagramBytes
    const bytes = Buffer.byteLength(line)
    if (this.lineBytes + bytes > most) {
      if (bytes > most) return this.drop(OVERSIZE)
      this.sendLines()
    }
    this.lines = this.lines === '' ? line : `${this.lines}\n${line}`
    this.lineBytes += bytes + 1
    this.stats.statsdQueued += 1
    return this.queued()
  }

  queued() {
    if (this.timer === undefined) this.arm()
    return QUEUED
  }

  drop(outcome = DROPPED) {
    this.stats.dropped += 1
    if (outcome === OVERSIZE) this.stats.oversize += 1
    return outcome
  }

  arm() {
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.sendAll()
    }, TICK_MS)
    if (typeof this.timer.unref === 'function') this.timer.unref()
  }

  sendAll() {
    // First, so that the messages' datagram tells what was dropped here.
    this.sendLines()
    this.sendMessages()
  }

  sendMessages() {
    if (this.datagram.isEmpty) return
    this.sendDatagram()
    this.schedule(AFTER_TRAFFIC)
  }

  sendDatagram() {
    this.announced = this.stats.dropped
    const bytes = this.datagram.finish(this.stats.datagrams, this.announced)
    this.stats.datagrams += 1
    for (const outlet of this.outlets) outlet.send(bytes)
  }

  sendLines() {
    if (this.lines === '') return
    const bytes = Buffer.from(this.lines)
    this.lines = ''
    this.lineBytes = 0
    this.stats.statsdDatagrams += 1
    this.statsdOutlet.send(bytes)
  }

  schedule(beat) {
    this.beat = beat
    if (this.beatTimer !== undefined) {
      if (typeof this.beatTimer.refresh === 'function' && this.beatTimer.beat === beat) {
        this.beatTimer.refresh()
        return
      }
      clearTimeout(this.beatTimer)
    }
    this.beatTimer = setTimeout(() => {
      this.beatTimer = undefined
      this.sendHeartbeat()
      this.schedule(Math.min(beat + 1, HEARTBEAT_PAUSES_MS.length - 1))
    }, HEARTBEAT_PAUSES_MS[beat])
    this.beatTimer.beat = beat
    if (typeof this.beatTimer.unref === 'function') this.beatTimer.unref()
  }

  sendHeartbeat() {
    const { datagrams, dropped } = this.stats
    if (datagrams === 0) return
    const bytes = this.datagram.heartbeat(now(), datagrams, dropped)
    for (const outlet of this.outlets) if (!outlet.destination.captured) outlet.send(bytes)
  }

  /** Sends all that was put in; true once it has left. */
  async flush() {
    this.flushNow()
    if (this.stats.datagrams > 0) this.schedule(0)
    return this.drained()
  }

  all() {
    return this.statsdOutlet ? [...this.outlets, this.statsdOutlet] : this.outlets
  }

  async drained(withinMs) {
    const drained = await Promise.all(this.all().map((outlet) => outlet.drained(withinMs)))
    return drained.every(Boolean)
  }

  flushNow() {
    this.sendAll()
    // An empty datagram tells what was dropped, where no other does.
    if (this.stats.dropped > this.announced && this.outlets.length > 0) {
      this.datagram.openedAt = now()
      this.sendDatagram()
    }
  }

  async close() {
    this.isClosed = true
    this.flushNow()
    if (this.stats.datagrams > 0) {
      for (const pause of HEARTBEAT_PAUSES_MS.slice(0, AFTER_TRAFFIC)) {
        if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
        this.sendHeartbeat()
      }
    }
    clearTimeout(this.timer)
    clearTimeout(this.beatTimer)
    const isDone = await this.drained()
    for (const outlet of this.all()) outlet.close()
    return isDone
  }

  /** The process would end now: it lives on until what is queued has left, once. */
  beforeExit() {
    if (this.hasEnded || (this.datagram.isEmpty && this.lines === '' && this.all().every((outlet) => outlet.bytes === 0))) return
    this.flushNow()
    this.drained(EXIT_WITHIN_MS).then((isDone) => {
      this.hasEnded = !isDone
    })
  }

  /** At the end of the process nothing can be waited for: what the socket takes at once is sent. */
  exit() {
    this.flushNow()
    for (let i = 0; i < AFTER_TRAFFIC; i += 1) this.sendHeartbeat()
  }
}

module.exports = { Pipe, now }

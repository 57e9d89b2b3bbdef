/**
 * Sending datagrams to one destination. What cannot be sent is not kept: the gap in the sequence numbers tells the
 * listener.
 *
 * A socket is connected once, so that no datagram costs a look-up; a host that is named is looked up again every minute.
 */
'use strict'

const dgram = require('node:dgram')
const dns = require('node:dns')

const LOOK_UP_AGAIN_AFTER_MS = 60_000
const REOPEN_AFTER_MS = 5_000
const FLUSH_WITHIN_MS = 1_000
/** Of the datagram that was being filled when there was no room for more, and of heartbeats. */
const ACCEPTED_BYTES_MAX = 65_536

class Outlet {
  /**
   * @param {{captured?: {datagrams: Buffer[]}, host?: string, port?: number, family?: number}} destination
   * @param {number} bytesMax of datagrams that wait until the socket is open, or in the socket
   * @param {() => void} onError called for each datagram that is not sent
   */
  constructor(destination, bytesMax, onError) {
    this.destination = destination
    this.bytesMax = bytesMax
    this.onError = onError
    this.socket = undefined
    this.isConnected = false
    this.waiting = []
    this.bytes = 0
    this.address = destination.family ? destination.host : undefined
    this.family = destination.family
    this.lookedUpAt = -Infinity
    this.openedAt = -Infinity
    this.isLookingUp = false
    this.isClosed = false
    if (!destination.captured) this.open()
  }

  /** False: there is no room for more. */
  get hasRoom() {
    return this.bytes < this.bytesMax
  }

  /** Sends a datagram, or keeps it until the socket is open. */
  send(datagram) {
    if (this.destination.captured) {
      this.destination.captured.datagrams.push(datagram)
      return
    }
    this.refresh()
    if (this.isConnected) this.pass(datagram)
    else if (this.bytes < this.bytesMax + ACCEPTED_BYTES_MAX && !this.isClosed) {
      this.bytes += datagram.length
      this.waiting.push(datagram)
    } else this.onError()
  }

  /** Resolves when nothing waits any more. */
  async drained(withinMs = FLUSH_WITHIN_MS) {
    const until = Date.now() + withinMs
    while (this.bytes > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 1))
    return this.bytes === 0
  }

  close() {
    this.isClosed = true
    const { socket } = this
    this.socket = undefined
    this.isConnected = false
    if (socket) {
      try {
        socket.close()
      } catch {
        // It was closed already.
      }
    }
  }

  pass(datagram) {
    this.bytes += datagram.length
    try {
      this.socket.send(datagram, (error, sent) => {
        this.bytes -= datagram.length
        // Bun calls back with 0 where the socket had no room.
        if (error || sent === 0) this.onError()
      })
    } catch {
      this.bytes -= datagram.length
      this.onError()
    }
  }

  open() {
    if (this.isClosed || this.socket || Date.now() - this.openedAt < REOPEN_AFTER_MS) return
    if (this.address === undefined) {
      this.lookUp()
      return
    }
    this.openedAt = Date.now()
    const { address, family } = this
    const socket = dgram.createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Numeric by now: the address that is sent to, and the one that is sent from. Without this both are looked up.
      lookup: (host, _options, callback) => callback(null, host, family),
    })
    this.socket = socket
    if (typeof socket.unref === 'function') socket.unref()
    socket.on('error', () => {
      this.onError()
      if (!this.isConnected) this.reopen()
    })
    socket.on('connect', () => this.connected(socket))
    try {
      socket.connect(this.destination.port, address)
      // Node has connected by now, and says so later: too late for a process that ends at once. Others throw here.
      if (socket.remoteAddress()) this.connected(socket)
    } catch {
      // 'connect' or 'error' follows.
    }
  }

  connected(socket) {
    if (socket !== this.socket || this.isConnected) return
    this.isConnected = true
    for (const datagram of this.waiting.splice(0)) {
      this.bytes -= datagram.length
      this.pass(datagram)
    }
  }

  reopen() {
    const { socket } = this
    this.socket = undefined
    this.isConnected = false
    try {
      if (socket) socket.close()
    } catch {
      // It was closed already.
    }
  }

  refresh() {
    if (this.destination.family) {
      if (!this.socket) this.open()
    } else if (Date.now() - this.lookedUpAt > (this.address ? LOOK_UP_AGAIN_AFTER_MS : REOPEN_AFTER_MS)) {
      this.lookUp()
    }
  }

  lookUp() {
    if (this.isLookingUp) return
    this.isLookingUp = true
    this.lookedUpAt = Date.now()
    dns.lookup(this.destination.host, { all: true }, (error, found) => {
      this.isLookingUp = false
      if (error || !found || found.length === 0) return
      // Of several addresses the first of IPv4, as all clients do.
      const { address, family } = found.find((one) => one.family === 4) || found[0]
      if (address !== this.address) {
        this.reopen()
        this.address = address
        this.family = family
        this.openedAt = -Infinity
      }
      this.open()
    })
  }
}

module.exports = { Outlet }

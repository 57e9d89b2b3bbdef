/**
 * A transport for pino: each line of it becomes a message.
 *
 *     pino({ transport: { target: 'metlog/pino', options: { logger: 'shop' } } })
 *
 * It runs in a worker thread of pino's and has a client of its own, so `options` are those of `init`.
 */
'use strict'

const { Writable } = require('node:stream')
const { Client } = require('./client.js')
const { fromEnvironment } = require('./config.js')

/** pino's levels: trace 10, debug 20, info 30, warn 40, error 50, fatal 60. */
function severityOf(level) {
  if (level >= 60) return 2
  if (level >= 50) return 3
  if (level >= 40) return 4
  return level >= 30 ? 6 : 7
}

/** What pino adds to the options of every transport. */
const OF_PINO = ['$context', 'pinoWillSendConfig']

module.exports = function transport(given = {}) {
  const options = Object.fromEntries(Object.entries(given).filter(([key]) => !OF_PINO.includes(key)))
  const client = new Client({ ...fromEnvironment(), ...options })
  let rest = ''
  const take = (line) => {
    if (line.trim() === '') return
    let record
    try {
      record = JSON.parse(line)
    } catch {
      client.message(line, { type: 'log' })
      return
    }
    const { level, time, msg, name, pid, hostname: _hostname, ...fields } = record
    client.message(msg === undefined ? '' : msg, {
      type: 'log',
      severity: severityOf(Number(level)),
      logger: name,
      timestamp: Number.isFinite(Number(time)) ? Number(time) : Date.parse(time) || undefined,
      fields: { ...fields, pid },
    })
  }
  return new Writable({
    autoDestroy: true,
    write(chunk, _encoding, done) {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop()
      for (const line of lines) take(line)
      done()
    },
    final(done) {
      take(rest)
      rest = ''
      client.close().then(() => done(), done)
    },
  })
}

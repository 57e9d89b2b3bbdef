/**
 * metlog: messages, counters and timers from an application, fire and forget.
 *
 *     const metlog = require('metlog')            // or: import * as metlog from 'metlog'
 *     metlog.init({ logger: 'sync' })
 *     metlog.send(['browserid', 'login'], 'user 25')
 */
'use strict'

const { Client, Outcome } = require('./client.js')
const { Captured, ConfigError, fromEnvironment } = require('./config.js')
const { Span, currentContext } = require('./spans.js')

/** The client of this process (of this thread, with `worker_threads`), which the functions below use. */
const client = new Client()

/** Sets it up, and gives it. What `config` says comes before the environment. Throws a `ConfigError`. */
function init(config = {}) {
  client.configure({ ...fromEnvironment(), ...config })
  return client
}

const calls = [
  'send', 'message', 'incr', 'decr', 'count', 'gauge', 'gaugeDelta', 'timing', 'histogram', 'set', 'timer', 'time',
  'span', 'trace', 'flush', 'close', 'stats',
] // prettier-ignore

module.exports = { Captured, Client, ConfigError, Outcome, Span, client, currentContext, init }
for (const call of calls) module.exports[call] = client[call].bind(client)

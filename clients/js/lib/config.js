/**
 * Configuration of a client: what was given and the environment, checked as a whole. The keys are those of every metlog
 * client, in camel case: see `schemas/clients.md` of the repository.
 */
'use strict'

const os = require('node:os')
const { isIP } = require('node:net')

const DATAGRAM_BYTES_MIN = 256
const DATAGRAM_BYTES_MAX = 65507
const DATAGRAM_BYTES_DEFAULT = 1432
const QUEUE_BYTES_DEFAULT = 1048576
/** Bytes of a datagram that header and signature must leave for messages. */
const BODY_BYTES_MIN = 128

const KEYS = [
  'destinations', 'statsd', 'statsdDestination', 'statsdPrefix', 'statsdDatagramBytes', 'logger', 'severity', 'type',
  'hostname', 'datagramBytes', 'queueBytes', 'keyId', 'key', 'disabledTimers', 'filters', 'sampling',
] // prettier-ignore
const FILTERS = ['severityMax', 'typeBlacklist', 'typeWhitelist', 'typeSeverityMax']

/** A configuration that cannot be; its message names the key. */
class ConfigError extends Error {
  constructor(message) {
    super(message)
    this.name = 'ConfigError'
  }
}

/** Keeps what would be sent, for tests of an application. */
class Captured {
  constructor() {
    /** @type {Buffer[]} */
    this.datagrams = []
  }
}

/** `host:port`, `[::1]:5565`, or a `Captured`. Node has no Unix datagram sockets. */
function destination(key, where) {
  if (where instanceof Captured) return { captured: where }
  const found = typeof where === 'string' ? /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(where) : null
  const port = found ? Number(found[3]) : 0
  if (found === null || port < 1 || port > 65535) {
    throw new ConfigError(`\`${key}\`: ${JSON.stringify(where)} is not host:port`)
  }
  const host = found[1] || found[2]
  return { host, port, family: isIP(host) }
}

/** What is true: complete and parsed. */
function settings(given) {
  const unknown = Object.keys(given).find((key) => !KEYS.includes(key))
  if (unknown) throw new ConfigError(`\`${unknown}\` is not a key of metlog; the keys are ${KEYS.join(', ')}`)
  const get = (key, otherwise) => (given[key] === undefined || given[key] === null ? otherwise : given[key])
  const result = {
    destinations: list('destinations', get('destinations', ['127.0.0.1:5565'])).map((one) => destination('destinations', one)),
    statsdDestination: truth('statsd', get('statsd', true))
      ? destination('statsdDestination', get('statsdDestination', '127.0.0.1:8125'))
      : undefined,
    statsdPrefix: prefix(get('statsdPrefix', '')),
    statsdDatagramBytes: datagramBytes('statsdDatagramBytes', get('statsdDatagramBytes', DATAGRAM_BYTES_DEFAULT)),
    logger: name('logger', get('logger', '')),
    severity: severity('severity', get('severity', 6)),
    type: name('type', get('type', 'metlog')),
    hostname: name('hostname', get('hostname', allowed(os.hostname) || 'localhost')),
    datagramBytes: datagramBytes('datagramBytes', get('datagramBytes', DATAGRAM_BYTES_DEFAULT)),
    queueBytes: whole('queueBytes', get('queueBytes', QUEUE_BYTES_DEFAULT)),
    key: signingKey(get('keyId'), get('key')),
    disabledTimers: new Set(list('disabledTimers', get('disabledTimers', []))),
    sampling: share('sampling', get('sampling', 1)),
    filters: readFilters(get('filters', {})),
  }
  const names = [result.hostname, result.logger, ...(result.key ? [result.key.id] : [])]
  const header = 43 + names.reduce((sum, one) => sum + 1 + Buffer.byteLength(one), 0) + (result.key ? 32 : 0)
  if (result.datagramBytes < header + BODY_BYTES_MIN) {
    const least = header + BODY_BYTES_MIN
    throw new ConfigError(`\`datagramBytes\` must be at least ${least} with this hostname, logger and keyId`)
  }
  if (result.queueBytes < 4 * Math.max(result.datagramBytes, result.statsdDatagramBytes)) {
    throw new ConfigError('`queueBytes` must be at least four datagrams')
  }
  return result
}

/** What Deno does not allow is as if it were not there. */
function allowed(read) {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** What the variables `METLOG_…` say. */
function fromEnvironment(environment = process.env) {
  const given = {}
  const variable = (key) => allowed(() => environment[`METLOG_${key.replace(/[A-Z]/g, '_$&').toUpperCase()}`])
  for (const key of KEYS) {
    if (key !== 'filters' && key !== 'destinations' && variable(key) !== undefined) given[key] = variable(key)
  }
  if (variable('destination') !== undefined) given.destinations = variable('destination')
  const rules = FILTERS.filter((key) => variable(key) !== undefined).map((key) => [key, variable(key)])
  if (rules.length > 0) given.filters = Object.fromEntries(rules)
  return given
}

function wrong(key, value, expected) {
  return new ConfigError(`\`${key}\` is ${JSON.stringify(value)}; expected ${expected}`)
}

function truth(key, value) {
  if (typeof value === 'boolean') return value
  const word = String(value).trim().toLowerCase()
  if (['true', 't', 'on', 'yes', '1'].includes(word)) return true
  if (['false', 'f', 'off', 'no', '0'].includes(word)) return false
  throw wrong(key, value, 'true or false')
}

function whole(key, value) {
  const text = String(value).trim()
  if (!/^\d{1,15}$/.test(text)) throw wrong(key, value, 'a whole number')
  return Number(text)
}

function severity(key, value) {
  const number = whole(key, value)
  if (number > 7) throw wrong(key, value, '0 to 7')
  return number
}

function datagramBytes(key, value) {
  const number = whole(key, value)
  if (number < DATAGRAM_BYTES_MIN || number > DATAGRAM_BYTES_MAX) {
    throw wrong(key, value, `${DATAGRAM_BYTES_MIN} to ${DATAGRAM_BYTES_MAX}`)
  }
  return number
}

function share(key, value) {
  const number = typeof value === 'string' && value.trim() === '' ? NaN : Number(value)
  if (!(number >= 0 && number <= 1)) throw wrong(key, value, 'a number from 0 to 1')
  return number
}

function name(key, value) {
  if (typeof value !== 'string') throw wrong(key, value, 'text')
  if (Buffer.byteLength(value) > 255) throw new ConfigError(`\`${key}\` is longer than 255 bytes`)
  return value
}

function prefix(value) {
  const text = name('statsdPrefix', value).replace(/\.+$/, '')
  // eslint-disable-next-line no-control-regex
  if (/[:|@#\s\u0000-\u001f\u007f]/.test(text)) {
    throw new ConfigError('`statsdPrefix` must not contain `:`, `|`, `@`, `#`, whitespace or control characters')
  }
  return text === '' ? '' : `${text}.`
}

function list(key, value) {
  if (typeof value === 'string') return value.split(',').map((part) => part.trim()).filter(Boolean)
  if (value instanceof Captured) return [value]
  if (!Array.isArray(value) && !(value instanceof Set)) throw wrong(key, value, 'a list')
  return [...value]
}

function signingKey(id, secret) {
  if (id === undefined && secret === undefined) return undefined
  if (secret === undefined) throw new ConfigError('`keyId` requires `key`')
  if (id === undefined) throw new ConfigError('`key` requires `keyId`')
  let bytes = Buffer.from(secret)
  if (typeof secret === 'string' && secret.startsWith('hex:')) {
    bytes = Buffer.from(secret.slice(4), 'hex')
    if (bytes.length * 2 !== secret.length - 4) throw new ConfigError('`key` is not hexadecimal after `hex:`')
  }
  if (bytes.length === 0) throw new ConfigError('`key` must not be empty')
  return { id: name('keyId', id), secret: bytes }
}

function readFilters(given) {
  const unknown = Object.keys(given).find((rule) => !FILTERS.includes(rule))
  if (unknown) throw new ConfigError(`\`filters.${unknown}\` is not a filter; the filters are ${FILTERS.join(', ')}`)
  let byType = given.typeSeverityMax || {}
  if (typeof byType === 'string') {
    byType = Object.fromEntries(list('filters.typeSeverityMax', byType).map((rule) => rule.split('=').map((part) => part.trim())))
  }
  const result = {
    severityMax: given.severityMax === undefined ? undefined : severity('filters.severityMax', given.severityMax),
    typeBlacklist: new Set(list('filters.typeBlacklist', given.typeBlacklist || [])),
    typeWhitelist: new Set(list('filters.typeWhitelist', given.typeWhitelist || [])),
    typeSeverityMax: new Map(Object.entries(byType).map(([type, most]) => [type, severity('filters.typeSeverityMax', most)])),
  }
  const isEmpty =
    result.severityMax === undefined &&
    result.typeBlacklist.size + result.typeWhitelist.size + result.typeSeverityMax.size === 0
  return isEmpty ? undefined : result
}

/** True if a message of this type and severity is sent. */
function passes(rules, type, level) {
  if (rules.severityMax !== undefined && level > rules.severityMax) return false
  if (rules.typeBlacklist.has(type)) return false
  if (rules.typeWhitelist.size > 0 && !rules.typeWhitelist.has(type)) return false
  const most = rules.typeSeverityMax.get(type)
  return most === undefined || level <= most
}

module.exports = { Captured, ConfigError, fromEnvironment, passes, settings }

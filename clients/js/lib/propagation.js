/**
 * Trace context in headers, in and out: W3C (`traceparent`, `tracestate`, `baggage`), Jaeger (`uber-trace-id`, `uberctx-…`)
 * and B3 (one header or several).
 *
 * Pure. Headers are somebody else's input: whatever they say, nothing here throws, and what is read is bounded. A context
 * is `{ traceId, spanId, flags, traceState, baggage, isDecided, isDebug }`, ids in lower-case hexadecimal, '' for none.
 */
'use strict'

const SAMPLED = 1
const STATE_MEMBERS_MAX = 32
const STATE_BYTES_MAX = 8192
const BAGGAGE_MEMBERS_MAX = 64
/** Longer headers that have a fixed form are not read. */
const HEADER_BYTES_MAX = 512
const BAGGAGE_BYTES_MAX = 8192
const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s
const HEX = /^[0-9a-f]+$/i
const ZEROS = /^0*$/
const STATE_KEY = /^[a-z0-9][a-z0-9_\-*/@]{0,255}$/
const STATE_VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const FORMATS = ['w3c', 'jaeger', 'b3', 'b3multi']

function context(more) {
  return { traceId: '', spanId: '', flags: 0, traceState: '', baggage: {}, isDecided: true, isDebug: false, ...more }
}

function isValid(one) {
  return !ZEROS.test(one.traceId) && !ZEROS.test(one.spanId)
}

/** Reads headers of a plain object, a `Headers`, a `Map`, or pairs; names in any case. */
function getter(carrier) {
  const found = new Map()
  const isPairs = Array.isArray(carrier)
  const pairs = isPairs ? carrier : typeof carrier.entries === 'function' ? carrier.entries() : Object.entries(carrier)
  for (const [key, value] of pairs) {
    const name = String(key).toLowerCase()
    const values = Array.isArray(value) ? value.map(String) : value === undefined ? [] : [String(value)]
    found.set(name, [...(found.get(name) || []), ...values])
  }
  const get = (name) => found.get(name) || []
  get.names = () => found.keys()
  return get
}

/** The context of a request, by the first of the formats that says one; baggage by whichever carries it. */
function extract(carrier, formats = FORMATS) {
  const get = typeof carrier === 'function' ? carrier : getter(carrier)
  const baggage = readBaggage(get('baggage'))
  for (const name of get.names()) {
    if (name.startsWith('uberctx-') && Object.keys(baggage).length < BAGGAGE_MEMBERS_MAX) {
      const key = name.slice(8)
      if (!Object.hasOwn(baggage, key)) define(baggage, key, unquote(get(name)[0]))
    }
  }
  for (const format of formats) {
    const found = READERS[format](get)
    if (found !== undefined) return { ...found, baggage }
  }
  return Object.keys(baggage).length > 0 ? context({ baggage, isDecided: false }) : undefined
}

/** Writes the headers of a request that goes on with this context. */
function inject(one, carrier = {}, formats = ['w3c']) {
  const set = typeof carrier.set === 'function' ? (key, value) => carrier.set(key, value) : (key, value) => (carrier[key] = value)
  if (!one) return carrier
  if (isValid(one)) for (const format of formats) WRITERS[format](one, set)
  const entries = Object.entries(one.baggage || {})
  if (entries.length > 0 && formats.includes('w3c')) set('baggage', writeBaggage(entries, propertiesOf.get(one.baggage)))
  if (formats.includes('jaeger')) {
    for (const [key, value] of entries) if (TOKEN.test(key)) set(`uberctx-${key}`, encodeURIComponent(value))
  }
  return carrier
}

function readW3c(get) {
  const values = get('traceparent')
  if (values.length !== 1 || values[0].length > HEADER_BYTES_MAX) return undefined
  const found = PARENT.exec(values[0].trim())
  if (found === null) return undefined
  const [, version, traceId, spanId, flags, more] = found
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  const one = context({ traceId, spanId, flags: parseInt(flags, 16) & (version === '00' ? 3 : 1) })
  return isValid(one) ? { ...one, traceState: readState(get('tracestate')) } : undefined
}

/** The members of all headers together, of each key the first; none of them where one is not well formed. */
function readState(values) {
  const members = values
    .join(',')
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '')
  const found = new Map()
  for (const member of members) {
    const at = member.indexOf('=')
    const key = member.slice(0, Math.max(0, at))
    if (!STATE_KEY.test(key) || !STATE_VALUE.test(member.slice(at + 1))) return ''
    if (!found.has(key)) found.set(key, member)
  }
  const text = [...found.values()].join(',')
  return found.size <= STATE_MEMBERS_MAX && text.length <= STATE_BYTES_MAX ? text : ''
}

function hex(number, digits) {
  return number.toString(16).padStart(digits, '0')
}

function writeW3c(one, set) {
  set('traceparent', `00-${one.traceId}-${one.spanId}-${hex(one.flags & 0xff, 2)}`)
  if (one.traceState) set('tracestate', one.traceState)
}

/** Properties of members, by the object that has the members: whoever makes another one sends none. */
const propertiesOf = new WeakMap()

/** `;p;q=2` behind a value, as pairs. */
function readProperties(texts) {
  return texts.flatMap((text) => {
    const at = text.indexOf('=')
    const key = (at < 0 ? text : text.slice(0, at)).trim()
    return TOKEN.test(key) ? [[key, at < 0 ? undefined : unquote(text.slice(at + 1).trim())]] : []
  })
}

function readBaggage(values) {
  const found = {}
  const properties = new Map()
  let bytes = 0
  let members = 0
  for (const member of values.join(',').split(',')) {
    const at = member.indexOf('=')
    const key = at < 0 ? '' : member.slice(0, at).trim()
    if (!TOKEN.test(key)) continue
    const [value, ...more] = member.slice(at + 1).split(';').map((part) => part.trim())
    bytes += key.length + value.length + 2 + more.reduce((sum, part) => sum + part.length + 1, 0)
    members += 1
    if (members > BAGGAGE_MEMBERS_MAX || bytes > BAGGAGE_BYTES_MAX + 1) break
    if (Object.hasOwn(found, key)) continue
    define(found, key, unquote(value))
    if (more.length > 0) properties.set(key, readProperties(more))
  }
  if (properties.size > 0) propertiesOf.set(found, properties)
  return found
}

/** Also for keys such as `__proto__`. */
function define(object, key, value) {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}

/** All but letters, digits and `-._~`. */
function quote(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
}

function writeBaggage(entries, properties) {
  const members = []
  let bytes = 0
  for (const [key, value] of entries) {
    if (!TOKEN.test(key)) continue
    const more = (properties && properties.get(key)) || []
    const member = [`${key}=${quote(value)}`, ...more.map(([name, one]) => (one === undefined ? name : `${name}=${quote(one)}`))].join(';')
    bytes += member.length + 1
    if (bytes > BAGGAGE_BYTES_MAX + 1) break
    members.push(member)
  }
  return members.join(',')
}

/** Percent coding that is none stays as it is; what is no UTF-8 becomes U+FFFD. */
function unquote(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text.replace(/(?:%[0-9a-f]{2})+/gi, (coded) => Buffer.from(coded.replaceAll('%', ''), 'hex').toString())
  }
}

function readJaeger(get) {
  const values = get('uber-trace-id')
  if (values.length !== 1) return undefined
  const text = values[0].trim()
  if (text.length > HEADER_BYTES_MAX) return undefined
  const parts = (text.includes('%') ? unquote(text) : text).split(':')
  if (parts.length !== 4) return undefined
  const [traceId, spanId, , flags] = parts
  if (![traceId, spanId, flags].every((part) => HEX.test(part))) return undefined
  if (traceId.length > 32 || spanId.length > 16 || flags.length > 8) return undefined
  const one = context({
    traceId: traceId.toLowerCase().padStart(32, '0'),
    spanId: spanId.toLowerCase().padStart(16, '0'),
    flags: parseInt(flags, 16) & 3 ? SAMPLED : 0,
    isDebug: (parseInt(flags, 16) & 2) !== 0,
  })
  return isValid(one) ? one : undefined
}

function writeJaeger(one, set) {
  set('uber-trace-id', `${one.traceId}:${one.spanId}:0:${one.isDebug ? 3 : one.flags & SAMPLED}`)
}

function readB3(get) {
  const values = get('b3')
  if (values.length !== 1) return undefined
  const parts = values[0].trim().split('-')
  if (parts.length === 1) {
    const decided = b3Sampled(parts[0])
    return decided === undefined ? undefined : context({ flags: decided, isDebug: parts[0] === 'd' })
  }
  return parts.length <= 4 ? ofB3(parts[0], parts[1], parts[2]) : undefined
}

function readB3Multi(get) {
  const one = (name) => (get(name).length === 1 ? get(name)[0].trim() : undefined)
  const sampled = one('x-b3-flags') === '1' ? 'd' : one('x-b3-sampled')
  const traceId = one('x-b3-traceid')
  const spanId = one('x-b3-spanid')
  if (traceId === undefined || spanId === undefined) {
    const decided = sampled === undefined ? undefined : b3Sampled(sampled)
    return decided === undefined ? undefined : context({ flags: decided, isDebug: sampled === 'd' })
  }
  return ofB3(traceId, spanId, sampled)
}

function ofB3(traceId, spanId, sampled) {
  if (![16, 32].includes(traceId.length) || spanId.length !== 16 || !HEX.test(traceId) || !HEX.test(spanId)) return undefined
  const decided = sampled === undefined ? undefined : b3Sampled(sampled)
  if (sampled !== undefined && decided === undefined) return undefined
  const one = context({
    traceId: traceId.toLowerCase().padStart(32, '0'),
    spanId: spanId.toLowerCase(),
    flags: decided || 0,
    isDecided: decided !== undefined,
    isDebug: sampled === 'd',
  })
  return isValid(one) ? one : undefined
}

function b3Sampled(word) {
  return new Map([['1', SAMPLED], ['d', SAMPLED], ['true', SAMPLED], ['0', 0], ['false', 0]]).get(word.toLowerCase()) // prettier-ignore
}

function writeB3(one, set) {
  set('b3', `${one.traceId}-${one.spanId}-${one.isDebug ? 'd' : one.flags & SAMPLED}`)
}

function writeB3Multi(one, set) {
  set('X-B3-TraceId', one.traceId)
  set('X-B3-SpanId', one.spanId)
  if (one.isDebug) set('X-B3-Flags', '1')
  else set('X-B3-Sampled', String(one.flags & SAMPLED))
}

const READERS = { w3c: readW3c, jaeger: readJaeger, b3: readB3, b3multi: readB3Multi }
const WRITERS = { w3c: writeW3c, jaeger: writeJaeger, b3: writeB3, b3multi: writeB3Multi }

module.exports = { FORMATS, SAMPLED, context, extract, inject, isValid }

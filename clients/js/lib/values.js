/** What callers pass as payload, tokens and fields, as the texts that are sent; and statsd's names and numbers. Pure. */
'use strict'

/** Deeper values are written as text: a value that contains itself must end somewhere. */
const DEPTH_MAX = 16
/** What would end a name, a value or a line. In a name `::` becomes a dot before. */
// eslint-disable-next-line no-control-regex
const SPECIAL = /[:|@#\u0000-\u001f\u007f]/g
// eslint-disable-next-line no-control-regex
const HAS_SPECIAL = /[:|@#\u0000-\u001f\u007f]/

/** A value as text; never throws. */
function asText(value) {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? decimal(value) : nameOf(value)
  try {
    if (value instanceof Uint8Array) return Buffer.from(value).toString()
    if (value === undefined) return 'null'
    if (value instanceof Error) return value.stack || String(value)
    if (value instanceof Date) return value.toISOString()
    return String(value)
  } catch {
    return '<object>'
  }
}

function nameOf(value) {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'inf' : '-inf'
}

/** A finite number: the shortest digits that read back as the same number, without an exponent. */
function decimal(value) {
  const text = Object.is(value, -0) ? '-0' : String(value)
  const found = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text)
  if (found === null) return text
  const [, sign, first, more = '', exponent] = found
  const digits = first + more
  const point = 1 + Number(exponent)
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return sign + digits.padEnd(point, '0')
}

/** The fields of a message as key, value, key, value: nested ones under dotted keys, items of lists as `key[0]`. */
function flat(fields) {
  const out = []
  const entries = fields instanceof Map ? fields.entries() : Object.entries(fields)
  for (const [key, value] of entries) add(out, asText(key), value, 0)
  return out
}

function add(out, key, value, depth) {
  if (depth >= DEPTH_MAX || !isContainer(value)) {
    out.push(key, asText(value))
  } else if (Array.isArray(value)) {
    if (value.length === 0) out.push(key, '[]')
    value.forEach((item, i) => add(out, `${key}[${i}]`, item, depth + 1))
  } else {
    const entries = value instanceof Map ? [...value.entries()] : Object.entries(value)
    if (entries.length === 0) out.push(key, '{}')
    for (const [inner, item] of entries) add(out, `${key}.${asText(inner)}`, item, depth + 1)
  }
}

function isContainer(value) {
  return Array.isArray(value) || value instanceof Map || isRecord(value)
}

/** A plain object: of no class. */
function isRecord(value) {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** A statsd name without anything that would end it. */
function cleanName(name) {
  const text = asText(name)
  return HAS_SPECIAL.test(text) ? text.replaceAll('::', '.').replace(SPECIAL, '_') : text
}

/** A member of a set. */
function cleanMember(member) {
  return asText(member).replace(SPECIAL, '_')
}

/** A number as a line has it; `undefined` if it is none. */
function number(value) {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'boolean') return value ? '1' : '0'
  const converted = typeof value === 'number' ? value : typeof value === 'string' && value.trim() ? Number(value) : NaN
  return Number.isFinite(converted) ? decimal(converted) : undefined
}

module.exports = { DEPTH_MAX, asText, cleanMember, cleanName, decimal, flat, isRecord, number }

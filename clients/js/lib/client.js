/**
 * The client: what applications call. No call waits, and none throws but for a configuration that cannot be. What becomes
 * of a call is its result, an `Outcome`, which may be ignored: losses are counted, and told to the listener.
 */
'use strict'

const { passes, settings: check } = require('./config.js')
const { Outcome } = require('./outcome.js')
const { Pipe, now } = require('./pipe.js')
const { Span, current } = require('./spans.js')
const { asText, cleanMember, cleanName, decimal, flat, number } = require('./values.js')

const { FILTERED, SAMPLED_OUT, OFF } = Outcome
const NOTHING = Object.freeze([])

/** Clients that have not been closed: what they hold is sent at the end of the process. */
const open = new Set()

class Client {
  constructor(config) {
    this.pipe = undefined
    this.settings = undefined
    if (config) this.configure(config)
  }

  /** Replaces the configuration; what is queued is sent as before. Throws a `ConfigError`, and nothing has changed. */
  configure(config) {
    const settings = check(config)
    const before = this.pipe
    this.settings = settings
    this.pipe = new Pipe(settings)
    this.plain = { severity: settings.severity, type: settings.type, tokens: NOTHING, payload: '', fields: undefined }
    if (before) before.close()
    open.add(this)
  }

  /** Sends a message of the configured type: strings that classify it, and a text. */
  send(tokens, payload = '') {
    const { pipe } = this
    if (pipe === undefined || pipe.outlets.length === 0) return OFF
    if (typeof payload !== 'string' || !isTexts(tokens) || this.settings.filters !== undefined || current.getStore()) {
      return this.message(payload, { tokens })
    }
    const { plain } = this
    plain.tokens = tokens
    plain.payload = payload
    return pipe.push(plain)
  }

  /** Sends a message with everything that one can have; `timestamp` is a `Date` or milliseconds since 1970. */
  message(payload = '', { type, tokens = NOTHING, fields, severity, logger, timestamp } = {}) {
    const { pipe, settings } = this
    if (pipe === undefined || pipe.outlets.length === 0) return OFF
    try {
      const kind = type === undefined ? settings.type : asText(type)
      const level = severity === undefined ? settings.severity : Math.max(0, Math.min(7, Math.trunc(Number(severity)) || 0))
      if (settings.filters !== undefined && !passes(settings.filters, kind, level)) {
        pipe.stats.filtered += 1
        return FILTERED
      }
      const own = logger === undefined ? undefined : asText(logger)
      return pipe.push({
        timestamp: timestamp === undefined ? undefined : micros(timestamp),
        severity: level,
        type: kind,
        logger: own === settings.logger ? undefined : own,
        tokens: typeof tokens === 'string' ? [tokens] : Array.from(tokens, asText),
        payload: asText(payload),
        fields: withIds(fields ? flat(fields) : undefined),
      })
    } catch {
      return pipe.drop()
    }
  }

  /** Begins a span below the one that is current here, or below `parent`; `end()` sends it. */
  span(name, options) {
    return new Span(this, name, options)
  }

  /** Runs a function in a span of its own, which ends when it does (or its promise), and gives what it gives. */
  trace(name, options, run = options) {
    const span = this.span(name, typeof options === 'function' ? undefined : options)
    let result
    try {
      result = span.run(() => run(span))
    } catch (error) {
      span.exception(error).end()
      throw error
    }
    if (result && typeof result.then === 'function') {
      result.then(
        () => span.end(),
        (error) => span.exception(error).end()
      )
    } else {
      span.end()
    }
    return result
  }

  /** The share of the traces that begin here which are kept; 0 while the client is off. */
  get sampling() {
    return this.pipe === undefined || this.pipe.outlets.length === 0 ? 0 : this.settings.sampling
  }

  /** Now, in µs since 1970. */
  now() {
    return now()
  }

  /** Sends a span that has ended; `Span.end` does. */
  sendSpan(span) {
    const { pipe } = this
    if (pipe === undefined || pipe.outlets.length === 0) return OFF
    try {
      return pipe.push(span, 'pushSpan')
    } catch {
      return pipe.drop()
    }
  }

  /** Counts something. */
  incr(name, count = 1, rate = 1) {
    const { pipe } = this
    if (pipe === undefined || pipe.statsdOutlet === undefined) return OFF
    if (count === 1 && rate >= 1 && typeof name === 'string') return this.line(`${cleanName(name)}:1|c`)
    return this.value(name, count, 'c', rate)
  }

  /** Counts something, so many times. */
  count(name, count, rate = 1) {
    return this.value(name, count, 'c', rate)
  }

  /** Counts down. */
  decr(name, count = 1, rate = 1) {
    return this.value(name, -count, 'c', rate)
  }

  /** Sets a gauge; a negative value too: it is set to 0 first, since a sign would make it a delta. */
  gauge(name, value, rate = 1) {
    return this.valued(value, rate, (text) => {
      const clean = cleanName(name)
      return text.startsWith('-') ? `${clean}:0|g\n${this.settings.statsdPrefix}${clean}:${text}|g` : `${clean}:${text}|g`
    })
  }

  /** Changes a gauge. */
  gaugeDelta(name, delta) {
    return this.valued(delta, 1, (text) => `${cleanName(name)}:${text.startsWith('-') ? '' : '+'}${text}|g`)
  }

  /** A time in milliseconds. */
  timing(name, milliseconds, rate = 1) {
    return this.isTimed(name) ? this.value(name, milliseconds, 'ms', rate) : OFF
  }

  /** A value whose distribution matters, such as a size. */
  histogram(name, value, rate = 1) {
    return this.value(name, value, 'h', rate)
  }

  /** A member of a set whose distinct members are counted. */
  set(name, member, rate = 1) {
    if (this.pipe === undefined || this.pipe.statsdOutlet === undefined) return OFF
    if (!takes(rate)) return SAMPLED_OUT
    return this.line(`${cleanName(name)}:${cleanMember(member)}|s`)
  }

  /** Begins to time; `stop()` sends, and gives milliseconds. */
  timer(name, rate = 1) {
    const began = performance.now()
    let result
    return {
      stop: () => {
        if (result === undefined) {
          result = elapsed(began)
          this.timing(name, result, rate)
        }
        return result
      },
    }
  }

  /** Times a function, also one that gives a promise, and gives what it gives. Each call is sampled for itself. */
  time(name, run, rate = 1) {
    const began = performance.now()
    const end = () => this.timing(name, elapsed(began), rate)
    let result
    try {
      result = run()
    } catch (error) {
      end()
      throw error
    }
    if (result && typeof result.then === 'function') {
      result.then(end, end)
    } else {
      end()
    }
    return result
  }

  /** Resolves when all that was put in before has left: true, or false if not all of it did within a second. */
  async flush() {
    return this.pipe === undefined || this.pipe.flush()
  }

  /** Sends what is left; then the client is off. */
  async close() {
    const { pipe } = this
    this.pipe = undefined
    open.delete(this)
    return pipe === undefined || pipe.close()
  }

  /** The counts so far. */
  stats() {
    return { ...EMPTY_STATS, ...(this.pipe && this.pipe.stats) }
  }

  value(name, value, kind, rate) {
    const said = rate < 1 && takesRate(rate) ? `|@${decimal(rate)}` : ''
    return this.valued(value, rate, (text) => `${cleanName(name)}:${text}|${kind}${said}`)
  }

  valued(value, rate, make) {
    const { pipe } = this
    if (pipe === undefined || pipe.statsdOutlet === undefined) return OFF
    const text = number(value)
    if (text === undefined) {
      return pipe.drop()
    }
    return takes(rate) ? this.line(make(text)) : SAMPLED_OUT
  }

  line(text) {
    const { statsdPrefix } = this.settings
    return this.pipe.pushLine(statsdPrefix === '' ? text : statsdPrefix + text)
  }

  isTimed(name) {
    const { settings } = this
    return settings !== undefined && !settings.disabledTimers.has('*') && !settings.disabledTimers.has(name)
  }
}

const EMPTY_STATS = Object.freeze({
  queued: 0, statsdQueued: 0, filtered: 0, dropped: 0, oversize: 0, datagrams: 0, statsdDatagrams: 0, sendErrors: 0,
}) // prettier-ignore

/** A message that is sent in a span carries its ids, unless it has some. */
function withIds(fields) {
  const span = current.getStore()
  if (span === undefined) return fields
  const out = fields || []
  const has = (name) => out.some((key, i) => i % 2 === 0 && key === name)
  if (!has('trace_id')) out.push('trace_id', span.context.traceId)
  if (!has('span_id')) out.push('span_id', span.context.spanId)
  return out
}

function isTexts(tokens) {
  if (!Array.isArray(tokens)) return false
  for (let i = 0; i < tokens.length; i += 1) if (typeof tokens[i] !== 'string') return false
  return true
}

/** Whole µs, so that no number has digits that were never measured. */
function elapsed(began) {
  return Math.round((performance.now() - began) * 1_000) / 1_000
}

function micros(timestamp) {
  const milliseconds = timestamp instanceof Date ? timestamp.getTime() : Number(timestamp)
  if (!Number.isFinite(milliseconds)) throw new TypeError('no time')
  return Math.round(milliseconds * 1_000)
}

function takesRate(rate) {
  return rate > 0 && rate < 1
}

function takes(rate) {
  return rate >= 1 || (rate > 0 && Math.random() < rate)
}

if (typeof process.on === 'function') {
  // Nothing here keeps a process alive, but what it put in before its end.
  process.on('beforeExit', () => {
    for (const { pipe } of open) if (pipe) pipe.beforeExit()
  })
  process.on('exit', () => {
    for (const { pipe } of open) if (pipe) pipe.exit()
  })
}

module.exports = { Client, Outcome }

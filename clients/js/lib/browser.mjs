/**
 * metlog in a web page or a worker, where there is no UDP: messages, counters and timers go to the listener's
 * `POST /submit/{logger}/{id}` as lines of Metlog JSON.
 *
 * While a page is open they are posted by `fetch`, and what the listener cannot take now is sent again: the id of a batch
 * keeps it from being stored twice. When a page is hidden or left, what waits goes by `navigator.sendBeacon`, which
 * outlives it. The bodies are `text/plain`, so that no preflight is needed: a beacon of another type would be refused.
 */

export const Outcome = Object.freeze({
  QUEUED: 'queued',
  SAMPLED_OUT: 'sampled_out',
  DROPPED: 'dropped',
  OVERSIZE: 'oversize',
  OFF: 'off',
})
const { QUEUED, SAMPLED_OUT, DROPPED, OVERSIZE, OFF } = Outcome

/** What all beacons and keepalive requests of a page may have in flight, by the standard of `fetch`. */
const IN_FLIGHT_BYTES_MAX = 65_536
const BATCH_BYTES_DEFAULT = 16_384
const QUEUE_BYTES_DEFAULT = 262_144
const INTERVAL_MS_DEFAULT = 2_000
const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 60_000
const CONTENT_TYPE = 'text/plain;charset=UTF-8'
/** What of these is not taken now may be taken later. */
const TRY_AGAIN = new Set([408, 425, 429, 500, 502, 503, 504])
const KEYS = ['url', 'logger', 'severity', 'type', 'queueBytes', 'batchBytes', 'intervalMs', 'disabledTimers']
const encoder = new TextEncoder()

/** A configuration that cannot be; its message names the key. */
export class ConfigError extends Error {
  constructor(message) {
    super(message)
    this.name = 'ConfigError'
  }
}

/** Where messages go, and what they are unless they say otherwise. */
export class Client {
  constructor(config) {
    this.settings = undefined
    if (config) this.configure(config)
  }

  /** Replaces the configuration. Throws a `ConfigError`, and nothing has changed. */
  configure(config) {
    const settings = check(config)
    if (this.settings) this.post()
    const isFirst = this.settings === undefined
    this.settings = settings
    if (!isFirst) return
    this.counts = { queued: 0, dropped: 0, oversize: 0, refused: 0, posts: 0, beacons: 0, sendErrors: 0 }
    /** So many of the dropped need no report any more. */
    this.reported = 0
    /** Lines that wait, and batches of them that have an id. */
    this.lines = []
    this.lineBytes = 0
    this.batches = []
    this.bytes = 0
    this.posting = undefined
    this.retryMs = 0
    this.alarm = undefined
    this.onHidden = () => {
      if (globalThis.document.visibilityState === 'hidden') this.leave()
    }
    this.onLeave = () => this.leave()
    if (globalThis.document) {
      globalThis.document.addEventListener('visibilitychange', this.onHidden)
      // Where a page is closed in one go, some browsers send only this one.
      globalThis.addEventListener('pagehide', this.onLeave)
    }
  }

  /** Sends a message of the configured type: strings that classify it, and a text. */
  send(tokens, payload = '') {
    return this.message(payload, { tokens })
  }

  /** Sends a message with everything that one can have; `timestamp` is a `Date` or milliseconds since 1970. */
  message(payload = '', options = {}) {
    const { settings } = this
    if (settings === undefined) return OFF
    return this.put(() => {
      const { type, tokens = [], fields, severity, timestamp } = options
      return {
        timestamp: new Date(timestamp === undefined ? Date.now() : timestamp).toISOString(),
        type: type === undefined ? settings.type : String(type),
        severity: severity === undefined ? settings.severity : Math.max(0, Math.min(7, Math.trunc(Number(severity)) || 0)),
        payload: asText(payload),
        tokens: typeof tokens === 'string' ? [tokens] : Array.from(tokens, asText),
        fields: fields instanceof Map ? Object.fromEntries(fields) : fields,
      }
    })
  }

  /** Counts something: the metric `<logger>.<name>`. */
  incr(name, count = 1, rate = 1) {
    return this.value('counter', name, count, rate)
  }

  /** Counts something, so many times. */
  count(name, count, rate = 1) {
    return this.value('counter', name, count, rate)
  }

  /** Counts down. */
  decr(name, count = 1, rate = 1) {
    return this.value('counter', name, -count, rate)
  }

  /** A time in milliseconds. */
  timing(name, milliseconds, rate = 1) {
    const { settings } = this
    if (settings !== undefined && (settings.disabledTimers.has('*') || settings.disabledTimers.has(name))) return OFF
    return this.value('timer', name, milliseconds, rate)
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

  /** Times a function, also one that gives a promise, and gives what it gives. */
  time(name, run, rate = 1) {
    const timer = this.timer(name, rate)
    let result
    try {
      result = run()
    } catch (error) {
      timer.stop()
      throw error
    }
    if (result && typeof result.then === 'function') result.then(timer.stop, timer.stop)
    else timer.stop()
    return result
  }

  /** Posts what waits. Resolves to true when the listener has it on disk, to false if something was not taken. */
  async flush() {
    if (this.settings === undefined) return true
    const { refused } = this.counts
    do {
      this.retryMs = 0
      await (this.posting || this.post())
      if (this.retryMs > 0) return false
    } while (this.bytes > 0 || this.hasToReport)
    return this.counts.refused === refused
  }

  /** Posts what is left; then the client is off. */
  async close() {
    if (this.settings === undefined) return true
    const isDone = await this.flush()
    clearTimeout(this.alarm)
    if (globalThis.document) {
      globalThis.document.removeEventListener('visibilitychange', this.onHidden)
      globalThis.removeEventListener('pagehide', this.onLeave)
    }
    this.settings = undefined
    return isDone
  }

  /** The counts so far. `refused` are those among `dropped` that the listener refused for good. */
  stats() {
    return { queued: 0, dropped: 0, oversize: 0, refused: 0, posts: 0, beacons: 0, sendErrors: 0, ...this.counts }
  }

  value(type, name, value, rate) {
    const { settings } = this
    if (settings === undefined) return OFF
    const number = typeof value === 'bigint' ? value : typeof value === 'number' || (typeof value === 'string' && value.trim()) ? Number(value) : NaN
    if (typeof number !== 'bigint' && !Number.isFinite(number)) return this.drop()
    if (rate < 1 && !(rate > 0 && Math.random() < rate)) return SAMPLED_OUT
    return this.put(() => ({
      timestamp: new Date().toISOString(),
      type,
      payload: String(number),
      fields: { name: asText(name), rate: rate < 1 ? rate : undefined },
    }))
  }

  /** Puts a message into the queue. */
  put(make) {
    let line
    try {
      line = JSON.stringify(make(), plain)
    } catch {
      return this.drop()
    }
    const bytes = encoder.encode(line).length + 1
    const { batchBytes, queueBytes } = this.settings
    if (bytes > batchBytes) {
      this.counts.oversize += 1
      return this.drop(OVERSIZE)
    }
    if (this.bytes + bytes > queueBytes) return this.drop()
    this.counts.queued += 1
    if (this.lineBytes + bytes > batchBytes) this.cut()
    this.lines.push(line)
    this.lineBytes += bytes
    this.bytes += bytes
    this.arm(this.settings.intervalMs)
    return QUEUED
  }

  drop(outcome = DROPPED) {
    this.counts.dropped += 1
    this.arm(this.settings.intervalMs)
    return outcome
  }

  get hasToReport() {
    return this.reported < this.counts.dropped
  }

  /** Makes a batch of the lines that wait. */
  cut() {
    if (this.lines.length === 0) return
    const { lines, lineBytes: bytes } = this
    this.batches.push({ id: newId(), body: lines.join('\n'), count: lines.length, bytes })
    this.lines = []
    this.lineBytes = 0
  }

  /** What was dropped is a counter of its own, `<logger>.metlog.dropped`. */
  report() {
    const dropped = this.counts.dropped - this.reported
    if (dropped === 0) return
    this.reported = this.counts.dropped
    const line = JSON.stringify({ type: 'counter', payload: String(dropped), fields: { name: 'metlog.dropped' } })
    if (this.lineBytes + line.length + 1 > this.settings.batchBytes) this.cut()
    this.lines.push(line)
    this.lineBytes += line.length + 1
    this.bytes += line.length + 1
  }

  /** One timer: what waits is sent when it ends. */
  arm(milliseconds) {
    if (this.alarm !== undefined) return
    this.alarm = setTimeout(() => {
      this.alarm = undefined
      this.post()
    }, milliseconds)
    if (typeof this.alarm === 'object' && typeof this.alarm.unref === 'function') this.alarm.unref()
  }

  /** Posts batch after batch until none is left, or one cannot be sent now. */
  post() {
    if (this.posting === undefined) {
      this.posting = this.postAll().finally(() => {
        this.posting = undefined
        if (this.settings !== undefined && (this.bytes > 0 || this.hasToReport)) this.arm(this.retryMs || this.settings.intervalMs)
      })
    }
    return this.posting
  }

  async postAll() {
    const { settings } = this
    this.report()
    this.cut()
    while (this.batches.length > 0) {
      const batch = this.batches.shift()
      const status = await this.fetch(settings, batch)
      if (status === 0 || TRY_AGAIN.has(status)) {
        this.counts.sendErrors += 1
        this.batches.unshift(batch)
        this.retryMs = Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, this.retryMs * 2))
        return
      }
      this.retryMs = 0
      this.bytes -= batch.bytes
      if (status >= 400) {
        // The listener knows of these: to report them would be refused as well.
        this.counts.refused += batch.count
        this.counts.dropped += batch.count
        this.reported += batch.count
      }
    }
  }

  /** The status of the response; 0: there was none. */
  async fetch(settings, { id, body }) {
    this.counts.posts += 1
    try {
      const response = await fetch(settings.url + id, {
        method: 'POST',
        body,
        headers: { 'Content-Type': CONTENT_TYPE },
        credentials: 'omit',
        // A page that is left in the meantime does not cancel it.
        keepalive: true,
      })
      return response.status
    } catch {
      return 0
    }
  }

  /** The page may end now. What the browser's quota does not let go stays, for the case that the page goes on. */
  leave() {
    if (this.settings === undefined) return
    this.report()
    this.cut()
    const { url } = this.settings
    const rest = this.batches.splice(0)
    while (rest.length > 0 && beacon(url + rest[0].id, rest[0].body)) {
      this.counts.beacons += 1
      this.bytes -= rest.shift().bytes
    }
    this.batches = rest
    if (rest.length > 0) this.post()
  }
}

/** True: the browser sends it, whatever becomes of the page. */
function beacon(url, body) {
  const { navigator } = globalThis
  if (!navigator || typeof navigator.sendBeacon !== 'function') return false
  try {
    return navigator.sendBeacon(url, new Blob([body], { type: CONTENT_TYPE }))
  } catch {
    return false
  }
}

function check(given) {
  const unknown = Object.keys(given).find((key) => !KEYS.includes(key))
  if (unknown) throw new ConfigError(`\`${unknown}\` is not a key of metlog in a browser; the keys are ${KEYS.join(', ')}`)
  const { url = '', logger, severity = 6, type = 'metlog', disabledTimers = [] } = given
  const { queueBytes = QUEUE_BYTES_DEFAULT, batchBytes = BATCH_BYTES_DEFAULT, intervalMs = INTERVAL_MS_DEFAULT } = given
  if (typeof logger !== 'string' || logger === '') throw new ConfigError('`logger` is required: the listener files messages under it')
  if (typeof url !== 'string' || !/^(https?:\/\/[^/]+.*|\/.*|)$/.test(url)) throw new ConfigError(`\`url\` is ${JSON.stringify(url)}; expected https://host:port`)
  whole('severity', severity, 0, 7)
  whole('batchBytes', batchBytes, 256, IN_FLIGHT_BYTES_MAX - 1_024)
  whole('queueBytes', queueBytes, batchBytes, 2 ** 30)
  whole('intervalMs', intervalMs, 1, 2 ** 31 - 1)
  if (typeof type !== 'string') throw new ConfigError('`type` must be text')
  return {
    url: `${url.replace(/\/+$/, '')}/submit/${encodeURIComponent(logger)}/`,
    severity, type, queueBytes, batchBytes, intervalMs, disabledTimers: new Set([disabledTimers].flat()),
  } // prettier-ignore
}

function whole(key, value, least, most) {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ConfigError(`\`${key}\` is ${JSON.stringify(value)}; expected ${least} to ${most}`)
  }
}

function asText(value) {
  if (typeof value === 'string') return value
  if (value instanceof Error) return value.stack || String(value)
  try {
    if (value === undefined) return 'null'
    return typeof value === 'object' && value !== null && !(value instanceof Date) ? JSON.stringify(value, plain) : String(value)
  } catch {
    return '<object>'
  }
}

/** What JSON has no words for. */
function plain(_key, value) {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  return value instanceof Map ? Object.fromEntries(value) : value
}

/** `randomUUID` is there for secure pages only. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function elapsed(began) {
  return Math.round((performance.now() - began) * 1_000) / 1_000
}

/** The client of this page, which the functions below use. */
export const client = new Client()

/** Sets it up, and gives it. Throws a `ConfigError`. */
export function init(config) {
  client.configure(config)
  return client
}

export const send = client.send.bind(client)
export const message = client.message.bind(client)
export const incr = client.incr.bind(client)
export const count = client.count.bind(client)
export const decr = client.decr.bind(client)
export const timing = client.timing.bind(client)
export const timer = client.timer.bind(client)
export const time = client.time.bind(client)
export const flush = client.flush.bind(client)
export const close = client.close.bind(client)
export const stats = client.stats.bind(client)

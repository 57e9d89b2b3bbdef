import type { Context } from './propagation'

/** What became of one message or value; it may be ignored, since losses are counted. */
export type Outcome = 'queued' | 'filtered' | 'sampled_out' | 'dropped' | 'oversize' | 'off'
export declare const Outcome: Readonly<{
  QUEUED: 'queued'
  FILTERED: 'filtered'
  SAMPLED_OUT: 'sampled_out'
  DROPPED: 'dropped'
  OVERSIZE: 'oversize'
  OFF: 'off'
}>

/** Syslog's severity: 0 (emergency) to 7 (debug). */
export type Severity = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7

export interface Filters {
  severityMax?: Severity
  typeBlacklist?: Iterable<string>
  typeWhitelist?: Iterable<string>
  typeSeverityMax?: Record<string, Severity>
}

export interface Config {
  /** `host:port`; each datagram goes to all of them. Default `127.0.0.1:5565`. */
  destinations?: string | Captured | Iterable<string | Captured>
  /** False: no statsd is sent. */
  statsd?: boolean
  /** Default `127.0.0.1:8125`. */
  statsdDestination?: string | Captured
  /** `sync`: each statsd name becomes `sync.<name>`. */
  statsdPrefix?: string
  statsdDatagramBytes?: number
  /** The part of the program that speaks. */
  logger?: string
  /** Of messages that name none. Default 6. */
  severity?: Severity
  /** Of messages that name none. Default `metlog`. */
  type?: string
  hostname?: string
  /** Default 1432. */
  datagramBytes?: number
  /** Memory for what waits. Default 1 MiB. */
  queueBytes?: number
  keyId?: string
  /** With `keyId`: datagrams of messages are signed. */
  key?: string | Uint8Array
  /** Names, or `*`. */
  disabledTimers?: string | Iterable<string>
  filters?: Filters
  /** The share of the traces that begin here which are kept. Default 1. */
  sampling?: number
}

export interface MessageOptions {
  type?: string
  tokens?: Iterable<unknown>
  /** Nested values get dotted keys. */
  fields?: Record<string, unknown> | Map<string, unknown>
  severity?: Severity | number
  logger?: string
  /** A `Date`, or milliseconds since 1970. */
  timestamp?: Date | number
}

export interface Stats {
  queued: number
  statsdQueued: number
  filtered: number
  dropped: number
  oversize: number
  datagrams: number
  statsdDatagrams: number
  sendErrors: number
}

export interface Timer {
  /** Sends, and gives milliseconds. */
  stop(): number
}

export interface SpanOptions {
  kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  attributes?: Record<string, unknown>
  /** Of a request, by `extract` of `metlog/propagation`; otherwise the span that is current here. */
  parent?: Context
}

/** A piece of work. */
export declare class Span {
  readonly context: Context
  readonly isRecording: boolean
  name: string
  set(key: string, value: unknown): this
  set(attributes: Record<string, unknown>): this
  event(name: string, attributes?: Record<string, unknown>): this
  link(context: Context, attributes?: Record<string, unknown>): this
  status(status: 'ok' | 'error' | 'unset', message?: string): this
  exception(error: unknown): this
  /** Runs a function in which this span is the current one. */
  run<T>(inside: () => T): T
  /** Ends the span, and sends it. */
  end(): void
}

/** In the place of a destination: keeps what would be sent, for tests of an application. */
export declare class Captured {
  datagrams: Buffer[]
}

/** A configuration that cannot be; its message names the key. */
export declare class ConfigError extends Error {}

export declare class Client {
  constructor(config?: Config)
  configure(config: Config): void
  send(tokens: readonly string[], payload?: unknown): Outcome
  message(payload?: unknown, options?: MessageOptions): Outcome
  incr(name: string, count?: number | bigint, rate?: number): Outcome
  decr(name: string, count?: number, rate?: number): Outcome
  count(name: string, count: number | bigint, rate?: number): Outcome
  gauge(name: string, value: number | bigint, rate?: number): Outcome
  gaugeDelta(name: string, delta: number | bigint): Outcome
  timing(name: string, milliseconds: number, rate?: number): Outcome
  histogram(name: string, value: number, rate?: number): Outcome
  set(name: string, member: unknown, rate?: number): Outcome
  timer(name: string, rate?: number): Timer
  time<T>(name: string, run: () => T, rate?: number): T
  /** Begins a span; `end()` sends it. */
  span(name: string, options?: SpanOptions): Span
  /** Runs a function in a span of its own, which ends when it does, or its promise. */
  trace<T>(name: string, run: (span: Span) => T): T
  trace<T>(name: string, options: SpanOptions, run: (span: Span) => T): T
  flush(): Promise<boolean>
  close(): Promise<boolean>
  stats(): Stats
}

/** The client of this process, which the functions below use. */
export declare const client: Client
/** Sets it up, and gives it. Throws a `ConfigError`. */
export declare function init(config?: Config): Client

export declare const send: Client['send']
export declare const message: Client['message']
export declare const incr: Client['incr']
export declare const decr: Client['decr']
export declare const count: Client['count']
export declare const gauge: Client['gauge']
export declare const gaugeDelta: Client['gaugeDelta']
export declare const timing: Client['timing']
export declare const histogram: Client['histogram']
export declare const set: Client['set']
export declare const timer: Client['timer']
export declare const time: Client['time']
export declare const span: Client['span']
export declare const trace: Client['trace']
/** The context of the span that is current here, to be injected into a request. */
export declare function currentContext(): Context | undefined
export declare const flush: Client['flush']
export declare const close: Client['close']
export declare const stats: Client['stats']

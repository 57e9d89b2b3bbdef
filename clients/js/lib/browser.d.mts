/** What became of one message or value; it may be ignored, since losses are counted. */
export type Outcome = 'queued' | 'sampled_out' | 'dropped' | 'oversize' | 'off'
export declare const Outcome: Readonly<{
  QUEUED: 'queued'
  SAMPLED_OUT: 'sampled_out'
  DROPPED: 'dropped'
  OVERSIZE: 'oversize'
  OFF: 'off'
}>

/** Syslog's severity: 0 (emergency) to 7 (debug). */
export type Severity = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7

export interface Config {
  /** The listener's HTTP intake, `https://host:port`. Default: the page's own origin. */
  url?: string
  /** Under which the listener files what comes; it must let everybody post to it. */
  logger: string
  /** Of messages that name none. Default 6. */
  severity?: Severity
  /** Of messages that name none. Default `metlog`. */
  type?: string
  /** For what waits; beyond it messages are dropped, and counted. Default 256 KiB. */
  queueBytes?: number
  /** Of one request. Default 16 KiB; at most 63 KiB. */
  batchBytes?: number
  /** How long a message waits for more. Default 2,000. */
  intervalMs?: number
  /** Names, or `*`. */
  disabledTimers?: string | readonly string[]
}

export interface MessageOptions {
  type?: string
  tokens?: Iterable<unknown>
  fields?: Record<string, unknown> | Map<string, unknown>
  severity?: Severity | number
  /** A `Date`, or milliseconds since 1970. */
  timestamp?: Date | number
}

export interface Stats {
  queued: number
  dropped: number
  oversize: number
  /** Among `dropped`: what the listener refused for good. */
  refused: number
  posts: number
  beacons: number
  sendErrors: number
}

export interface Timer {
  /** Sends, and gives milliseconds. */
  stop(): number
}

/** A configuration that cannot be; its message names the key. */
export declare class ConfigError extends Error {}

export declare class Client {
  constructor(config?: Config)
  configure(config: Config): void
  send(tokens: readonly string[], payload?: unknown): Outcome
  message(payload?: unknown, options?: MessageOptions): Outcome
  /** Counts something: the metric `<logger>.<name>`. */
  incr(name: string, count?: number | bigint, rate?: number): Outcome
  count(name: string, count: number | bigint, rate?: number): Outcome
  decr(name: string, count?: number, rate?: number): Outcome
  timing(name: string, milliseconds: number, rate?: number): Outcome
  timer(name: string, rate?: number): Timer
  time<T>(name: string, run: () => T, rate?: number): T
  /** Posts what waits: true when the listener has it on disk, false if something was not taken. */
  flush(): Promise<boolean>
  close(): Promise<boolean>
  stats(): Stats
}

/** The client of this page, which the functions below use. */
export declare const client: Client
/** Sets it up, and gives it. Throws a `ConfigError`. */
export declare function init(config: Config): Client

export declare const send: Client['send']
export declare const message: Client['message']
export declare const incr: Client['incr']
export declare const count: Client['count']
export declare const decr: Client['decr']
export declare const timing: Client['timing']
export declare const timer: Client['timer']
export declare const time: Client['time']
export declare const flush: Client['flush']
export declare const close: Client['close']
export declare const stats: Client['stats']

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client } from './index.mjs'

export interface Options {
  /** Default: the process's. */
  client?: Client
  /** Begins each name. Default `http`. */
  prefix?: string
}

/** `app.use(express())`; also for connect, Polka and a bare `http.createServer`. */
export declare function express(
  options?: Options
): (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void
/** `app.register(fastify())`. */
export declare function fastify(options?: Options): (app: any, options: unknown, done: () => void) => void
/** `app.use(koa())`. */
export declare function koa(options?: Options): (context: any, next: () => Promise<unknown>) => Promise<unknown>
/** `app.use(hono())`. */
export declare function hono(options?: Options): (context: any, next: () => Promise<void>) => Promise<void>

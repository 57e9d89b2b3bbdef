/** The same module for `import`. */
import http from './http.js'

export const { express, fastify, hono, koa } = http

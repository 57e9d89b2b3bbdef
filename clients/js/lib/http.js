/**
 * Middleware for the frameworks: each request is a span of the trace of whoever asks, is timed as `http.request` and counted
 * as `http.response.get.200`, when its response has been sent, or was given up.
 */
'use strict'

const { client: standard } = require('./index.js')
const { extract } = require('./propagation.js')

const METHODS = new Set(['get', 'head', 'post', 'put', 'delete', 'options', 'patch', 'trace', 'connect'])
/** A response that was not sent to its end: who asked went away. As nginx counts it. */
const GONE = 499

class Measures {
  constructor({ client = standard, prefix = 'http' } = {}) {
    this.client = client
    this.prefix = prefix === '' ? '' : `${prefix}.`
  }

  /** The span of a request. Its name is bounded: the method. */
  span(method, path, headers) {
    const word = METHODS.has(String(method).toLowerCase()) ? String(method).toUpperCase() : 'HTTP'
    const attributes = { 'http.request.method': word, 'url.path': String(path).split('?', 1)[0] }
    return this.client.span(word, { kind: 'server', attributes, parent: extract(headers) })
  }

  endSpan(span, status, error) {
    if (error !== undefined) span.exception(error)
    span.set('http.response.status_code', status)
    if (status >= 500 && error === undefined) span.status('error', `HTTP ${status}`)
    span.end()
  }

  /** A client may send any method: what HTTP does not define is `other`, so that names are few. */
  end(began, method, status) {
    const word = String(method).toLowerCase()
    const code = status >= 100 && status <= 599 ? status : 0
    this.client.timing(`${this.prefix}request`, Math.round((performance.now() - began) * 1_000) / 1_000)
    this.client.incr(`${this.prefix}response.${METHODS.has(word) ? word : 'other'}.${code}`)
  }
}

/** Watches a response of `node:http`, on which Express, Fastify and Koa are built; gives the request's span. */
function watch(measures, request, response) {
  const span = measures.span(request.method, request.originalUrl ?? request.url, request.headers)
  const began = performance.now()
  let hasEnded = false
  const end = (status) => {
    if (hasEnded) return
    hasEnded = true
    measures.endSpan(span, status)
    measures.end(began, request.method, status)
  }
  response.once('finish', () => end(response.statusCode))
  response.once('close', () => end(response.writableFinished ? response.statusCode : GONE))
  return span
}

/** `app.use(metlog.express())`; also for connect, Polka and a bare `http.createServer`. */
function express(options) {
  const measures = new Measures(options)
  return (request, response, next) => {
    const span = watch(measures, request, response)
    if (next) span.run(next)
  }
}

/** `app.register(metlog.fastify())`. */
function fastify(options) {
  const measures = new Measures(options)
  const plugin = (app, _options, done) => {
    app.addHook('onRequest', (request, reply, next) => {
      watch(measures, request.raw, reply.raw).run(next)
    })
    done()
  }
  // Hooks of a plugin hold inside of it only, unless it says that it wants none of that.
  plugin[Symbol.for('skip-override')] = true
  plugin[Symbol.for('fastify.display-name')] = 'metlog'
  return plugin
}

/** `app.use(metlog.koa())`. */
function koa(options) {
  const measures = new Measures(options)
  return (context, next) => {
    return watch(measures, context.req, context.res).run(next)
  }
}

/** `app.use(metlog.hono())`. A request ends here when its response begins: Hono gives it away. */
function hono(options) {
  const measures = new Measures(options)
  return async (context, next) => {
    const span = measures.span(context.req.method, context.req.path, context.req.raw.headers)
    const began = performance.now()
    try {
      await span.run(next)
    } catch (error) {
      measures.endSpan(span, 500, error)
      measures.end(began, context.req.method, 500)
      throw error
    }
    measures.endSpan(span, context.res.status)
    measures.end(began, context.req.method, context.res.status)
  }
}

module.exports = { express, fastify, hono, koa }

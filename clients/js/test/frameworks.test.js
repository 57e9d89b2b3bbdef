/** The frameworks of npm, and pino. */
'use strict'

const assert = require('node:assert/strict')
const { once } = require('node:events')
const http = require('node:http')
const path = require('node:path')
const test = require('node:test')
const metlog = require('../lib/index.js')
const middleware = require('../lib/http.js')
const dgram = require('node:dgram')
const { read } = require('./reader.js')

function capturing() {
  const lines = new metlog.Captured()
  return { lines, client: new metlog.Client({ destinations: [], statsdDestination: lines }) }
}

function get(port, where, method = 'GET') {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, path: where, method, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
    request.on('error', reject).end()
  })
}

/** Asks for the three paths that each application has, and compares what was measured. */
async function check(port, { client, lines }) {
  const codes = [await get(port, '/'), await get(port, '/nothing'), await get(port, '/fails', 'POST')]
  assert.deepEqual(codes, [200, 404, 500])
  await new Promise((resolve) => setTimeout(resolve, 50))
  await client.close()
  const names = lines.datagrams.map(String).join('\n').split('\n').map((line) => line.split(':')[0])
  const expected = ['http.response.get.200', 'http.response.get.404', 'http.response.post.500']
  assert.deepEqual(names.sort(), ['http.request', 'http.request', 'http.request', ...expected])
}

async function listening(t, server) {
  await once(server, 'listening')
  t.after(() => server.close())
  return server.address().port
}

test('express', async (t) => {
  const measured = capturing()
  const express = require('express')
  const app = express()
  app.use(middleware.express({ client: measured.client }))
  app.get('/', (_request, response) => response.send('hello'))
  app.post('/fails', () => assert.fail('x'))
  app.use((_error, _request, response, _next) => response.status(500).end())
  await check(await listening(t, app.listen(0)), measured)
})

test('fastify', async (t) => {
  const measured = capturing()
  const app = require('fastify')()
  app.register(middleware.fastify({ client: measured.client }))
  app.get('/', async () => 'hello')
  app.post('/fails', async () => assert.fail('x'))
  await app.listen({ port: 0 })
  t.after(() => app.close())
  await check(app.server.address().port, measured)
})

test('koa', async (t) => {
  const measured = capturing()
  const Koa = require('koa')
  const app = new Koa({ silent: true })
  app.silent = true
  app.use(middleware.koa({ client: measured.client }))
  app.use((context) => {
    if (context.path === '/fails') throw new Error('x')
    if (context.path === '/') context.body = 'hello'
  })
  await check(await listening(t, app.listen(0)), measured)
})

test('hono', async (t) => {
  const measured = capturing()
  const { Hono } = require('hono')
  const { serve } = require('@hono/node-server')
  const app = new Hono()
  app.use(middleware.hono({ client: measured.client }))
  app.get('/', (context) => context.text('hello'))
  app.post('/fails', () => {
    throw new Error('x')
  })
  app.onError((_error, context) => context.text('', 500))
  await check(await listening(t, serve({ fetch: app.fetch, port: 0 })), measured)
})

test('a response that nobody waits for is counted', async (t) => {
  const { client, lines } = capturing()
  const watch = middleware.express({ client })
  const server = http.createServer((request, response) => {
    watch(request, response)
    response.write('begun')
  })
  const port = await listening(t, server.listen(0))
  const request = http.get({ port, agent: false }, (response) => response.destroy())
  request.on('error', () => {})
  await once(request, 'close')
  await new Promise((resolve) => setTimeout(resolve, 100))
  await client.close()
  assert.match(lines.datagrams.map(String).join('\n'), /http\.response\.get\.499:1\|c/)
})

test('pino', async (t) => {
  const socket = dgram.createSocket('udp4')
  const received = []
  socket.on('message', (datagram) => received.push(...read(datagram).messages))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  const pino = require('pino')
  const target = path.join(__dirname, '../lib/pino.js')
  const options = { destinations: [`127.0.0.1:${socket.address().port}`], statsd: false, logger: 'shop' }
  const transport = pino.transport({ target, options })
  const log = pino({ name: 'cart' }, transport)
  log.warn({ userid: 25, nested: { a: [1] } }, 'nearly sold out')
  log.info('plain')
  await new Promise((resolve) => log.flush(resolve))
  transport.end()
  await once(transport, 'close')
  const end = Date.now() + 10_000
  while (received.length < 2 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10))
  const [first, second] = received
  assert.deepEqual([first.type, first.logger, first.severity, first.payload], ['log', 'cart', 4, 'nearly sold out'])
  assert.deepEqual(first.fields.slice(0, 2), [['userid', '25'], ['nested.a[0]', '1']])
  assert.equal(second.payload, 'plain')
})

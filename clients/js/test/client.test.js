/** The rules of `schemas/clients.md`, against sockets of this process. */
'use strict'

const assert = require('node:assert/strict')
const { execFileSync, spawnSync } = require('node:child_process')
const { createHmac } = require('node:crypto')
const dgram = require('node:dgram')
const { once } = require('node:events')
const path = require('node:path')
const test = require('node:test')
const metlog = require('../lib/index.js')
const { decimal } = require('../lib/values.js')
const { messages, read } = require('./reader.js')

const INDEX = path.join(__dirname, '../lib/index.js')
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function capturing(config = {}) {
  const sent = new metlog.Captured()
  const lines = new metlog.Captured()
  return { sent, lines, client: new metlog.Client({ destinations: sent, statsdDestination: lines, ...config }) }
}

async function sink(t) {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  const received = []
  socket.on('message', (datagram) => received.push(datagram))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  const { port } = socket.address()
  return { address: `127.0.0.1:${port}`, port, received, messages: () => received.flatMap((one) => read(one).messages) }
}

async function until(what, holds) {
  const end = Date.now() + 10_000
  while (!holds()) {
    assert.ok(Date.now() < end, what)
    await sleep(5)
  }
}

test('never throws', async () => {
  const { client, sent } = capturing()
  const bad = {
    toString() {
      throw new Error('no text')
    },
  }
  const itself = {}
  itself.self = itself
  const outcomes = new Set(Object.values(metlog.Outcome))
  for (const payload of [null, undefined, 3, NaN, Symbol('s'), bad, '\ud800', [1], { a: bad }, Buffer.from([255]), itself]) {
    assert.ok(outcomes.has(client.send(['a', bad, null], payload)))
    assert.ok(outcomes.has(client.send(undefined, payload)))
    assert.ok(outcomes.has(client.message(payload, { fields: { a: payload, itself }, tokens: 7, timestamp: payload })))
  }
  for (const call of ['incr', 'count', 'gauge', 'gaugeDelta', 'timing', 'histogram', 'set']) {
    for (const value of [null, 'x', NaN, bad, {}, Infinity, '']) assert.ok(outcomes.has(client[call]('name', value)))
    assert.ok(outcomes.has(client[call](bad, 1)))
  }
  await client.close()
  assert.ok(messages(sent).length > 10)
})

test('off until it is configured', async () => {
  const client = new metlog.Client()
  assert.deepEqual([client.send(['a'], 'x'), client.incr('a'), client.timer('a').stop() >= 0], ['off', 'off', true])
  assert.equal(await client.flush(), true)
  assert.equal(metlog.send(['a']), 'off')
})

test('everything that a message can have', async () => {
  const { client, sent } = capturing({ logger: 'sync', hostname: 'web1', severity: 5 })
  const timestamp = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678))
  client.message('p', {
    type: 'login', tokens: ['a', 1], fields: { n: { x: [1, null] }, t: true, f: 2.5 }, severity: 3, logger: 'auth', timestamp,
  }) // prettier-ignore
  client.send(['browserid', 'login'], 'user 25')
  await client.close()
  const [first, second] = messages(sent)
  assert.equal(first.timestamp, 1767323045678000)
  assert.deepEqual([first.type, first.logger, first.severity, first.tokens], ['login', 'auth', 3, ['a', '1']])
  assert.deepEqual(first.fields, [['n.x[0]', '1'], ['n.x[1]', 'null'], ['t', 'true'], ['f', '2.5']])
  assert.deepEqual([second.type, second.logger, second.severity, second.pid], ['metlog', 'sync', 5, process.pid])
  assert.ok(Math.abs(second.timestamp / 1000 - Date.now()) < 60_000)
})

test('datagrams are filled and numbered', async () => {
  const { client, sent } = capturing()
  for (let n = 0; n < 1_000; n += 1) client.send(['a', 'b'], `message ${n}`)
  await client.close()
  assert.ok(sent.datagrams.every((datagram) => datagram.length <= 1_432) && sent.datagrams.length < 30)
  assert.deepEqual(sent.datagrams.map((datagram) => read(datagram).header.sequence), [...sent.datagrams.keys()])
  assert.deepEqual(messages(sent).map(({ payload }) => payload), Array.from({ length: 1_000 }, (_, n) => `message ${n}`))
})

test('too large, and names that are too long', async () => {
  const { client, sent } = capturing()
  assert.equal(client.send(['t'], 'x'.repeat(1_433)), 'oversize')
  assert.equal(client.send(['t'], 'ä'.repeat(1_000)), 'oversize')
  assert.equal(client.message('y', { type: 'ä'.repeat(200) }), 'queued')
  assert.equal(client.send(['t'], 'a\ud800b'), 'queued')
  await client.flush()
  const { dropped, oversize } = client.stats()
  assert.deepEqual([dropped, oversize, read(sent.datagrams[0]).header.dropped], [2, 2, 2])
  const [named, text] = messages(sent)
  assert.deepEqual([named.type, text.payload], ['ä'.repeat(127), 'a\ufffdb'])
  await client.close()
})

test('what a socket does not take is counted, however it says so', async (t) => {
  const server = await sink(t)
  const client = new metlog.Client({ destinations: [server.address], statsd: false })
  const [outlet] = client.pipe.outlets
  await until('connected', () => outlet.isConnected)
  const { socket } = outlet
  const refusals = [
    (_datagram, done) => done(null, 0), // Bun, where the buffer of the socket is full
    (_datagram, done) => done(Object.assign(new Error('full'), { code: 'EAGAIN' })),
    () => {
      throw new Error('closed')
    },
  ]
  for (const send of refusals) {
    outlet.socket = { send }
    client.send(['a'], 'x')
    await client.flush()
  }
  outlet.socket = socket
  client.send(['a'], 'last')
  assert.equal(await client.flush(), true)
  const { sendErrors, datagrams, dropped } = client.stats()
  // Heartbeats are among the errors. The sequence shows the gap.
  assert.ok(sendErrors >= 3 && datagrams === 4 && dropped === 0)
  await until('the last', () => server.messages().length === 1)
  assert.equal(read(server.received.find((one) => read(one).messages.length > 0)).header.sequence, 3)
  await client.close()
})

test('queue full', async () => {
  const { client } = capturing()
  const [outlet] = client.pipe.outlets
  Object.defineProperty(outlet, 'hasRoom', { get: () => false })
  assert.equal(client.send(['a'], 'x'), 'dropped')
  assert.equal(client.stats().dropped, 1)
})

test('filters, statsd off and disabled timers', async () => {
  const { client, sent } = capturing({ severity: 4, filters: { severityMax: 4, typeBlacklist: ['debug'], typeSeverityMax: { wsgi: 3 } } })
  assert.equal(client.send(['a'], 'passes'), 'queued')
  const outcomes = [{ severity: 5 }, { type: 'debug', severity: 0 }, { type: 'wsgi' }].map((one) => client.message('no', one))
  assert.deepEqual(outcomes, ['filtered', 'filtered', 'filtered'])
  assert.equal(client.stats().filtered, 3)
  await client.close()
  assert.deepEqual(messages(sent).map(({ payload }) => payload), ['passes'])
  const off = new metlog.Client({ destinations: [], statsd: false })
  assert.deepEqual([off.incr('a'), off.gauge('a', 1), off.timing('a', 1)], ['off', 'off', 'off'])
  const { client: timed, lines } = capturing({ disabledTimers: ['slow'] })
  assert.deepEqual([timed.timing('slow', 1), timed.timing('fast', 1)], ['off', 'queued'])
  await timed.close()
  assert.deepEqual(lines.datagrams.map(String), ['fast:1|ms'])
})

test('sampling', async () => {
  const { client, lines } = capturing()
  let queued = 0
  for (let n = 0; n < 10_000; n += 1) if (client.incr('n', 1, 0.1) === 'queued') queued += 1
  await client.close()
  const found = lines.datagrams.map(String).join('\n').split('\n')
  assert.ok(queued > 700 && queued < 1_300)
  assert.equal(found.filter((line) => line === 'n:1|c|@0.1').length, queued)
})

test('timers of blocks, functions and promises', async () => {
  const { client, lines } = capturing()
  const timer = client.timer('block')
  assert.equal(timer.stop(), timer.stop())
  assert.equal(client.time('function', () => 7), 7)
  assert.equal(await client.time('promise', () => sleep(20).then(() => 8)), 8)
  assert.throws(() => client.time('failing', () => assert.fail('x')))
  await assert.rejects(client.time('rejecting', () => Promise.reject(new Error('x'))))
  await client.close()
  const found = Object.fromEntries(lines.datagrams.map(String).join('\n').split('\n').map((line) => line.split(':')))
  assert.deepEqual(Object.keys(found).sort(), ['block', 'failing', 'function', 'promise', 'rejecting'])
  assert.ok(parseFloat(found.promise) >= 19)
})

test('lines of text that is not ASCII stay within a datagram', async () => {
  const { client, lines } = capturing()
  for (let n = 0; n < 500; n += 1) client.incr(`größe.${n}.日本`)
  assert.equal(client.incr('日'.repeat(600)), 'oversize')
  await client.close()
  assert.ok(lines.datagrams.every((datagram) => datagram.length <= 1_432))
  assert.equal(lines.datagrams.map(String).join('\n').split('\n').length, 500)
})

test('lines of mixed texts stay within a datagram', async () => {
  const { client, lines } = capturing()
  client.incr('日'.repeat(450))
  for (let n = 0; n < 40; n += 1) client.incr(`plain.${n}.name`)
  await client.close()
  assert.ok(lines.datagrams.every((datagram) => datagram.length <= 1_432))
  assert.equal(lines.datagrams.map(String).join('\n').split('\n').length, 41)
})

test('numbers have no exponent', () => {
  for (const value of [1e21, 1.5e-7, -1e300, 5e-324, 123456789012345680000, -0]) {
    assert.ok(/^-?\d+(\.\d+)?$/.test(decimal(value)), decimal(value))
    assert.ok(Object.is(Number(decimal(value)), value), decimal(value))
  }
})

test('sends over UDP, with heartbeats, and says who it is', async (t) => {
  const server = await sink(t)
  const client = new metlog.Client({ destinations: [server.address], statsd: false, keyId: 'web', key: 'hex:00ff' })
  client.send(['a'], '1')
  assert.equal(await client.flush(), true)
  await until('heartbeats', () => server.received.length >= 3)
  const [first, ...beats] = server.received
  const expected = createHmac('sha256', Buffer.from([0, 255])).update(first.subarray(0, -32)).digest()
  assert.deepEqual(first.subarray(-32), expected)
  assert.ok(beats.every((beat) => read(beat).header.heartbeat.next === 1))
  await client.close()
})

test('a listener that is gone shows in the sequence', async (t) => {
  const server = await sink(t)
  const gone = dgram.createSocket('udp4')
  gone.bind(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address()
  gone.close()
  const client = new metlog.Client({ destinations: [`127.0.0.1:${port}`, server.address], statsd: false })
  for (let n = 0; n < 3; n += 1) {
    client.send(['a'], String(n))
    await client.flush()
    await sleep(5)
  }
  // Deno does not say what the kernel said; the gap does.
  assert.ok(client.stats().sendErrors > 0 || globalThis.Deno)
  assert.equal(client.stats().datagrams, 3)
  await until('the other listener', () => server.messages().length === 3)
  await client.close()
})

test('the address that is sent from is the kernel\'s choice', async (t) => {
  const socket = dgram.createSocket('udp4')
  const from = []
  socket.on('message', (_datagram, { address }) => from.push(address))
  socket.bind(0, '127.0.0.2')
  await once(socket, 'listening')
  t.after(() => socket.close())
  const client = new metlog.Client({ destinations: [`127.0.0.2:${socket.address().port}`], statsd: false })
  client.send(['a'], '1')
  await client.flush()
  await until('the datagram', () => from.length > 0)
  // Not that of the destination, which no other host has.
  assert.equal(from[0], '127.0.0.1')
  await client.close()
})

test('a name is looked up once', async (t) => {
  const server = await sink(t)
  const client = new metlog.Client({ destinations: [`localhost:${server.port}`], statsd: false })
  for (let n = 0; n < 100; n += 1) client.send(['a'], 'x'.repeat(500))
  assert.equal(await client.flush(), true)
  await until('all', () => server.messages().length === 100)
  await client.close()
})

for (const [how, ending] of [
  ['by itself', ''],
  // What Bun and Deno send is on its way only some turns of the event loop later.
  ...(globalThis.Bun || globalThis.Deno ? [] : [['at once', 'process.exit(0)']]),
  ['by process.exit', 'setTimeout(() => process.exit(0), 100)'],
  ['by an error', 'setTimeout(() => { throw new Error("x") }, 100)'],
]) {
  test(`a process that ends ${how} has sent all`, async (t) => {
    const server = await sink(t)
    const program = `const metlog = require(${JSON.stringify(INDEX)})
      metlog.init({ destinations: ['${server.address}'], statsd: false })
      const all = () => { for (let n = 0; n < 100; n += 1) metlog.send(['a'], String(n)) }
      if (${ending.startsWith('process')}) all()
      else setTimeout(all, 50)
      ${ending}`
    spawnSync(process.execPath, ['-e', program], { stdio: 'ignore', timeout: 30_000 })
    await until('all', () => server.messages().length === 100)
  })
}

test('a process ends though nothing can be sent', () => {
  const program = `const metlog = require(${JSON.stringify(INDEX)})
    metlog.init({ destinations: ['nowhere.invalid:5565'], statsdDestination: 'nowhere.invalid:8125' })
    metlog.send(['a'], 'x')
    metlog.incr('a')`
  assert.equal(spawnSync(process.execPath, ['-e', program], { stdio: 'ignore', timeout: 30_000 }).status, 0)
})

test('threads have identities of their own', async (t) => {
  const server = await sink(t)
  const program = `const { Worker, isMainThread } = require('node:worker_threads')
    const metlog = require(${JSON.stringify(INDEX)})
    metlog.init({ destinations: ['${server.address}'], statsd: false })
    for (let n = 0; n < 10; n += 1) metlog.send(['a'], String(n))
    if (isMainThread) for (let n = 0; n < 3; n += 1) new Worker(process.env.PROGRAM, { eval: true })
    metlog.close()`
  const env = { ...process.env, PROGRAM: program }
  execFileSync(process.execPath, ['-e', program], { env, timeout: 30_000 })
  await until('all', () => server.messages().length === 40)
  const senders = new Set(server.received.map((one) => read(one).header.sender).filter((sender) => sender !== 0n))
  assert.equal(senders.size, 4)
})

test('under Deno without permissions', { skip: globalThis.Deno ? false : 'this is not Deno' }, () => {
  const program = path.join(__dirname, 'without_permissions.cjs')
  const { stdout } = spawnSync(process.execPath, ['run', '--no-prompt', `--allow-read=${path.dirname(__dirname)}`, program])
  assert.equal(String(stdout).trim(), '["queued","queued"]')
})

test('configuration', () => {
  const bad = [
    { destination: 'x' }, { destinations: ['nowhere'] }, { destinations: ['h:0'] }, { severity: 8 }, { datagramBytes: 100 },
    { keyId: 'x' }, { key: 'hex:0', keyId: 'x' }, { statsd: 'maybe' }, { statsdPrefix: 'a b' }, { filters: { a: 1 } },
  ] // prettier-ignore
  for (const config of bad) {
    const key = Object.keys(config)[0]
    assert.throws(() => new metlog.Client(config), (error) => error instanceof metlog.ConfigError && error.message.includes(key))
  }
  const program = `const metlog = require(${JSON.stringify(INDEX)})
    const { settings } = metlog.init()
    console.log(JSON.stringify([settings.logger, settings.statsdDestination, settings.filters.severityMax, settings.destinations]))`
  const env = { METLOG_LOGGER: 'env', METLOG_STATSD: 'off', METLOG_SEVERITY_MAX: '3', METLOG_DESTINATION: '[::1]:9, a:1' }
  const [logger, statsd, most, destinations] = JSON.parse(execFileSync(process.execPath, ['-e', program], { env }))
  assert.deepEqual([logger, statsd, most, destinations.length], ['env', null, 3, 2])
})

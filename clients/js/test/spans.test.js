/** Spans and their propagation. */
'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const test = require('node:test')
const http = require('node:http')
const { once } = require('node:events')
const metlog = require('../lib/index.js')
const middleware = require('../lib/http.js')
const { FORMATS, extract, inject, isValid } = require('../lib/propagation.js')
const { messages } = require('./reader.js')

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const GOOD = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

function capturing(config = {}) {
  const sent = new metlog.Captured()
  return { sent, client: new metlog.Client({ destinations: sent, statsd: false, logger: 'checkout', ...config }) }
}

function spans(sent) {
  const all = messages(sent).filter((message) => message.spanId)
  return { all, named: Object.fromEntries(all.map((span) => [span.name, span])) }
}

test('nesting, attributes, events, links and status', async () => {
  const { client, sent } = capturing()
  const outer = client.span('outer', { kind: 'server', attributes: { route: '/cart', n: 3, ok: true, f: 0.5, big: -9007199254740993n } })
  outer.run(() => {
    client.send(['in'], 'side')
    client.trace('inner', (span) => {
      span.event('retry', { attempt: 2 }).link({ ...outer.context, traceId: 'ab'.repeat(16) }, { why: 'x' }).status('error', 'no')
    })
  })
  outer.end()
  assert.equal(metlog.currentContext(), undefined)
  client.send(['after'], 'x')
  await client.close()
  const { named } = spans(sent)
  assert.equal(named.inner.parentId, named.outer.spanId)
  assert.equal(named.inner.traceId, named.outer.traceId)
  assert.equal(named.outer.parentId, '0'.repeat(16))
  assert.deepEqual([named.outer.kind, named.inner.status], [2, [2, 'no']])
  assert.deepEqual(named.outer.attributes, [['route', '/cart'], ['n', 3n], ['ok', true], ['f', 0.5], ['big', -9007199254740993n]])
  assert.deepEqual(named.inner.events.map(([, name, attributes]) => [name, attributes]), [['retry', [['attempt', 2n]]]])
  assert.deepEqual(named.inner.links, [['ab'.repeat(16), named.outer.spanId, [['why', 'x']]]])
  const [inside, after] = messages(sent).filter((message) => message.payload)
  assert.deepEqual(Object.fromEntries(inside.fields), { trace_id: named.outer.traceId, span_id: named.outer.spanId })
  assert.deepEqual(after.fields, [])
})

test('promises, errors and rejections', async () => {
  const { client, sent } = capturing()
  await client.trace('all', async () => {
    await Promise.all([1, 2, 3].map((n) => client.trace(`task ${n}`, async () => {
      await sleep(5)
      client.trace(`leaf ${n}`, () => {})
    })))
  })
  assert.throws(() => client.trace('failing', () => { throw new TypeError('x') }), TypeError)
  await assert.rejects(client.trace('rejecting', () => Promise.reject(new Error('y'))))
  await sleep(1)
  await client.close()
  const { all, named } = spans(sent)
  for (const n of [1, 2, 3]) {
    assert.equal(named[`leaf ${n}`].parentId, named[`task ${n}`].spanId)
    assert.equal(named[`task ${n}`].parentId, named.all.spanId)
    assert.ok(named[`task ${n}`].duration >= 4_000_000)
  }
  assert.deepEqual([named.failing.status, named.rejecting.status], [[2, 'x'], [2, 'y']])
  assert.equal(all.length, 9)
})

test('sampling is decided at the root', async () => {
  const { client, sent } = capturing({ sampling: 0.5 })
  for (let n = 0; n < 400; n += 1) client.trace('root', () => client.trace('child', () => {}))
  await client.close()
  const { all } = spans(sent)
  const roots = all.filter((span) => span.name === 'root')
  assert.ok(roots.length > 130 && roots.length < 270)
  assert.equal(all.length, 2 * roots.length)
  assert.ok(roots.every((span) => span.probability === 0.5))
  const off = capturing({ sampling: 0 })
  const span = off.client.span('x')
  assert.match(inject(span.context).traceparent, /-00$/)
  span.end()
  await off.client.close()
  assert.deepEqual(off.sent.datagrams, [])
})

test('bounds', async () => {
  const { client, sent } = capturing({ datagramBytes: 65_507 })
  const itself = []
  itself.push(itself)
  client.trace('much', (span) => {
    for (let n = 0; n < 1_000; n += 1) span.set(`k${n}`, n).event('e').link(span.context)
  })
  client.trace('bad\ud800', { attributes: { itself, symbol: Symbol('s'), none: null } }, () => {})
  await client.close()
  const { named } = spans(sent)
  assert.deepEqual(named.much.leftOut, [872, 872, 872])
  assert.ok(named['bad\ufffd'])
})

test('headers are those of every language', () => {
  const vectors = JSON.parse(fs.readFileSync(path.join(__dirname, '../../../schemas/examples/propagation.vectors.json'), 'utf8'))
  for (const { name, headers, context: said } of vectors.extract) {
    const one = extract(headers)
    if (said === null) {
      assert.ok(one === undefined || !isValid(one), name)
      continue
    }
    assert.deepEqual([one.traceId, one.spanId, one.traceState], [said.trace_id, said.span_id, said.trace_state], name)
    assert.deepEqual([one.isDecided ? one.flags === 1 || one.flags === 3 : null, one.isDebug], [said.sampled, said.debug], name)
    assert.deepEqual(Object.entries(one.baggage).sort(), said.baggage.sort(), name)
  }
  for (const { name, context: said, format, headers } of vectors.inject) {
    const out = inject({
      traceId: said.trace_id, spanId: said.span_id, flags: said.sampled ? 1 : 0, traceState: said.trace_state,
      baggage: Object.fromEntries(said.baggage), isDecided: said.sampled !== null, isDebug: said.debug,
    }, {}, [format]) // prettier-ignore
    const lower = (pairs) => pairs.map(([key, value]) => [key.toLowerCase(), value]).sort()
    assert.deepEqual(lower(Object.entries(out)), lower(headers), name)
  }
  assert.ok(vectors.extract.length > 50 && vectors.inject.length > 5)
})

test('W3C', () => {
  const one = extract({ Traceparent: GOOD })
  assert.deepEqual([one.traceId, one.spanId, one.flags], ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331', 1])
  assert.ok(extract({ traceparent: `cc${GOOD.slice(2)}-later` }))
  for (const bad of [`ff${GOOD.slice(2)}`, `${GOOD}-x`, GOOD.slice(0, -1), GOOD.toUpperCase(), GOOD.replace('b7ad6b7169203331', '0'.repeat(16)), '']) {
    assert.equal(extract({ traceparent: bad }), undefined, bad)
  }
  assert.equal(extract([['traceparent', GOOD], ['TraceParent', GOOD]]), undefined)
  assert.equal(extract(new Map([['traceparent', GOOD], ['tracestate', 'a=1, b=2 ']])).traceState, 'a=1,b=2')
  for (const bad of ['a', 'A=1', Array.from({ length: 33 }, (_, n) => `k${n}=1`).join(), `a=${'x'.repeat(300)}`]) {
    assert.equal(extract({ traceparent: GOOD, tracestate: bad }).traceState, '', bad)
  }
  assert.deepEqual(inject(one), { traceparent: GOOD })
})

test('Jaeger, B3 and baggage', () => {
  for (const text of ['100:7f:0:1', '100%3A7f:0:1', '100:7F:0:3', ' 100:7f:0:01']) {
    const one = extract({ 'uber-trace-id': text })
    assert.deepEqual([one.traceId, one.spanId, one.flags], ['100'.padStart(32, '0'), '7f'.padStart(16, '0'), 1], text)
  }
  for (const text of ['100:7f:0', '0:7f:0:1', '100:0:0:1', 'x:7f:0:1', '1:2:3:4:5', `${'1'.repeat(33)}:1:0:1`, '::::', '']) {
    assert.equal(extract({ 'uber-trace-id': text }), undefined, text)
  }
  const trace = '463ac35c9f6413ad48485a3953bb6124'
  assert.equal(extract({ b3: `${trace}-0020000000000001-1-05e3ac9a4f6e3b90` }).traceId, trace)
  assert.deepEqual([extract({ b3: '0' }).flags, extract({ b3: 'd' }).flags], [0, 1])
  assert.equal(extract({ b3: `${trace}-0020000000000001` }).isDecided, false)
  for (const text of ['', '2', 'x-y', `${trace}-00-1`]) assert.equal(extract({ b3: text }), undefined, text)
  const multi = extract({ 'X-B3-TraceId': trace.slice(16), 'X-B3-SpanId': '0020000000000001', 'X-B3-Sampled': 'true' })
  assert.deepEqual([multi.traceId, multi.flags], ['0'.repeat(16) + trace.slice(16), 1])
  const { baggage } = extract({ baggage: 'user=alice, node = DF%2028 ;p=1,bad,=x,__proto__=y', 'uberctx-k': 'v%20w' })
  assert.deepEqual(Object.entries(baggage), [['user', 'alice'], ['node', 'DF 28'], ['__proto__', 'y'], ['k', 'v w']])
  const out = inject({ ...multi, baggage: { k: 'v w' } }, {}, FORMATS)
  assert.equal(out['uberctx-k'], 'v%20w')
  assert.equal(out['uber-trace-id'], `${'0'.repeat(16)}48485a3953bb6124:0020000000000001:0:1`)
  assert.equal(out.b3, `${'0'.repeat(16)}${trace.slice(16)}-0020000000000001-1`)
  assert.equal(out.baggage, 'k=v%20w')
  // W3C bounds what is written by its bytes only.
  const many = Object.fromEntries(Array.from({ length: 512 }, (_, n) => [String(n).padStart(3, '0'), '!'.repeat(1) + 'x'.repeat(8)]))
  assert.equal(inject({ ...multi, baggage: many }).baggage.split(',').length, 512)
  assert.match(inject({ ...multi, baggage: many }).baggage, /^(\d{3}=%21x{8},?)+$/)
})

test('requests go on with the trace', async (t) => {
  const { client, sent } = capturing()
  const watch = middleware.express({ client })
  const server = http.createServer((request, response) => {
    watch(request, response, () => client.trace('work', async () => {
      await sleep(2)
      response.statusCode = 503
      response.end(JSON.stringify(inject(metlog.currentContext())))
    }))
  })
  server.listen(0)
  await once(server, 'listening')
  t.after(() => server.close())
  const response = await fetch(`http://127.0.0.1:${server.address().port}/cart?id=3`, { headers: { traceparent: GOOD } })
  const inside = extract(await response.json())
  await sleep(20)
  await client.close()
  const { named } = spans(sent)
  assert.equal(named.GET.parentId, 'b7ad6b7169203331')
  assert.equal(named.work.parentId, named.GET.spanId)
  assert.equal(inside.spanId, named.work.spanId)
  assert.equal(named.GET.status[0], 2)
  assert.deepEqual(Object.fromEntries(named.GET.attributes)['url.path'], '/cart')
})

test('headers of anybody are no danger', async () => {
  const { client } = capturing()
  for (const text of ['', '\0', 'é'.repeat(10_000), '-'.repeat(1_000), ':'.repeat(1_000), '%'.repeat(1_000), ','.repeat(100_000)]) {
    for (const name of ['traceparent', 'tracestate', 'baggage', 'uber-trace-id', 'uberctx-x', 'b3', 'x-b3-traceid', 'x-b3-sampled']) {
      client.trace('x', { parent: extract({ [name]: text }) }, (span) => inject(span.context, {}, FORMATS))
    }
  }
  await client.close()
})

test('attributes that cannot be read fail nobody', async () => {
  const { client, sent } = capturing()
  const inner = Object.defineProperty({}, 'x', { enumerable: true, get() { throw new Error('no') } })
  const span = client.span('strange', { attributes: { outer: { inner } } })
  span.end()
  client.span('plain').end()
  await client.flush()
  assert.deepEqual(spans(sent).all.map((one) => one.name), ['plain'])
  assert.equal(client.stats().dropped, 1)
  await client.close()
})

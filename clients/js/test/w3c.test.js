/** W3C's trace context and baggage through the middleware: the cases that all languages share, over real connections. */
'use strict'

const assert = require('node:assert/strict')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const path = require('node:path')
const test = require('node:test')
const metlog = require('../lib/index.js')
const { extract } = require('../lib/propagation.js')
const { service } = require('./w3c_service.js')

const EXAMPLES = JSON.parse(fs.readFileSync(path.join(__dirname, '../../../schemas/examples/propagation.requests.json'), 'utf8'))

/** Posts with headers as they are: clients of HTTP would tidy them up. */
async function post(port, headers, body) {
  const socket = net.connect(port, '127.0.0.1')
  const lines = [...headers.map(([name, value]) => `${name}: ${value}`), 'Host: x', 'Connection: close', `Content-Length: ${Buffer.byteLength(body)}`]
  socket.write(`POST / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
  let text = ''
  for await (const chunk of socket) text += chunk
  assert.match(text, /^HTTP\/1.1 200 /)
}

test('requests go on as W3C says', async (t) => {
  const client = new metlog.Client({ destinations: new metlog.Captured(), statsd: false })
  const calls = []
  const harness = http.createServer((request, response) => {
    const headers = []
    for (let n = 0; n < request.rawHeaders.length; n += 2) headers.push([request.rawHeaders[n].toLowerCase(), request.rawHeaders[n + 1]])
    calls.push(headers)
    request.resume().on('end', () => response.end('null'))
  })
  const servers = [harness, service(client)]
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  t.after(async () => {
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
    await client.close()
  })
  const url = `http://127.0.0.1:${harness.address().port}/`
  for (const { name, headers, goes_on: goesOn, calls: count = 1, trace_state: state, sampled, baggage, ...more } of EXAMPLES.cases) {
    calls.length = 0
    await post(servers[1].address().port, headers, JSON.stringify(Array(count).fill({ url, arguments: [] })))
    assert.equal(calls.length, count, name)
    const spanIds = new Set([EXAMPLES.span_id])
    for (const call of calls) {
      const parents = call.filter(([key]) => key === 'traceparent').map(([, value]) => value)
      assert.match(parents.join(), /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/, name)
      const [, traceId, spanId, flags] = parents[0].split('-')
      if (goesOn) assert.equal(traceId, EXAMPLES.trace_id, name)
      else assert.ok(!headers.some(([, value]) => value.toLowerCase().includes(traceId)), name)
      spanIds.add(spanId)
      if (sampled !== undefined) assert.equal((parseInt(flags, 16) & 1) === 1, sampled, name)
      if (state !== undefined) assert.equal(call.filter(([key]) => key === 'tracestate').map(([, value]) => value).join(), state, name)
      const { baggage_header: written } = more
      if (written !== undefined) assert.equal(call.filter(([key]) => key === 'baggage').map(([, value]) => value).join(), written, name)
      if (baggage !== undefined) assert.deepEqual(Object.entries(extract(call).baggage), baggage, name)
    }
    assert.equal(spanIds.size, count + 1, name)
  }
  assert.ok(EXAMPLES.cases.length > 80)
})

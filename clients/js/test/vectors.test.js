/** The vectors that all languages share: datagrams and lines, byte for byte. */
'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const test = require('node:test')
const metlog = require('../lib/index.js')
const { flat } = require('../lib/values.js')
const { Span } = require('../lib/spans.js')
const { Datagram } = require('../lib/wire.js')

const EXAMPLES = path.join(__dirname, '../../../schemas/examples')
/** Datagrams that a reader must accept and that this writer does not make. */
const ONLY_READ = /cut|later_values|longer_than_needed|one_bad|is_none|time_at_the_end|with_everything|ping/

/** Numbers over 2^53 stand in the examples. */
function parse(text) {
  return JSON.parse(text.replace(/"(sender|sequence|dropped|next)": (\d+)/g, '"$1": "$2"'))
}

/** A span as its example says it is. */
function spanOf(said, openedAt) {
  const span = Object.assign(Object.create(Span.prototype), {
    name: said.name, kind: said.kind, parentId: '', isRemote: false, statusCode: 0, statusMessage: '', attributes: [],
    context: { traceId: said.trace_id, spanId: said.span_id, flags: said.flags, traceState: '' },
    events: [], links: [], leftOut: [0, 0, 0], duration: Number(said.duration_nanos) / 1e6, probability: undefined,
  }) // prettier-ignore
  const start = Number(BigInt(said.start_unix_nanos) - BigInt(openedAt) * 1_000n)
  span.startMicros = openedAt + Math.floor(start / 1_000)
  span.startNanos = start - Math.floor(start / 1_000) * 1_000
  return span
}

test('datagrams', () => {
  const names = fs.readdirSync(EXAMPLES).filter((name) => /^wire\.v1\..*\.pass\.hex$/.test(name) && !ONLY_READ.test(name))
  for (const name of names) {
    const expected = Buffer.from(fs.readFileSync(path.join(EXAMPLES, name), 'latin1').replace(/\s/g, ''), 'hex')
    const example = parse(fs.readFileSync(path.join(EXAMPLES, name.replace(/hex$/, 'json')), 'utf8'))
    const { header, heartbeat } = example
    const writer = new Datagram(65_507, {
      sender: BigInt(heartbeat ? heartbeat.sender : header.sender),
      pid: header.pid,
      hostname: header.hostname,
      logger: header.logger,
      key: header.key_id === null ? undefined : { id: header.key_id, secret: Buffer.from(example.secret) },
    })
    let made
    if (heartbeat) {
      made = writer.heartbeat(header.opened_at, heartbeat.next, heartbeat.dropped)
    } else {
      for (const message of example.messages) {
        if (message.span) {
          writer.openedAt = header.opened_at
          assert.ok(writer.pushSpan(header.opened_at, spanOf(message.span, header.opened_at)))
          continue
        }
        const isOwn = message.hostname !== header.hostname || message.pid !== header.pid
        assert.ok(
          writer.push(header.opened_at, {
            timestamp: message.timestamp,
            severity: message.severity,
            type: message.type,
            logger: message.logger === header.logger ? undefined : message.logger,
            origin: isOwn ? { hostname: message.hostname, pid: message.pid } : undefined,
            envVersion: message.env_version === '1' ? undefined : message.env_version,
            tokens: message.tokens,
            payload: message.payload,
            fields: message.fields.flat(),
          })
        )
      }
      writer.openedAt = header.opened_at
      made = writer.finish(header.sequence, header.dropped)
    }
    assert.equal(made.toString('hex'), expected.toString('hex'), name)
  }
  assert.ok(names.length >= 7, names.join())
})

test('lines', async () => {
  const examples = fs.readFileSync(path.join(EXAMPLES, 'client.statsd.json'), 'utf8')
  for (const { call, name, value, line } of JSON.parse(examples.replace('9007199254740993,', '"9007199254740993",'))) {
    const captured = new metlog.Captured()
    const client = new metlog.Client({ destinations: [], statsdDestination: captured })
    const method = call.replace(/_(.)/g, (_, letter) => letter.toUpperCase())
    const given = value === '9007199254740993' ? BigInt(value) : value
    assert.equal(client[method](...(value === undefined ? [name] : [name, given])), 'queued', call)
    await client.close()
    assert.deepEqual(captured.datagrams.map(String), [line])
  }
})

test('nested fields are those of Metlog JSON', () => {
  const read = (name) => JSON.parse(fs.readFileSync(path.join(EXAMPLES, `metlog_json.fields_nested.${name}.json`), 'utf8'))
  // JSON's 2.0 is the number 2.
  const expected = read('message').fields.map(([key, value]) => [key, value === '2.0' ? '2' : value])
  const made = flat(read('pass').fields)
  assert.deepEqual(made, expected.flat())
})

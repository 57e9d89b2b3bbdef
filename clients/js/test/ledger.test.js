/** Into a real listener: what was called is stored, lost, or dropped by the client, and its ledger says how much of each. */
'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const test = require('node:test')
const metlog = require('../lib/index.js')
const { Metlog, WITH_BINARY, isBalanced, sleep, until } = require('./metlog_process.js')

const PROGRAM = path.join(__dirname, 'ledger_program.js')
const IS_NODE = !globalThis.Bun && !globalThis.Deno
/** With more than half of a datagram each message is one, so that lost datagrams are lost messages. */
const LARGE = 'x'.repeat(900)

/** Runs a case; what it printed. */
async function run(name, listener) {
  const child = spawn(process.execPath, [PROGRAM, name, listener.destination], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (more) => (text += more))
  await once(child, 'close')
  assert.ok(text !== '', `${name} printed nothing`)
  return JSON.parse(text)
}

let listener
test.before(async () => {
  if (!WITH_BINARY.skip) listener = await Metlog.start()
})
test.after(() => listener && listener.end())

const rows = (logger) => listener.one(`select count(*) from messages where logger = '${logger}'`)
const senders = async (logger) => (await listener.sql(`select distinct hostname, pid from messages where logger = '${logger}'`)).length
/** Waits until this many rows are there, and sees that there are no more, and what was lost and dropped since. */
const check = async (before, logger, { stored, lost = 0, dropped = 0 }) => {
  await until(`${stored} rows of ${logger}`, async () => (await rows(logger)) >= stored)
  const told = async () => {
    const now = await listener.ledger()
    return now.lost - before.lost === lost && now.dropped_by_clients - before.dropped_by_clients === dropped
  }
  await until(`${lost} lost and ${dropped} dropped of ${logger}`, told)
  await sleep(100)
  assert.equal(await rows(logger), stored, 'none twice')
  assert.ok(await told())
  const ledger = await listener.ledger()
  assert.ok(isBalanced(ledger) && ledger.rejected === 0, JSON.stringify(ledger))
}

test('worker_threads', WITH_BINARY, async () => {
  const before = await listener.ledger()
  await check(before, 'threads', { stored: await run('threads', listener) })
})

test('cluster', WITH_BINARY, async () => {
  const before = await listener.ledger()
  await check(before, 'clustered', { stored: await run('clustered', listener) })
  assert.equal(await senders('clustered'), 4)
})

test('process.exit at once', { skip: WITH_BINARY.skip || (IS_NODE ? false : 'nothing is sent in the same turn') }, async () => {
  const before = await listener.ledger()
  await check(before, 'exit', { stored: await run('exit', listener) })
})

test('kill -9: what waited is gone, and nothing else', WITH_BINARY, async () => {
  const before = await listener.ledger()
  await check(before, 'killed', { stored: await run('killed', listener) })
})

test('a queue that is full, and messages that are too large', WITH_BINARY, async () => {
  const before = await listener.ledger()
  const { queued, dropped, oversize } = await run('full', listener)
  assert.equal(queued + dropped, 2_007)
  assert.ok(dropped > 1_000 && oversize === 7, `${dropped} ${oversize}`)
  await check(before, 'full', { stored: queued, dropped })
})

test('a listener that is killed and started again', WITH_BINARY, async () => {
  const before = await listener.ledger()
  const client = new metlog.Client({ destinations: [listener.destination], statsd: false, logger: 'killed_listener' })
  const send = async (count) => {
    for (let n = 0; n < count; n += 1) client.send(['a', String(n)], LARGE)
    await client.flush()
  }
  await send(40)
  await until('the first are on disk', async () => (await rows('killed_listener')) === 40)
  await listener.kill()
  await send(60)
  const { sendErrors } = client.stats()
  // Deno does not say what the kernel said.
  assert.ok(sendErrors > 0 || globalThis.Deno)
  await listener.run()
  await send(50)
  // The first datagram after that may meet the error of the last one before.
  const lost = await until('the gap', async () => {
    const found = (await listener.ledger()).lost - before.lost
    return found >= 60 && found
  })
  await check(before, 'killed_listener', { stored: 150 - lost, lost })
  await client.close()
})

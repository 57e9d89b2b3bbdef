/**
 * What a call costs, beside hot-shots and statsd-client: time of the caller, and time of the processor that the whole
 * process took for it, which is what counts, since a client may put its work off.
 *
 *     npm install --no-save --omit=optional hot-shots@17.1.1 statsd-client@0.4.7
 *     node benchmarks/cost.mjs [TURNS] [FOLDER with node_modules of those two]
 *
 * Every client runs in a process of its own, one after the other, in turns; the table has the medians. Calls come in bursts of
 * 200 with a turn of the event loop between them, as in a service. Nobody reads the datagrams: sockets that are bound
 * take them, and what does not fit is dropped by the kernel.
 */
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const BURST = 200
const BURSTS = 3_000
const WARM_UP = 300

const here = path.dirname(fileURLToPath(import.meta.url))

/** What is called, by name; each gives the call and how to wait until all has left. */
const SHAPES = {
  'harness alone': () => ({ call: () => {}, end: async () => {} }),
  'metlog incr': (port) => {
    const client = ours(port)
    return { call: () => client.incr('logins'), end: () => drained(client) }
  },
  'metlog send': (port) => {
    const client = ours(port)
    const tokens = ['browserid', 'login']
    return { call: () => client.send(tokens, 'user 25'), end: () => drained(client) }
  },
  'metlog timing': (port) => {
    const client = ours(port)
    return { call: () => client.timing('db.query', 12.5), end: () => drained(client) }
  },
  'hot-shots increment': (port, require) => hotShots(require, { port }),
  'hot-shots increment, maxBufferSize 1432': (port, require) => hotShots(require, { port, maxBufferSize: 1_432 }),
  'hot-shots increment, aggregated': (port, require) => hotShots(require, { port, maxBufferSize: 1_432, aggregation: true }),
  'statsd-client increment': (port, require) => {
    const StatsdClient = require('statsd-client')
    const client = new StatsdClient({ host: '127.0.0.1', port })
    return { call: () => client.increment('logins'), end: () => later(100) }
  },
}

function ours(port) {
  const { Client } = createRequire(import.meta.url)('../lib/index.js')
  const where = `127.0.0.1:${port}`
  return new Client({ destinations: [where], statsdDestination: where })
}

/** Waits until all has left; a client that drops would be cheap. */
async function drained(client) {
  const { dropped, sendErrors } = (await client.flush()) && client.stats()
  if (dropped > 0 || sendErrors > 0) throw new Error(`${dropped} were dropped, ${sendErrors} not sent`)
}

function hotShots(require, options) {
  const StatsD = require('hot-shots')
  const client = new StatsD({ host: '127.0.0.1', ...options })
  return { call: () => client.increment('logins'), end: () => later(100) }
}

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function burst(call, bursts) {
  let spent = 0n
  for (let n = 0; n < bursts; n += 1) {
    const began = process.hrtime.bigint()
    for (let i = 0; i < BURST; i += 1) call()
    spent += process.hrtime.bigint() - began
    await turn()
  }
  return spent
}

/** In a process of its own: prints what a call took. */
async function measure(name, port, modules) {
  const { call, end } = SHAPES[name](port, createRequire(path.join(modules, 'x.js')))
  await burst(call, WARM_UP)
  await end()
  const before = process.cpuUsage()
  const spent = await burst(call, BURSTS)
  await end()
  const { user, system } = process.cpuUsage(before)
  const calls = BURST * BURSTS
  console.log(JSON.stringify([Number(spent) / calls, ((user + system) * 1_000) / calls]))
  process.exit(0)
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

async function table(turns, modules) {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const found = Object.fromEntries(Object.keys(SHAPES).map((name) => [name, []]))
  const self = fileURLToPath(import.meta.url)
  for (let n = 0; n < turns; n += 1) {
    for (const name of Object.keys(SHAPES)) {
      found[name].push(JSON.parse(execFileSync(process.execPath, [self, '--measure', name, String(port), modules])))
    }
  }
  socket.close()
  console.log(`node ${process.version}, ${turns} turns; ns a call, medians\n`)
  console.log('| call | caller | process CPU | range of CPU |\n|---|---|---|---|')
  for (const [name, runs] of Object.entries(found)) {
    const cpu = runs.map(([, all]) => all)
    const [least, most] = [Math.min(...cpu), Math.max(...cpu)].map(Math.round)
    console.log(`| ${name} | ${Math.round(median(runs.map(([caller]) => caller)))} | ${Math.round(median(cpu))} | ${least} to ${most} |`)
  }
}

const [first, ...rest] = process.argv.slice(2)
if (first === '--measure') await measure(rest[0], Number(rest[1]), rest[2])
else await table(Number(first) || 5, path.resolve(rest[0] || path.join(here, '..')))

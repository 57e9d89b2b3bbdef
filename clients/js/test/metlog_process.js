/** A `metlog up` with a folder and ports of its own, beside which a client is tested; what is stored is asked by SQL. */
'use strict'

const { spawn } = require('node:child_process')
const dgram = require('node:dgram')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')

/** The release binary, where the test command says it; without it these tests are skipped. */
const BINARY = process.env.METLOG_BINARY
const WITH_BINARY = { skip: BINARY ? false : 'METLOG_BINARY names no binary' }
const WAIT_MS = 30_000
/** Nothing else listens: the default ports may belong to others. */
const OTHERS = ['otlp_grpc', 'otlp_http', 'jaeger_compact', 'jaeger_binary', 'jaeger_http', 'jaeger_grpc', 'zipkin', 'scribe', 'milo', 'sampling']

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function freePort(kind) {
  const socket = kind === 'udp' ? dgram.createSocket('udp4') : net.createServer()
  if (kind === 'udp') socket.bind(0, '127.0.0.1')
  else socket.listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** Waits until something is so, and gives it. */
async function until(what, holds) {
  const end = Date.now() + WAIT_MS
  for (;;) {
    const found = await holds()
    if (found) return found
    if (Date.now() > end) throw new Error(`not within ${WAIT_MS} ms: ${what}`)
    await sleep(20)
  }
}

class Metlog {
  /** Starts one, which `end` ends. `more` stands at the end of the configuration. */
  static async start(more = '') {
    const metlog = new Metlog()
    metlog.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'metlog-js-'))
    metlog.ports = { metlog: await freePort('udp'), statsd: await freePort('udp'), http: await freePort(), query: await freePort() }
    const { ports, folder } = metlog
    const lines = OTHERS.map((name) => `${name} = ""`).join('\n')
    fs.writeFileSync(
      path.join(folder, 'metlog.toml'),
      `data = "${folder}/data"
[listener]
name = "test"
metlog = "127.0.0.1:${ports.metlog}"
statsd = "127.0.0.1:${ports.statsd}"
http = "127.0.0.1:${ports.http}"
${lines}
[statsd]
flush_interval = "1s"
[sink.parquet]
url = "file://${folder}/warehouse"
roll_after = "1s"
[query]
listen = "127.0.0.1:${ports.query}"
${more}`
    )
    await metlog.run()
    return metlog
  }

  async end() {
    await this.kill()
    fs.rmSync(this.folder, { recursive: true, force: true })
  }

  get destination() {
    return `127.0.0.1:${this.ports.metlog}`
  }

  get statsdDestination() {
    return `127.0.0.1:${this.ports.statsd}`
  }

  get intake() {
    return `http://127.0.0.1:${this.ports.http}`
  }

  async run() {
    const log = fs.openSync(path.join(this.folder, 'metlog.log'), 'a')
    this.process = spawn(BINARY, ['up', '--config', path.join(this.folder, 'metlog.toml')], { cwd: this.folder, stdio: ['ignore', log, log] })
    fs.closeSync(log)
    this.ended = once(this.process, 'exit')
    await until('metlog is up', async () => {
      if (this.process.exitCode !== null) throw new Error(`metlog ended: ${fs.readFileSync(path.join(this.folder, 'metlog.log'), 'utf8').slice(-2_000)}`)
      return this.get('/health').catch(() => undefined)
    })
  }

  async kill() {
    this.process.kill('SIGKILL')
    await this.ended
  }

  async get(where) {
    return (await fetch(`http://127.0.0.1:${this.ports.query}${where}`)).json()
  }

  async sql(query) {
    const response = await fetch(`http://127.0.0.1:${this.ports.query}/api/sql`, { method: 'POST', body: JSON.stringify({ query }) })
    if (!response.ok) throw new Error(`${query}: ${await response.text()}`)
    return response.json()
  }

  /** The only value that a query has. */
  async one(query) {
    return Object.values((await this.sql(query))[0])[0]
  }

  ledger() {
    return this.get('/api/ledger')
  }
}

/** What was received is stored, held, rejected, set aside or dropped: nothing is missing. */
function isBalanced(ledger) {
  const parts = ['rejected', 'dropped', 'stored', 'set_aside', 'held']
  return ledger.received === parts.reduce((sum, part) => sum + ledger[part], 0)
}

module.exports = { Metlog, WITH_BINARY, isBalanced, sleep, until }

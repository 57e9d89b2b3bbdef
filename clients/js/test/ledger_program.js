/** What `ledger.test.js` starts: `node ledger_program.js CASE DESTINATION`. Prints how many calls it made, as JSON. */
'use strict'

const cluster = require('node:cluster')
const { Worker, isMainThread, workerData } = require('node:worker_threads')
const metlog = require('../lib/index.js')

const [name, destination] = isMainThread ? process.argv.slice(2) : workerData
const THREADS = 3
/** What Bun and Deno send is on its way only some turns of the event loop later. */
const IS_NODE = !globalThis.Bun && !globalThis.Deno
const CALLS = 200

function begin(more) {
  metlog.init({ destinations: [destination], statsd: false, logger: name, ...more })
}

function calls(count, text) {
  for (let n = 0; n < count; n += 1) metlog.send([name, String(n)], text)
}

/** Main thread and workers, of which each ends in its own way. */
async function threads() {
  begin()
  if (!isMainThread) {
    calls(CALLS, 'thread')
    if (!IS_NODE) await metlog.flush()
    if (workerData[2] === 0) process.exit(0) // of a worker: ends the thread
    return
  }
  calls(CALLS, 'main')
  let left = THREADS
  for (let n = 0; n < THREADS; n += 1) {
    new Worker(__filename, { workerData: [name, destination, n] }).on('exit', () => {
      left -= 1
      if (left === 0) console.log(CALLS * (THREADS + 1))
    })
  }
}

/** A primary and workers, one of which is killed after a flush. */
async function clustered() {
  begin()
  calls(CALLS, 'process')
  if (cluster.isPrimary) {
    const workers = Array.from({ length: THREADS }, (_, n) => cluster.fork({ NUMBER: n }))
    await Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve))))
    console.log(CALLS * (THREADS + 1))
    return
  }
  if (process.env.NUMBER === '0' || !IS_NODE) await metlog.flush()
  if (process.env.NUMBER === '0') process.kill(process.pid, 'SIGKILL')
  if (process.env.NUMBER === '1') process.exit(0)
  process.disconnect()
}

/** Ends while the datagram is not full, before anything else could run. */
function exit() {
  begin()
  calls(CALLS, 'exit')
  console.log(CALLS)
  process.exit(0)
}

/** Is killed with one message in a datagram that waits for more. */
async function killed() {
  begin()
  calls(CALLS, 'killed')
  await metlog.flush()
  console.log(CALLS)
  process.stdout.write('', () => {
    metlog.send([name, 'waits'], 'never sent')
    process.kill(process.pid, 'SIGKILL')
  })
}

/** More in one turn of the event loop than the queue holds, and some that fit in no datagram. */
async function full() {
  begin({ queueBytes: 8_192 })
  for (let n = 0; n < 7; n += 1) metlog.send([name], 'x'.repeat(1_500))
  calls(2_000, 'x'.repeat(900))
  const { queued, dropped, oversize } = metlog.stats()
  console.log(JSON.stringify({ queued, dropped, oversize }))
  await metlog.close()
}

const CASES = { threads, clustered, exit, killed, full }
CASES[name]()

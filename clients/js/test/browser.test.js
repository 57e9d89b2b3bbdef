/** The build for browsers, in a real Chromium, into a real listener on another origin. */
'use strict'

const assert = require('node:assert/strict')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const test = require('node:test')
const { Metlog, WITH_BINARY, isBalanced, sleep, until } = require('./metlog_process.js')

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => fs.existsSync(file))
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const MODULE = path.join(__dirname, '../lib/browser.mjs')

/** Serves a page and the module, without which a browser has no origin. */
async function pages(t) {
  const server = http.createServer((request, response) => {
    const isScript = request.url.endsWith('.mjs')
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    if (request.url === '/browser.mjs') response.end(fs.readFileSync(MODULE))
    else if (request.url === '/worker.mjs') response.end(WORKER)
    else response.end(`<!doctype html><title>${request.url}</title>`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${server.address().port}`
}

const WORKER = `import * as metlog from './browser.mjs'
onmessage = async ({ data }) => {
  metlog.init({ url: data, logger: 'web', type: 'worker' })
  for (let n = 0; n < 50; n += 1) metlog.send(['worker'], String(n))
  postMessage([typeof navigator.sendBeacon, await metlog.flush()])
}`

async function browser(t) {
  const { chromium } = require('playwright-core')
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'metlog-chromium-'))
  const context = await chromium.launchPersistentContext(profile, { executablePath: CHROMIUM, args: FLAGS })
  context.setDefaultTimeout(20_000)
  t.after(async () => {
    await context.close()
    fs.rmSync(profile, { recursive: true, force: true })
  })
  return context
}

test('in Chromium', { skip: WITH_BINARY.skip || (CHROMIUM ? false : 'there is no Chromium') }, async (t) => {
  const origin = await pages(t)
  const listener = await Metlog.start(`[listener.submit]\nloggers = ["web*"]\norigins = ["${origin}"]\n`)
  t.after(() => listener.end())
  const context = await browser(t)
  /** A page in which the client is set up as `metlog`. */
  const open = async (config = {}) => {
    const page = await context.newPage()
    await page.goto(origin)
    await page.evaluate(
      async (given) => {
        globalThis.metlog = await import('/browser.mjs')
        globalThis.metlog.init(given)
      },
      { url: listener.intake, logger: 'web', ...config }
    )
    return page
  }
  const rows = (type) => listener.one(`select count(*) from messages where type = '${type}'`)
  const arrived = async (type, count) => {
    await until(`${count} of ${type}`, async () => (await rows(type)) >= count)
    await sleep(100)
    assert.equal(await rows(type), count, 'none twice')
  }

  await t.test('messages, counters and timers', async () => {
    const page = await open()
    const outcomes = await page.evaluate(() => {
      const { metlog } = globalThis
      const itself = {}
      itself.self = itself
      return [
        metlog.message('größer', { type: 'click', tokens: ['cart', 7], fields: { n: { x: [1, null] }, big: 2n ** 60n }, severity: 4 }),
        metlog.incr('clicks'), metlog.incr('clicks', 4), metlog.timing('load', 12.5), metlog.message('x', { fields: itself }),
        metlog.incr('clicks', NaN), metlog.send(['a'], 'x'.repeat(20_000)), metlog.time('work', () => 'queued'),
      ] // prettier-ignore
    })
    assert.deepEqual(outcomes, ['queued', 'queued', 'queued', 'queued', 'dropped', 'dropped', 'oversize', 'queued'])
    assert.equal(await page.evaluate(() => globalThis.metlog.flush()), true)
    await arrived('click', 1)
    const [row] = await listener.sql("select payload, severity, logger, tokens[2] as two, fields['n.x[0]'] as x, fields['big'] as big from messages where type = 'click'")
    assert.deepEqual(row, { payload: 'größer', severity: 4, logger: 'web', two: '7', x: '1', big: String(2n ** 60n) })
    const counted = () => listener.sql("select name, sum(count) as n from metrics where name like 'web.%' group by name order by name")
    const values = await until('metrics', async () => ((await counted()).length === 4 ? counted() : undefined))
    // What the page dropped is known here too.
    assert.deepEqual(values.map(({ name, n }) => [name, n]), [['web.clicks', 5], ['web.load', 1], ['web.metlog.dropped', 3], ['web.work', 1]])
    await page.close()
  })

  await t.test('a page that is left sends what waits', async () => {
    const page = await open({ type: 'left', intervalMs: 1_000_000 })
    await page.evaluate(() => {
      for (let n = 0; n < 300; n += 1) globalThis.metlog.send(['left'], `message ${n} ${'x'.repeat(60)}`)
    })
    await page.goto(`${origin}/elsewhere`)
    await arrived('left', 300)
    await page.close()
  })

  await t.test('a tab that is closed sends what waits', async () => {
    const page = await open({ type: 'closed', intervalMs: 1_000_000 })
    await page.evaluate(() => globalThis.metlog.send(['closed'], 'x'))
    await page.close({ runBeforeUnload: false })
    await arrived('closed', 1)
  })

  await t.test('what the quota of beacons does not let go stays, and goes later', async () => {
    const page = await open({ type: 'quota', intervalMs: 1_000_000 })
    const [waits, { beacons }] = await page.evaluate(() => {
      const { metlog } = globalThis
      for (let n = 0; n < 200; n += 1) metlog.send(['quota'], 'x'.repeat(900))
      Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
      return [metlog.client.bytes, metlog.stats()]
    })
    assert.ok(waits > 100_000 && waits < 200 * 1_100 && beacons >= 2 && beacons <= 4, `${waits} ${beacons}`)
    await until('the rest', () => page.evaluate(() => globalThis.metlog.flush()))
    await arrived('quota', 200)
    await page.close()
  })

  await t.test('a listener that is gone is waited for; a full queue is counted', async () => {
    const page = await open({ logger: 'web_gone', type: 'gone', queueBytes: 32_768, intervalMs: 1_000_000 })
    await page.evaluate(() => globalThis.metlog.flush())
    await listener.kill()
    const outcomes = await page.evaluate(async () => {
      const { metlog } = globalThis
      const found = Array.from({ length: 100 }, (_, n) => metlog.send(['gone'], `${n} ${'x'.repeat(900)}`))
      return [await metlog.flush(), found.filter((one) => one === 'queued').length, metlog.stats()]
    })
    const [isDone, queued, stats] = outcomes
    assert.deepEqual([isDone, stats.queued, stats.dropped, stats.sendErrors > 0], [false, queued, 100 - queued, true])
    await listener.run()
    await until('the listener again', () => page.evaluate(() => globalThis.metlog.flush()))
    await arrived('gone', queued)
    const dropped = () => listener.one("select coalesce(sum(count), 0) from metrics where name = 'web_gone.metlog.dropped'")
    assert.equal(await until('what was dropped', dropped), 100 - queued)
    await page.close()
  })

  await t.test('a batch that is sent twice is stored once', async () => {
    const page = await open({ type: 'twice', intervalMs: 1_000_000 })
    await page.evaluate(async () => {
      const { metlog } = globalThis
      metlog.send(['twice'], 'x')
      metlog.client.cut()
      const [batch] = metlog.client.batches
      // As if the first response had been lost on its way.
      await metlog.client.fetch(metlog.client.settings, batch)
      await metlog.flush()
    })
    await arrived('twice', 1)
    await page.close()
  })

  await t.test('what the listener refuses is counted, and not sent again', async () => {
    const page = await open({ logger: 'other', intervalMs: 1_000_000 })
    const [isDone, stats] = await page.evaluate(async () => {
      const { metlog } = globalThis
      metlog.send(['a'], 'x')
      return [await metlog.flush(), metlog.stats()]
    })
    assert.deepEqual([isDone, stats.refused, stats.dropped, stats.posts], [false, 1, 1, 1])
    await page.close()
  })

  await t.test('in a worker, which has no beacons', async () => {
    const page = await open()
    const found = await page.evaluate(async (url) => {
      const worker = new Worker('/worker.mjs', { type: 'module' })
      worker.postMessage(url)
      return new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data)
      })
    }, listener.intake)
    assert.deepEqual(found, ['undefined', true])
    await arrived('worker', 50)
    await page.close()
  })

  const ledger = await listener.ledger()
  assert.ok(isBalanced(ledger) && ledger.lost === 0, JSON.stringify(ledger))
})

test('a configuration that cannot be, and calls before there is one', async () => {
  const { Client, ConfigError } = await import('../lib/browser.mjs')
  const bad = [{}, { logger: '' }, { logger: 'a', url: 'ftp://x' }, { logger: 'a', batchBytes: 1 << 20 }, { logger: 'a', severity: 9 }, { logger: 'a', statsd: true }]
  for (const config of bad) assert.throws(() => new Client(config), ConfigError, JSON.stringify(config))
  const client = new Client()
  assert.deepEqual([client.send(['a']), client.incr('a'), client.timing('a', 1), await client.flush()], ['off', 'off', 'off', true])
})

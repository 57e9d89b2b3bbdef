// Compiled by the tests, not run: the types that users see.
import * as metlog from 'metlog'
import * as page from 'metlog/browser'
import { express } from 'metlog/http'

const client: metlog.Client = metlog.init({ logger: 'sync', filters: { severityMax: 4 } })
const outcome: metlog.Outcome = metlog.send(['a', 'b'], 'text')
metlog.message('x', { type: 'login', fields: { a: 1 }, timestamp: new Date() })
const result: number = metlog.time('work', () => 7)
const promise: Promise<string> = metlog.time('work', async () => 'x')
client.timer('x').stop()
express({ client })
page.init({ url: 'https://metlog.example.org', logger: 'web' }).incr('clicks')
// @ts-expect-error: the logger is part of the address
page.init({ url: '' })
// @ts-expect-error: a severity is 0 to 7
metlog.init({ severity: 9 })
export { outcome, promise, result }

/**
 * A service behind our middleware, as W3C's suite for trace context asks for one: it is posted a list of
 * `{ url, arguments }`, and posts the arguments to each url, going on with the trace. `node w3c_service.js [PORT]`.
 */
'use strict'

const http = require('node:http')
const metlog = require('../lib/index.js')
const middleware = require('../lib/http.js')
const { inject } = require('../lib/propagation.js')

function service(client) {
  const watch = middleware.express({ client })
  return http.createServer((request, response) => {
    watch(request, response, async () => {
      try {
        const chunks = []
        for await (const chunk of request) chunks.push(chunk)
        for (const { url, arguments: more } of JSON.parse(Buffer.concat(chunks).toString()) || []) {
          // Each call is a span of its own, as the suite expects.
          await client.trace('call', { kind: 'client' }, async () => {
            const headers = { 'Content-Type': 'application/json', ...inject(metlog.currentContext()) }
            await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(more) })).arrayBuffer()
          })
        }
        response.setHeader('Content-Type', 'application/json').end('null')
      } catch (error) {
        response.statusCode = 500
        response.end(String(error))
      }
    })
  })
}

if (require.main === module) {
  const client = new metlog.Client({ destinations: new metlog.Captured(), statsd: false })
  const server = service(client).listen(Number(process.argv[2]) || 0, '127.0.0.1', () => console.log(server.address().port))
}

module.exports = { service }

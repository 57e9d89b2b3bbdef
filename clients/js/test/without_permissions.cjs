/** Neither the network nor the environment is allowed: nothing is sent, and nothing fails. */
'use strict'

const metlog = require('../lib/index.js')

metlog.init({ destinations: ['127.0.0.1:5565'] })
console.log(JSON.stringify([metlog.send(['a'], 'x'), metlog.incr('a')]))

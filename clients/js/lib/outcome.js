/** What became of one message or value. */
'use strict'

const Outcome = Object.freeze({
  QUEUED: 'queued',
  FILTERED: 'filtered',
  SAMPLED_OUT: 'sampled_out',
  DROPPED: 'dropped',
  OVERSIZE: 'oversize',
  OFF: 'off',
})

module.exports = { Outcome }

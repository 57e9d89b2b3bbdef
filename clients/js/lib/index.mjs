/** The same module for `import`: one instance, whichever way it is loaded. */
import metlog from './index.js'

export const {
  Captured, Client, ConfigError, Outcome, Span, client, currentContext, init, send, message, incr, decr, count, gauge, gaugeDelta, timing,
  histogram, set, timer, time, span, trace, flush, close, stats,
} = metlog // prettier-ignore

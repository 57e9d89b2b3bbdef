/** The same module for `import`. */
import transport from './pino.js'

export default transport

/** The same module for `import`. */
import propagation from './propagation.js'

export const { FORMATS, extract, inject, isValid } = propagation

export * from './propagation.js'

import type { Writable } from 'node:stream'
import type { Config } from './index.mjs'

export default function transport(options?: Config): Writable

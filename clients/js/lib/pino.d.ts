import type { Writable } from 'node:stream'
import type { Config } from './index'

declare function transport(options?: Config): Writable
export = transport

/** What of a trace crosses a process; ids in lower-case hexadecimal, '' for none. */
export interface Context {
  readonly traceId: string
  readonly spanId: string
  /** W3C's: bit 0 is *sampled*. */
  readonly flags: number
  readonly traceState: string
  readonly baggage: Readonly<Record<string, string>>
  /** False: no format said whether it is sampled, so the receiver decides. */
  readonly isDecided: boolean
  /** True: kept whatever samplers say, as Jaeger's and B3's debug flag. */
  readonly isDebug: boolean
}

export type Format = 'w3c' | 'jaeger' | 'b3' | 'b3multi'
export declare const FORMATS: readonly Format[]
export type Carrier = Record<string, string | string[] | undefined> | Map<string, string> | Headers

/** The context of a request, by the first of the formats that says one; baggage by whichever carries it. */
export declare function extract(carrier: Carrier, formats?: readonly Format[]): Context | undefined
/** Writes the headers of a request that goes on with this context, and gives them. */
export declare function inject<T extends object>(context: Context | undefined, carrier?: T, formats?: readonly Format[]): T
/** True where there is a trace to go on with. */
export declare function isValid(context: Context): boolean

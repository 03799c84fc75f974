/** The ledger in which the servers of the fixtures write down themselves that they ran (fixtures/ledger.mjs). */
import { existsSync, readFileSync } from 'node:fs'

/** One line of a ledger. */
export interface Entry {
  readonly event: 'start' | 'stop' | 'child-start' | 'child-stop'
  readonly pid: number
  readonly launchId: string
  readonly port: number
  readonly at: number
  readonly exitCode?: number
}

/** The lines that are whole: a ledger may exist before its first line does. */
export const entriesOf = (file: string): Entry[] =>
  (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Entry)

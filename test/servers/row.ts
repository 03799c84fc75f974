/**
 * A server of the series, as data: how its users start it, and what becomes of the process that was started. One story (story.ts)
 * is told of each row, so a row has no code of its own.
 */
import type { Needs } from './install.js'

/**
 * What becomes of the leader, the process that the claim names. `serves`: it is the server, and the launch ends with it. `wraps`: it
 * is killed alone (out of memory, a terminal that closes), and its children serve on. `leaves`: it exits with code 0 by itself.
 * `escapes`: so it does, and the server that it leaves behind has dropped every sign by which the kernel could show whose it is.
 */
export type LeaderKind = 'serves' | 'wraps' | 'leaves' | 'escapes'

export interface Row {
  readonly name: string
  readonly leader: LeaderKind
  readonly needs?: Needs
  /** In command, files, environment and readiness `{folder}` is the folder of the row. `{port}` and `{host}` are the library's. */
  readonly command: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Readiness other than HTTP. */
  readonly ready?: 'tcp:{port}' | { readonly log: string } | { readonly command: readonly string[] }
  /** The path of the health check, if not `/`. */
  readonly health?: string
  /** The command line of *the* server: it tells how many servers there are. */
  readonly server: RegExp
  /** How many processes have that command line in one server, if not one. */
  readonly processes?: number
  /** The same program, told something that it cannot do. */
  readonly fails: readonly string[]
  /** It refuses to start while the PID in its own PID file exists, be it a zombie's that PID 1 takes seconds to reap. */
  readonly readsPids?: true
  /** A file whose change makes the program restart its server. */
  readonly restartedBy?: string
}

/** A server of a few lines, which shows in each answer by which process it was given. */
export const SERVER = `const port = process.env.PORT || process.argv[2]
require('node:http').createServer((_, answer) => answer.end('PID ' + process.pid)).listen(port, '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
`

export const NODE_SERVER = 'node server.cjs {port}'

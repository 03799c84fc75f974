/** Which processes of a host are the fuse of a steward: the shells in its group that carry the fuse's mark, and their `sleep`. */
import { groupOf } from '../../support/processes.js'
import { wordsOf, type Space } from './bench.js'

export const fuseOf = (host: Space, steward: number): number[] =>
  host.pids().filter((pid) => groupOf(pid) === groupOf(steward) && wordsOf(pid).env.split('\n').includes('ONE_SERVER_FUSE=1'))

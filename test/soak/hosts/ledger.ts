/**
 * What the servers and the traffic wrote down, and what of it breaks a promise. All of it is on one clock, in ns.
 *
 * Two served: a request reached an older server after one had reached a newer one. A frozen host may have a request in a socket of its
 * server, which its door passed in time: the server takes it when it wakes, and its door keeps the answer back. So on such a host, a
 * request counts if it was answered.
 */
import { existsSync, readFileSync } from 'node:fs'

interface Line {
  readonly what: string
  readonly at: bigint
  readonly launch: string
  readonly epoch: number
  readonly pid: number
  readonly id: string
}

export interface Server {
  readonly launch: string
  readonly epoch: number
  readonly pid: number
  /** Its first and last instruction that was written down. */
  readonly began: bigint
  ended: bigint
  readonly beats: bigint[]
  readonly served: { readonly at: bigint; readonly id: string }[]
}

/** The last line may not be whole yet. */
const linesOf = (file: string): string[][] =>
  (existsSync(file) ? readFileSync(file, 'latin1') : '').split('\n').slice(0, -1).map((line) => line.split(' '))

/** By epoch. */
export const serversOf = (file: string): Server[] => {
  const servers = new Map<string, Server>()
  for (const [what, at, launch, epoch, pid, id] of linesOf(file)) {
    const line: Line = { what: what!, at: BigInt(at!), launch: launch!, epoch: Number(epoch), pid: Number(pid), id: id! }
    const server = servers.get(line.launch) ?? { ...line, began: line.at, ended: line.at, beats: [], served: [] }
    servers.set(line.launch, server)
    server.ended = line.at
    server.beats.push(line.at)
    if (line.what === 'serve') server.served.push({ at: line.at, id: line.id })
  }
  return [...servers.values()].toSorted((one, other) => one.epoch - other.epoch)
}

/** The epochs of answers, by the ids of the requests. */
const answersOf = (file: string): Map<string, number> =>
  new Map(linesOf(file).map(([, , , id, , epoch]) => [id!, Number(epoch)]))

const ms = (from: bigint, to: bigint): number => Math.round(Number(to - from) / 1e6)

export interface Judged {
  readonly violations: string[]
  /** Requests that reached a server. */
  readonly requests: number
  /** ms for which an older server ran beside a newer one. */
  readonly together: number
  /** ms for which an older server was reached after a newer one. */
  readonly servedTogether: number
}

const byTime = (one: Server, other: Server): number => (one.began < other.began ? -1 : 1)

/**
 * `frozen`: launches whose whole host was frozen. Two may run then, and the figure says for how long. `isTakenBack`: the engine has
 * forgotten, so that a later server may have an earlier epoch.
 */
export const judge = (ledger: string, answers: string, frozen: ReadonlySet<string>, isTakenBack: boolean): Judged => {
  const servers = isTakenBack ? serversOf(ledger).toSorted(byTime) : serversOf(ledger)
  const answered = answersOf(answers)
  const violations: string[] = []
  let [together, servedTogether] = [0, 0]
  for (const [index, newer] of servers.entries()) {
    for (const older of servers.slice(0, index)) {
      if (newer.began < older.began) violations.push(`the epoch went back: ${older.epoch} began after ${newer.epoch}`)
      if (newer.epoch === older.epoch) violations.push(`two launches have epoch ${newer.epoch}`)
      const beside = older.beats.filter((at) => at > newer.began)
      if (beside.length > 0) {
        const time = ms(beside[0]!, older.ended) + 1
        together = Math.max(together, time)
        if (!frozen.has(older.launch)) violations.push(`two ran: epoch ${older.epoch} for ${time} ms beside ${newer.epoch}`)
      }
      const reached = newer.served[0]?.at
      const late = reached === undefined ? [] : older.served.filter(({ at, id }) =>
        at > reached && (!frozen.has(older.launch) || answered.get(id) === older.epoch))
      if (late.length > 0) {
        const time = ms(reached!, late.at(-1)!.at)
        servedTogether = Math.max(servedTogether, time)
        violations.push(`two served: ${late.length} requests reached ${older.epoch} within ${time} ms after one reached ${newer.epoch}`)
      }
    }
  }
  return { violations, requests: servers.reduce((sum, { served }) => sum + served.length, 0), together, servedTogether }
}

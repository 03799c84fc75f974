/**
 * Linux shows which sockets listen, and who holds them. Source: proc_pid_net(5); in `tcp` and `tcp6` state 0A is
 * LISTEN, addresses are 32-bit words in host byte order, in hexadecimal.
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { isIP } from 'node:net'
import { endianness } from 'node:os'
import { setImmediate } from '../../timer.js'
import { launchIdOf } from './linux-proc.js'
import type { Listener, Sockets } from './platform.js'

const bytesOf = (hex: string): number[] => {
  const bytes: number[] = []
  for (let word = 0; word < hex.length; word += 8) {
    const four = [0, 2, 4, 6].map((at) => Number.parseInt(hex.slice(word + at, word + at + 2), 16))
    bytes.push(...(endianness() === 'LE' ? four.reverse() : four))
  }
  return bytes
}

/** Textual address of a table's hexadecimal one. */
const addressOf = (hex: string): string => {
  const bytes = bytesOf(hex)
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255) return bytes.slice(12).join('.')
  const words = Array.from({ length: 8 }, (_, index) => ((bytes[2 * index]! << 8) | bytes[2 * index + 1]!).toString(16))
  // The URL parser knows how IPv6 addresses are shortened.
  return new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1)
}

const LISTEN = '0A'
/** A connection that a listener has not accepted: older kernels list it beside its listener. */
const ARRIVING = '03'

/** Bytes of a table that are read at once: a few of its rows. */
const ROWS = 1024

/**
 * The rows of the sockets that listen. The kernel lists those first, and walks after them through each bucket of its hash of connections,
 * which takes it some ms, on a busy machine 30. So the table is read a few rows at a time, and no further than the first connection.
 * Undefined: this kernel, or the sandbox around this process, does not show the table. Without IPv6 there is no `tcp6`.
 */
const listeningRows = (table: string): string[][] | undefined => {
  let file: number | undefined
  try {
    file = openSync(`/proc/net/${table}`, 'r')
    const rows: string[][] = []
    const bytes = Buffer.allocUnsafe(ROWS)
    for (let rest = ''; ;) {
      const length = readSync(file, bytes, 0, ROWS, null)
      const lines = (rest + bytes.toString('latin1', 0, length)).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const fields = line.trim().split(/\s+/)
        if (fields[3] === LISTEN) rows.push(fields)
        else if (fields[3] !== ARRIVING && fields[0] !== 'sl') return rows
      }
      if (length === 0) return rows
    }
  } catch (error) {
    return table === 'tcp6' && (error as NodeJS.ErrnoException).code === 'ENOENT' ? [] : undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const asked = new Map<string, Promise<string[][] | undefined>>()

/**
 * A table as it is from now on, in which one read serves all that have asked before it: a table has a row for each socket of the
 * machine, so a list of a hundred servers that read it for each of them would read ten thousand rows and more. The read comes after the
 * question, and nothing is kept: it must not be older than the answer whose owner it shows.
 */
const rowsSoon = (table: string): Promise<string[][] | undefined> => {
  const reading = asked.get(table) ?? new Promise<string[][] | undefined>((resolve) => {
    setImmediate(() => {
      asked.delete(table)
      resolve(listeningRows(table))
    })
  })
  asked.set(table, reading)
  return reading
}

const listenersIn = async (table: string, port: number): Promise<Listener[] | undefined> => {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return (await rowsSoon(table))?.flatMap((fields) => {
    const [address, at] = (fields[1] ?? '').split(':')
    if (at !== wanted || address === undefined) return []
    return [{ address: addressOf(address), uid: Number(fields[7]), inode: fields[9] }]
  })
}

/** The listeners that a connection to `address` reaches: the kernel prefers the exact address to a wildcard. */
export const reachedBy = (listeners: readonly Listener[], address: string): Listener[] => {
  const wildcards = address.includes(':') ? ['::'] : ['0.0.0.0', '::']
  for (const wanted of [address, ...wildcards]) {
    const found = listeners.filter((listener) => listener.address === wanted)
    if (found.length > 0) return found
  }
  return []
}

const holds = (pid: string, links: ReadonlySet<string>): boolean => socketsOf(pid, (link) => links.has(link)).length > 0

/** What the descriptors of a process lead to, as far as it is wanted; after the first one it stops. `all`: it goes on. */
const socketsOf = (pid: string, isWanted: (link: string) => boolean, all = false): string[] => {
  const found: string[] = []
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        const link = readlinkSync(`/proc/${pid}/fd/${fd}`)
        if (isWanted(link)) found.push(link)
      } catch {
        // Closed since the listing.
      }
      if (found.length > 0 && !all) break
    }
  } catch {
    // Another user's process, or one that has just ended.
  }
  return found
}

export const linuxSockets: Sockets = {
  reachedAt: async (address, port) => {
    // A table costs some ms, so IPv6's, in which the wildcard takes IPv4 as well, is read only if it must be.
    for (const table of address.includes(':') ? ['tcp6'] : ['tcp', 'tcp6']) {
      const listeners = await listenersIn(table, port)
      if (listeners === undefined) return undefined
      const reached = reachedBy(listeners, address)
      if (reached.length > 0) return reached
    }
    // The tables know no names, so an empty one shows nothing about the host that a name stands for.
    return isIP(address) === 0 ? undefined : []
  },

  /** A forking server shares its socket: of several holders the one that carries a launch id is named. */
  ownerOf: (listeners, likely) => {
    const links = new Set(listeners.flatMap(({ inode }) => (inode === undefined ? [] : [`socket:[${inode}]`])))
    if (links.size === 0) return undefined
    if (likely !== undefined && holds(String(likely), links)) return { pid: likely, launchId: launchIdOf(likely) }
    let owner: { pid: number; launchId: string | undefined } | undefined
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid) || !holds(pid, links)) continue
      owner = { pid: Number(pid), launchId: launchIdOf(Number(pid)) }
      if (owner.launchId !== undefined) return owner
    }
    return owner
  },

  listensAt: (pids) => {
    const links = new Set(pids.flatMap((pid) => socketsOf(String(pid), (link) => link.startsWith('socket:'), true)))
    const found = new Map<string, { host: string; port: number }>()
    for (const table of ['tcp', 'tcp6']) {
      for (const fields of listeningRows(table) ?? []) {
        const [address, port] = (fields[1] ?? '').split(':')
        if (address === undefined || !links.has(`socket:[${fields[9]}]`)) continue
        found.set(fields[1]!, { host: addressOf(address), port: Number.parseInt(port!, 16) })
      }
    }
    return [...found.values()]
  },
}

/**
 * Who listens on a port. A 200 proves that something answers, not that our server does: with two PID
 * files on one port, the loser would report the winner's server as its own. A connection attempt tells
 * that something listens; on Linux the kernel's socket tables tell whose it is.
 *
 * Source: proc_pid_net(5); in `tcp` and `tcp6` state 0A is LISTEN, addresses are 32-bit words in host
 * byte order, in hexadecimal.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { endianness } from 'node:os'
import { launchIdOf } from './process-table.js'
import type { Listener } from './system.js'

/** ms that a connection may take to be accepted or refused. */
const CONNECTING = 500

const bytesOf = (hex: string): number[] => {
  const bytes: number[] = []
  for (let word = 0; word < hex.length; word += 8) {
    const four = [0, 2, 4, 6].map((at) => Number.parseInt(hex.slice(word + at, word + at + 2), 16))
    bytes.push(...(endianness() === 'LE' ? four.reverse() : four))
  }
  return bytes
}

/** Textual address of a table's hexadecimal one. Of IPv6 only what a local server can be reached at matters. */
const addressOf = (hex: string): string => {
  const bytes = bytesOf(hex)
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255) return bytes.slice(12).join('.')
  const words = Array.from({ length: 8 }, (_, index) => ((bytes[2 * index]! << 8) | bytes[2 * index + 1]!).toString(16))
  // The URL parser of the platform knows how IPv6 addresses are shortened.
  return new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1)
}

const table = (path: string, port: number): Listener[] => {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch {
    return []
  }
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    const [address, at] = (fields[1] ?? '').split(':')
    if (fields[3] !== '0A' || at !== wanted || address === undefined) return []
    return [{ address: addressOf(address), uid: Number(fields[7]), inode: fields[9] }]
  })
}

/** Whether a connection to this address is accepted. */
export const accepts = async (address: string, port: number): Promise<boolean> => {
  const { connect } = await import('node:net')
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    // Something that neither accepts nor refuses is in the way all the same.
    socket.setTimeout(CONNECTING, () => done(true))
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}

/** The listeners that a connection to `address` reaches: the kernel prefers the exact address to a wildcard. */
export const reachedBy = (listeners: readonly Listener[], address: string): Listener[] => {
  const v6 = address.includes(':')
  const wildcards = v6 ? ['::'] : ['0.0.0.0', '::']
  for (const wanted of [address, ...wildcards]) {
    const found = listeners.filter((listener) => listener.address === wanted)
    if (found.length > 0) return found
  }
  return []
}

/**
 * The sockets that a connection to this address and port would reach. A connection is tried first: to
 * read the tables the kernel walks through every bucket of its hash of connections, some ms each time,
 * and mostly nothing listens.
 */
export const listenersAt = async (address: string, port: number): Promise<Listener[]> => {
  if (!(await accepts(address, port))) return []
  const tables = address.includes(':') ? ['tcp6'] : ['tcp', 'tcp6']
  for (const name of process.platform === 'linux' ? tables : []) {
    const reached = reachedBy(table(`/proc/net/${name}`, port), address)
    if (reached.length > 0) return reached
  }
  return [{ address, uid: undefined, inode: undefined }]
}

const holds = (pid: string, sockets: ReadonlySet<string>): boolean => {
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        if (sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`))) return true
      } catch {
        // Closed since the listing.
      }
    }
  } catch {
    // Another user's process, or one that has just ended.
  }
  return false
}

/**
 * The process that holds one of the sockets. Undefined when no process that we may look into does.
 * Of several (a forking server shares its socket) the one that carries a launch id is named.
 */
export const ownerOf = (listeners: readonly Listener[], likely?: number): { pid: number; launch: string | undefined } | undefined => {
  const sockets = new Set(listeners.flatMap(({ inode }) => (inode === undefined ? [] : [`socket:[${inode}]`])))
  if (sockets.size === 0) return undefined
  if (likely !== undefined && holds(String(likely), sockets)) return { pid: likely, launch: launchIdOf(likely) }
  let owner: { pid: number; launch: string | undefined } | undefined
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || !holds(pid, sockets)) continue
    owner = { pid: Number(pid), launch: launchIdOf(Number(pid)) }
    if (owner.launch !== undefined) return owner
  }
  return owner
}

/**
 * Linux shows which sockets listen, and who holds them. Source: proc_pid_net(5); in `tcp` and `tcp6` state 0A is
 * LISTEN, addresses are 32-bit words in host byte order, in hexadecimal.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { endianness } from 'node:os'
import { launchIdOf } from './linux.js'
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

const listenersIn = (table: string, port: number): Listener[] => {
  let text: string
  try {
    text = readFileSync(`/proc/net/${table}`, 'latin1')
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

/** The listeners that a connection to `address` reaches: the kernel prefers the exact address to a wildcard. */
export const reachedBy = (listeners: readonly Listener[], address: string): Listener[] => {
  const wildcards = address.includes(':') ? ['::'] : ['0.0.0.0', '::']
  for (const wanted of [address, ...wildcards]) {
    const found = listeners.filter((listener) => listener.address === wanted)
    if (found.length > 0) return found
  }
  return []
}

const holds = (pid: string, links: ReadonlySet<string>): boolean => {
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        if (links.has(readlinkSync(`/proc/${pid}/fd/${fd}`))) return true
      } catch {
        // Closed since the listing.
      }
    }
  } catch {
    // Another user's process, or one that has just ended.
  }
  return false
}

export const linuxSockets: Sockets = {
  reachedAt: (address, port) => {
    // A table costs some ms, so IPv6's, in which the wildcard takes IPv4 as well, is read only if it must be.
    for (const table of address.includes(':') ? ['tcp6'] : ['tcp', 'tcp6']) {
      const reached = reachedBy(listenersIn(table, port), address)
      if (reached.length > 0) return reached
    }
    return undefined
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
}

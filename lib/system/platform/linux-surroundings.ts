/**
 * What only people and clients without state ask of Linux: which launches live, by their processes alone; the terminal; and the
 * container. A folder that was deleted takes claims and PID files along, and the processes still show whose they are: by their
 * environment, by their stdin, and by the claim that they hold open.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { environmentOf, hasEnded, isOwn, launchByStdin, numberIn, readStat, type Launched } from './linux-proc.js'
import type { Box, Leader, SeenLaunch, Surroundings } from './platform.js'

const namespaceNumber = (name: string): number | undefined => {
  try {
    return numberIn(readlinkSync(`/proc/self/ns/${name}`))
  } catch {
    return undefined
  }
}

const isWsl = (): boolean => {
  try {
    return /microsoft|wsl/i.test(readFileSync('/proc/sys/kernel/osrelease', 'latin1'))
  } catch {
    return false
  }
}

const box = (env: NodeJS.ProcessEnv): Box => ({
  namespaces: { pid: namespaceNumber('pid'), net: namespaceNumber('net'), time: namespaceNumber('time') },
  kinds: [
    ...(isWsl() ? ['WSL'] : []),
    ...(existsSync('/.dockerenv') ? ['a Docker container'] : []),
    ...(existsSync('/run/.containerenv') ? ['a Podman container'] : []),
    ...(env['KUBERNETES_SERVICE_HOST'] === undefined ? [] : ['a Kubernetes pod']),
    ...(env['REMOTE_CONTAINERS'] === undefined ? [] : ['a dev container']),
    ...(env['CODESPACES'] === undefined ? [] : ['a codespace']),
    ...(existsSync('/.flatpak-info') ? ['a Flatpak sandbox'] : []),
    ...(env['SNAP'] === undefined ? [] : ['a snap']),
  ],
})

/** The descriptor at which the gate leaves the claim of its launch (posix.ts). */
const CLAIM = 8

/** As far as the kernel shows it, and undefined. */
const linkOf = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** In another namespace the PIDs and the state are another host's: a container may share this folder, and shows its processes here. */
const isOfThisHost = (pid: number): boolean =>
  ['pid', 'net', 'time'].every((kind) => linkOf(`/proc/${pid}/ns/${kind}`) === linkOf(`/proc/self/ns/${kind}`))

const launchOf = (pid: number): Launched | undefined => {
  const env = environmentOf(pid)
  const launchId = /\0ONE_SERVER_LAUNCH_ID=([0-9a-f]{16})\0/.exec(env)?.[1]
  const pidFile = /\0ONE_SERVER_PID_FILE=([^\0]+)\0/.exec(env)?.[1]
  if (launchId !== undefined && pidFile !== undefined) return { launchId, pidFile }
  return launchByStdin(pid)
}

/** `gate`: it waits there, or runs what opens it. Its launch may yet be withdrawn. `keeper`: it is the parent of the server. */
const roleOf = (pid: number): 'gate' | 'keeper' | 'server' => {
  try {
    const [, , script = '', name] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return !script.includes('one_server_gate') ? 'server' : name === 'one-server' ? 'keeper' : 'gate'
  } catch {
    return 'server'
  }
}

/** Where a process holds the claim of its launch open. What another program has at this descriptor is no claim of this launch. */
const claimHeldBy = (pid: number, launchId: string): string | undefined => {
  const path = `/proc/${pid}/fd/${CLAIM}`
  const name = linkOf(path)?.replace(/ \(deleted\)$/, '').split('/').at(-1)
  return name?.startsWith(`${launchId}.`) === true && /\.claim\d*$/.test(name) ? path : undefined
}

const launches = (): SeenLaunch[] => {
  const found = new Map<string, SeenLaunch>()
  const gated = new Set<string>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const launch = Number.isInteger(pid) && pid !== process.pid ? launchOf(pid) : undefined
    if (launch === undefined || !isOwn(pid) || !isOfThisHost(pid)) continue
    const { launchId, pidFile } = launch
    const stat = readStat(pid)
    const role = roleOf(pid)
    if (role === 'gate') gated.add(launchId)
    if (stat === undefined || hasEnded(stat) || role !== 'server') continue
    const leader: Leader = { pid, start: stat.start, group: stat.group }
    const before = found.get(launchId)
    const claim = before?.claim ?? claimHeldBy(pid, launchId)
    const isOldest = before === undefined || BigInt(leader.start) < BigInt(before.leader.start)
    found.set(launchId, { ...(isOldest ? { launchId, pidFile, leader } : before), claim })
  }
  return [...found.values()].filter(({ launchId }) => !gated.has(launchId))
}

export const linuxSurroundings: Surroundings = {
  isTested: true,
  launches,
  isInForeground: () => {
    try {
      // Fields 5 and 8: the process group, and the one in the foreground of the controlling terminal.
      const stat = readFileSync('/proc/self/stat', 'latin1')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[2] === fields[5]
    } catch {
      return false
    }
  },
  box,
}

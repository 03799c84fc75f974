/**
 * Where a PID means something: this boot of this kernel, in these namespaces. Each such place has a
 * folder of its own below P.d, so that machines and containers that share a home folder never judge
 * each other's processes, and everything from before a reboot is dead without being looked at.
 *
 * A part that cannot be read is an error and never a made-up value: two places that fell back to the
 * same value would judge each other's PIDs.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { stateUnusable } from '../errors.js'

const HINT = 'one-server must be able to tell this boot and these namespaces from others. Mount /proc of this PID namespace and make it readable.'

const required = (path: string, read: (path: string) => string): string => {
  try {
    return read(path)
  } catch (error) {
    throw stateUnusable(path, 'cannot be read', HINT, error)
  }
}

/** `pid:[4026531836]` → its number, shortened. */
const namespace = (name: string): string => {
  const link = required(`/proc/self/ns/${name}`, readlinkSync)
  const number = /\[(\d+)\]/.exec(link)?.[1]
  if (number === undefined) throw stateUnusable(`/proc/self/ns/${name}`, `has an unknown form: ${link}`, HINT)
  return Number(number).toString(36)
}

/** Kernels before 5.6 have no time namespaces: that the file is not there is an answer. */
const timeNamespace = (): string => {
  try {
    return namespace('time')
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException }
    if (cause?.code === 'ENOENT') return '0'
    throw error
  }
}

const linux = (): string => {
  const pid = required('/proc/self', readlinkSync)
  if (pid !== String(process.pid)) throw stateUnusable('/proc', 'belongs to another PID namespace', HINT)
  const boot = required('/proc/sys/kernel/random/boot_id', (path) => readFileSync(path, 'utf8')).replace(/[^0-9a-f]/g, '')
  if (boot.length !== 32) throw stateUnusable('/proc/sys/kernel/random/boot_id', 'has an unknown form', HINT)
  return [boot.slice(0, 16), namespace('pid'), namespace('net'), timeNamespace()].join('-')
}

const macos = (): string => {
  const session = required('sysctl kern.bootsessionuuid', () =>
    process.getBuiltinModule('node:child_process').execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }),
  )
  return session.toLowerCase().replace(/[^0-9a-f]/g, '').slice(0, 16)
}

/** Boot time, in minutes: what Windows tells drifts by seconds. Untested. */
const windows = (): string => Math.round((Date.now() / 1000 - process.getBuiltinModule('node:os').uptime()) / 60).toString(36)

let host: string | undefined

/** The name of this host's folder. */
export const hostIdentity = (): string => {
  host ??= process.platform === 'linux' ? linux() : process.platform === 'win32' ? windows() : macos()
  return host
}

/**
 * Descriptors that this process was itself given and that would go on to what it spawns: a flock among
 * them would be held for as long as that lives. Node's own are close-on-exec.
 */
import { readdirSync, readFileSync } from 'node:fs'

const CLOSE_ON_EXEC = 0o2000000

/** Those from `least` on; below it a child gets what it is given. Linux only: elsewhere none can be seen. */
export const leakingDescriptors = (least: number): number[] => {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').map(Number).filter((fd) => {
    if (fd < least) return false
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1]
      return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0
    } catch {
      return false
    }
  })
}

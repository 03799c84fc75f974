/** What a test asks of the processes that it started: at once, since a test looks between two steps. */
import { linux } from '../../lib/system/platform/linux.js'
import type { ProcessId, ProcessLook } from '../../lib/system/system.js'

export const lookAt: (pid: number) => ProcessLook = linux.look

export const groupOf: (pid: number) => number | undefined = linux.groupOf

export const identify = (pid: number): ProcessId => {
  const look = lookAt(pid)
  if (!('start' in look)) throw new Error(`PID ${pid} is ${look.state}`)
  return { pid, start: look.start }
}

/** This process. */
export const self: () => ProcessId = linux.self

/** The name of this host's folder. */
export const hostName: string = linux.host()

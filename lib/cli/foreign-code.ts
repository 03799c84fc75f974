/**
 * A configuration that is code runs in the process of the command line. Nothing is started yet, so there is nothing to end in order, and
 * code that never returns would keep a handler of signals from running: so Ctrl-C ends the process as it ends any. A script would take
 * what the code prints for the result, and an agent for a message: so it goes to stderr. Code that exits must not look like a success.
 */
import { writeSync } from 'node:fs'
import { constants } from 'node:os'

const withoutHandlers = (): (() => void) => {
  const taken = process.eventNames().filter((name): name is NodeJS.Signals => Object.hasOwn(constants.signals, name))
    .map((name) => [name, process.rawListeners(name)] as const)
  for (const [name] of taken) process.removeAllListeners(name)
  return () => { for (const [name, all] of taken) for (const one of all) process.on(name, one as () => void) }
}

const toStderr = (): (() => void) => {
  const { stdout, stderr } = process
  const own = Object.getOwnPropertyDescriptor(stdout, 'write')
  stdout.write = stderr.write.bind(stderr)
  return () => {
    if (own === undefined) Reflect.deleteProperty(stdout, 'write')
    else Object.defineProperty(stdout, 'write', own)
  }
}

const withoutExit = (file: string): (() => void) => {
  const onExit = (): void => {
    writeSync(2, `one-server: ${file}: it cannot be run: it ends the process that runs it (process.exit)\n`)
    process.exitCode = 2
  }
  process.on('exit', onExit)
  return () => { process.off('exit', onExit) }
}

/** Runs `work`, which runs the code of `file`. */
export const runForeign = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  const undo = [withoutHandlers(), toStderr(), withoutExit(file)]
  try {
    return await work()
  } finally {
    for (const one of undo) one()
  }
}

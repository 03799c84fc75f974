/**
 * `logs`: what the server printed, on stdout: byte for byte into a pipe or a file, since the next program may need each byte, and
 * for a person at a terminal with its colours, but without what else acts on a terminal. People read a log mostly when a
 * server has died, so it needs no running server; one that runs only says where its log is.
 */
import type { FileHandle } from 'node:fs/promises'
import { ClientProcessManager } from '../client-process-manager.js'
import { OneServerError, stateUnusable } from '../errors.js'
import type { Request } from './arguments.js'
import { follow } from './follow.js'
import { openLog } from './open-log.js'
import type { Output } from './output.js'
import { copy, startOfLastLines } from './tail.js'
import { terminalLog } from '../text/terminal-text.js'

/** An error message quotes as many. */
const LINES = 20

/** The client that launched the server may have put its log elsewhere, and only the server's record knows. */
const locate = async ({ options, typed, settings }: Request, signal: AbortSignal): Promise<string> => {
  if (typed.logFile !== undefined) return settings.logFile
  try {
    return (await new ClientProcessManager(options).status({ signal })).logFile
  } catch (error) {
    if (signal.aborted || !(error instanceof OneServerError)) throw error
    // State that nobody can judge is a reason to read the log.
    return settings.logFile
  }
}

const logAt = async (path: string, prev: boolean): Promise<FileHandle> => {
  try {
    return await openLog(path)
  } catch (error) {
    if (error instanceof OneServerError) throw error
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const hint = 'Each launch keeps the log of the one before it. Without --prev, logs prints the last one.'
      if (prev) throw stateUnusable(path, 'there is no log of a run before', hint)
      throw stateUnusable(path, 'there is no log yet', 'one-server start writes one. If the log is elsewhere, name it: --log-file PATH.')
    }
    throw stateUnusable(path, 'the log cannot be read', 'Make it readable for you, or name another: --log-file PATH.', error)
  }
}

export const run = async (request: Request, output: Output, interrupted: AbortSignal): Promise<number> => {
  const signal = AbortSignal.any([interrupted, output.closed])
  const path = `${await locate(request, signal)}${request.prev ? '.prev' : ''}`
  const file = await logAt(path, request.prev)
  const shown = output.isTerminal ? terminalLog() : undefined
  const write = (data: Uint8Array): Promise<void> => output.raw(shown === undefined ? data : shown.next(data))
  let kept = false
  try {
    const { size } = await file.stat()
    const start = await startOfLastLines(file, size, request.lines ?? LINES)
    const { end, last } = await copy(file, start, write, { to: size, signal })
    kept = request.follow
    if (kept) await follow(path, file, end, last, { write, signal, onNewLog: () => output.note('a new launch has begun its log') })
  } finally {
    if (!kept) await file.close()
    if (shown !== undefined) await output.raw(shown.end())
  }
  return 0
}

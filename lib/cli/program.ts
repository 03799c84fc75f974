/**
 * Whether a client's command can be run. A misspelt word must not cost a server, so this is found out before one starts. It
 * looks the program up as execvp(3) does, and only to refuse: the kernel decides what runs in the end. The exit codes are
 * those of shells and env(1) (XCU 2.8.2): 127 not found, 126 found and not executable.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { commandNotFound, type OneServerError } from '../errors.js'
import { systemReason } from '../text/system-reason.js'
import { programs } from '../system/platform/current.js'
import type { Runnable } from '../system/platform/platform.js'

export interface Refusal {
  readonly exitCode: 126 | 127
  readonly error: OneServerError
}

const notFound = (what: string, program: string, cause?: unknown): Refusal => ({
  exitCode: 127,
  error: commandNotFound(
    `${what} was not found: ${program}. Nothing was run.`,
    'Check the spelling, that it is installed, and PATH. No shell runs the command: give each argument as its own word. For what ' +
      `only a shell knows, call one: ${programs.onlyInPath ? "-- sh -c '...'" : '-- cmd /c ...'}.`,
    cause,
  ),
})

const MAKE_IT_SO = 'Make it executable (chmod +x), or run it by its interpreter, such as -- sh script.'

const notExecutable = (program: string, why: string, hint = MAKE_IT_SO, cause?: unknown): Refusal => ({
  exitCode: 126,
  error: commandNotFound(`The client's command cannot be run: ${program}: ${why}. Nothing was run.`, hint, cause),
})

const kindOf = (path: string): 'executable' | 'folder' | 'forbidden' | 'absent' => {
  try {
    if (statSync(path).isDirectory()) return 'folder'
    accessSync(path, constants.X_OK)
    return 'executable'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'forbidden' : 'absent'
  }
}

/** Why it cannot be run, as far as that shows beforehand. */
export const refuse = (program: string, path: string | undefined): Refusal | undefined => {
  const named = program.includes('/')
  // execvp has places of its own where there is no PATH, and some systems have others besides.
  if (!programs.onlyInPath || (path === undefined && !named)) return undefined
  // An empty entry is the working directory.
  const kinds = named ? [kindOf(program)] : (path ?? '').split(delimiter).map((folder) => kindOf(join(folder, program)))
  if (kinds.includes('executable')) return undefined
  if (kinds.includes('forbidden')) return notExecutable(program, 'permission denied')
  if (kinds.includes('folder')) return notExecutable(program, 'it is a folder', 'Name the program in it.')
  return notFound("The client's command", program)
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

/** How the client's command is started, or why it cannot be. Where the system needs help with batch files, they are looked up here. */
export const prepare = ([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Refusal | Runnable => {
  const path = programs.pathIn(env)
  if (programs.onlyInPath) return refuse(program, path) ?? { program, args }
  const folders = /[\\/]/.test(program) ? [''] : (path ?? '').split(delimiter)
  const find = (names: readonly string[]): string | undefined =>
    folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isFile)
  const found = find(programs.filesOf(program, env))
  const other = found ?? find([program])
  const not = other === undefined ? undefined : programs.whyNot(other, args)
  if (not !== undefined) return notExecutable(program, not.why, not.hint)
  return found === undefined ? notFound("The client's command", program) : programs.invoke(found, args)
}

/** Why a spawn failed. */
export const refused = (program: string, error: NodeJS.ErrnoException): Refusal => {
  // refuse() has found the program, so most likely the interpreter in its first line is missing.
  if (error.code === 'ENOENT') return notFound("The client's command, or the interpreter that its first line names,", program, error)
  if (error.code === 'EACCES') return notExecutable(program, 'permission denied', MAKE_IT_SO, error)
  const what = `${error.message}: ${systemReason(error)}`
  return notExecutable(program, what, 'That is what the system says. Correct it and call again.', error)
}

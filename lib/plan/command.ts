/**
 * What runs: the program as an absolute path, and its arguments. The exit codes 126 and 127 are ambiguous, because the
 * shell of the gate and the server itself both use them; so each mistake in a command is found here, before a process
 * exists.
 */
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { commandNotFound } from '../errors.js'
import type { Settings } from '../options/settings.js'
import { programs } from '../system/platform/current.js'
import type { System } from '../system/system.js'
import { fill } from '../text/fill.js'
import { libraryFolder } from '../this-copy.js'

export interface Command {
  /** Absolute. */
  readonly program: string
  readonly args: readonly string[]
  /** A script of Node's, which gets NODE_ENV=production. */
  readonly isScript: boolean
}

const script = async (system: System, settings: Settings): Promise<Command> => {
  const isFile = async (path: string): Promise<boolean> => ['file', 'executable'].includes(await system.kindOf(path))
  const wanted = settings.serverScript ?? join(libraryFolder, 'session-server.js')
  const typed = wanted.replace(/\.js$/, '.ts')
  const path = (await isFile(wanted)) ? wanted : (await isFile(typed)) ? typed : undefined
  if (path === undefined) {
    const tried = typed === wanted ? wanted : `${wanted} (nor ${typed})`
    throw commandNotFound(`The server script does not exist: ${tried}`, 'Correct serverScript (--script), or build it first.')
  }
  // Bun runs TypeScript by itself.
  const loader = path.endsWith('.ts') && process.versions['bun'] === undefined ? ['--import', await tsx(system, path)] : []
  return { program: process.execPath, args: [...loader, path], isScript: true }
}

const tsx = async (system: System, path: string): Promise<string> => {
  const loader = await system.resolvePackage('tsx', path)
  if (loader !== undefined) return pathToFileURL(loader).href
  throw commandNotFound(
    `The server script ${path} is TypeScript, and tsx is not installed where it lies.`,
    'Install it there (npm install --save-dev tsx), or name a compiled .js file.',
  )
}

type Env = Readonly<Record<string, string>>

/** Where a program may be, as for a shell: in PATH, or below the working directory when its name has a slash. */
const foldersFor = (program: string, env: Env): string[] =>
  /[\\/]/.test(program) || isAbsolute(program) ? [''] : (programs.pathIn(env) ?? '').split(delimiter)

const find = async (system: System, names: readonly string[], folders: readonly string[], cwd: string): Promise<string | undefined> => {
  for (const folder of folders) {
    for (const name of names) {
      const candidate = resolve(cwd, folder, name)
      if ((await system.kindOf(candidate)) === 'executable') return candidate
    }
  }
  return undefined
}

/** The command with `{port}` and `{host}` filled in. Throws COMMAND_NOT_FOUND. */
export const resolveCommand = async (
  system: System, settings: Settings, port: number, env: Env,
): Promise<Command> => {
  if ((await system.kindOf(settings.cwd)) !== 'folder') {
    throw commandNotFound(`The working directory of the server does not exist: ${settings.cwd}`, 'Correct cwd (--cwd).')
  }
  if (settings.command === undefined) return script(system, settings)
  const words = settings.command.map((word) => fill(word, { host: settings.host, port }))
  return { ...(await findProgram(system, words, { cwd: settings.cwd, env, what: "The server's program" })), isScript: false }
}

interface Where {
  readonly cwd: string
  readonly env: Env
  /** Whose program it is, as a message begins. */
  readonly what: string
}

/** The program of these words by its absolute path, as a shell finds it. Throws COMMAND_NOT_FOUND. */
export const findProgram = async (
  system: System, [program = '', ...args]: readonly string[], { cwd, env, what }: Where,
): Promise<Pick<Command, 'program' | 'args'>> => {
  const folders = foldersFor(program, env)
  const found = await find(system, programs.filesOf(program, env), folders, cwd)
  // What is there and cannot be run says more than that nothing was found.
  const other = found ?? (programs.onlyInPath ? undefined : await find(system, [program], folders, cwd))
  const not = other === undefined ? undefined : programs.whyNot(other, args)
  if (not !== undefined) throw commandNotFound(`${what} cannot be run: ${other}: ${not.why}`, not.hint)
  if (found !== undefined) return { program: found, args }
  const exists = /[\\/]/.test(program) && (await system.kindOf(resolve(cwd, program))) === 'file'
  if (exists) {
    throw commandNotFound(`${what} may not be executed: ${program}`, 'Make it executable (chmod +x), or run it by its interpreter.')
  }
  throw commandNotFound(
    `${what} was not found: ${program}`,
    'Check the spelling, that it is installed, and the PATH that the server inherits. ' +
      'No shell is run: give each argument as its own word.',
  )
}

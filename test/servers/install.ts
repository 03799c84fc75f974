/**
 * What the servers of this series need from the machine: programs of Debian, which are only looked for, and packages of npm, which
 * are installed once below node_modules/.cache. A row that lacks something is skipped, and says what it lacks.
 */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installInto } from '../nodes/install.js'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/one-server-servers/', import.meta.url))
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export interface Needs {
  /** A program of the system, and the Debian package that has it. */
  readonly program?: readonly [name: string, debian: string]
  /** Packages of npm with their versions; the first names the folder. */
  readonly npm?: readonly string[]
  /** Whether the project imports these packages itself, so that its folder must lie beside them. */
  readonly imports?: true
  /** Whether the clients must be root, or must not be. */
  readonly user?: 'root' | 'other'
}

const POSTGRESQL = '/usr/lib/postgresql'

/** Where Debian puts programs that are not in everybody's PATH; of PostgreSQL the newest version. */
const MORE = ['/usr/sbin', '/sbin', ...(existsSync(POSTGRESQL) ? readdirSync(POSTGRESQL) : [])
  .toSorted((one, other) => Number(other) - Number(one)).map((version) => `${POSTGRESQL}/${version}/bin`)]

export const PATH = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE].join(delimiter)

const isProgram = (name: string): boolean =>
  PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

const isRoot = process.getuid?.() === 0

/** Why a row cannot be run here; undefined when it can. Installs what npm has. */
export const missing = ({ program, npm, user }: Needs): string | undefined => {
  if (process.platform !== 'linux') return 'the series looks into /proc'
  if (user === 'root' && !isRoot) return 'only root can start a server as another user'
  if (program !== undefined && !isProgram(program[0])) return `there is no ${program[0]}: apt-get install ${program[1]}`
  if (npm === undefined) return undefined
  try {
    installInto(folderOf(npm), npm)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const folderOf = ([first]: readonly string[]): string => join(CACHE, first!.replace(/(?<=.)@.*/, '').replaceAll('/', '-'))

/** Where the programs of these packages are: those of the cache, or those that this package installs for its own tests. */
export const binOf = (npm: readonly string[] | undefined): string => join(npm === undefined ? ROOT : folderOf(npm), 'node_modules', '.bin')

/** A new folder from which these packages can be imported. */
export const projectIn = (npm: readonly string[] = []): string => {
  mkdirSync(folderOf(npm), { recursive: true })
  return mkdtempSync(join(realpathSync(folderOf(npm)), 'run-'))
}

/**
 * Where one test takes place: a home with this package as npm installs it, the programs of the recipes in the PATH, and the ledger that
 * the server's own program keeps. What the library says is what is tested, so the ledger and /proc tell how many servers there were.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { slowly } from '../servers/room.js'
import { belongTo, killAll, type Seen } from '../servers/machine.js'
import { installPackage } from '../support/installed.js'
import { tempFolder } from '../support/temp-folder.js'

export const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/one-server-agents/', import.meta.url))

/** What the recipes name, and the SDK's client by its older and its newer name. */
export const PACKAGES = [
  '@modelcontextprotocol/sdk@1', '@modelcontextprotocol/client@2', '@modelcontextprotocol/server-everything@2026', 'mcp-proxy@6',
  'mcp-remote@0.15', 'cclsp@0.7', 'typescript-language-server@5', 'typescript@5',
]

/** A package of the cache. */
export const load = createRequire(join(CACHE, 'index.js'))

const BIN = join(CACHE, 'node_modules/.bin')

export interface Home {
  readonly folder: string
  /** What a host hands on: an agent of the SDK hands on little more than these. */
  readonly env: Readonly<Record<string, string>>
  /** How often a program has begun. */
  begun(program: string): number
  /** What belongs to this home now: sessions, servers, watchdogs. */
  found(): Seen[]
  /** Waits until nothing is left. */
  empty(what: string): Promise<unknown>
}

/** Puts a program into the PATH. */
export const putProgram = (folder: string, name: string, text: string): void => {
  writeFileSync(join(folder, 'bin', name), text)
  chmodSync(join(folder, 'bin', name), 0o755)
}

/** `counted` are the programs that write into the ledger before they begin. */
export const openHome = (t: Test, node: string, counted: readonly string[]): Home => {
  const folder = tempFolder(t)
  const ledger = join(folder, 'ledger')
  installPackage(folder)
  mkdirSync(join(folder, 'bin'))
  symlinkSync('../node_modules/one-server/dist/cli.js', join(folder, 'bin/one-server'))
  chmodSync(join(folder, 'node_modules/one-server/dist/cli.js'), 0o755)
  for (const name of counted) putProgram(folder, name, `#!/bin/sh\necho ${name} >>'${ledger}'\nexec '${join(BIN, name)}' "$@"\n`)
  t.teardown(() => killAll(folder, []))
  const PATH = [join(folder, 'bin'), dirname(node), BIN, process.env['PATH']].join(delimiter)
  return {
    folder,
    env: { HOME: folder, PATH, ONE_SERVER_IDLE_TIMEOUT: '1s' },
    begun: (program) => (existsSync(ledger) ? readFileSync(ledger, 'utf8').split('\n').filter((line) => line === program).length : 0),
    found: () => belongTo(folder, []),
    empty: (what) => slowly(() => belongTo(folder, []).length === 0, what),
  }
}

/** Writes the files of a project, and says where it is. */
export const projectIn = ({ folder }: Home, files: Readonly<Record<string, string>>): string => {
  const project = join(folder, 'project')
  mkdirSync(project, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text)
  return project
}

/** The exact versions that are installed, as the recipe names them. */
export const versions = (): string[] =>
  PACKAGES.map((one) => one.replace(/(?<=.)@.*/, '')).map((name) => {
    const manifest = readFileSync(join(CACHE, 'node_modules', name, 'package.json'), 'utf8')
    return `${name} ${(JSON.parse(manifest) as { version: string }).version}`
  })

/** What a home has left on disk, for a failure to tell. */
export const logsOf = ({ folder }: Home): string => {
  const state = join(folder, '.local/state/one-server')
  if (!existsSync(state)) return ''
  return readdirSync(state).filter((name) => name.endsWith('.log')).map((name) => readFileSync(join(state, name), 'utf8')).join('\n')
}


/**
 * A project as users of a test runner have it: the recipe of fixtures/README.md as printed, the real runner, the packed package, a server
 * that keeps a ledger, and 8 test files. Each file writes down the URL that it saw in its runner's own way, and waits until all 8 have,
 * which shows that they ran at the same time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { installInto } from '../nodes/install.js'
import { bareEnv, fixture, start } from '../support/child.js'
import { installPackage } from '../support/installed.js'
import { entriesOf, type Entry } from '../support/ledger.js'
import { read } from '../support/pages.js'
import { tempFolder } from '../support/temp-folder.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const CACHE = join(ROOT, 'node_modules/.cache')

export const FILES = 8

/** A block of the recipes, as printed. */
export const block = (name: string): string => {
  const found = read('fixtures/README.md').blocks.find((one) => one.name === name)
  if (found === undefined) throw new Error(`fixtures/README.md has no block ${name}`)
  return found.text
}

/** What a test file of each kind does once it knows the URL. */
const VISIT = `
const { appendFileSync, existsSync, readFileSync } = require('node:fs')
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
exports.visit = async (url, more = {}) => {
  const { status } = await fetch(url)
  appendFileSync(process.env.SEEN, JSON.stringify({ url, status, pid: process.pid, ...more }) + '\\n')
  const seen = () => readFileSync(process.env.SEEN, 'utf8').split('\\n').length - 1
  // Those of a run before count too.
  while (seen() % ${FILES} !== 0 && !existsSync(process.env.GO)) await pause(5)
  while (process.env.HOLD === '1' && !existsSync(process.env.GO)) await pause(5)
  if (status !== 200) throw new Error('the server answered ' + status)
}`

const SERVER = `
import(${JSON.stringify(pathToFileURL(fixture('ledger.mjs')).href)}).then(() => import('node:http')).then(({ createServer }) => {
  createServer((_, answer) => answer.end('well')).listen(process.env.PORT, '127.0.0.1')
})`

export interface Runner {
  readonly name: string
  /** Packages of npm; the first names the folder in the cache. tap is here already, and node:test needs none. */
  readonly npm: readonly string[]
  /** The name of a folder of the cache that has them. */
  readonly cache?: string
  /** The files of the project, with the 8 of the tests. */
  readonly files: Readonly<Record<string, string>>
  /** Node's arguments; a name in `node_modules/` is the program of the runner. */
  readonly args: readonly string[]
  /** The same in watch mode. */
  readonly watch?: readonly string[]
}

/** Why a runner cannot be run here; undefined when it can. */
export const missing = ({ npm, cache }: Runner): string | undefined => {
  try {
    if (npm.length > 0 && npm[0] !== 'tap') installInto(join(CACHE, folderFor({ npm, cache })), npm)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const folderFor = ({ npm: [first = ''], cache }: { npm: readonly string[]; cache?: string | undefined }): string =>
  cache ?? `one-server-runners/${first.replace(/^@/, '').replaceAll('/', '-')}`

interface Seen {
  readonly url: string
  readonly status: number
  readonly pid: number
}

const linesOf = <T>(file: string): T[] =>
  (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').slice(0, -1).map((line) => JSON.parse(line) as T)

export interface Project {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** What the servers say themselves. */
  starts(): Entry[]
  /** What the test files saw. */
  seen(): Seen[]
  /** Lets test files go on that wait. */
  go(): void
  /** Starts the runner; what it prints is in `printed()`. */
  begin(more?: Readonly<Record<string, string>>, args?: readonly string[]): { child: ReturnType<typeof start>; ended: Promise<number | null>; printed: () => string }
}

export const projectOf = (t: Test, { npm, cache, files, args: own }: Runner, config: object = {}): Project => {
  const folder = tempFolder(t)
  installPackage(folder)
  const modules = join(folder, 'node_modules')
  const from = npm[0] === 'tap' ? join(ROOT, 'node_modules') : join(CACHE, folderFor({ npm, cache }), 'node_modules')
  for (const name of npm.length === 0 ? [] : readdirSync(from)) {
    if (!name.startsWith('.') && !existsSync(join(modules, name))) symlinkSync(join(from, name), join(modules, name))
  }
  const { servers: { web } } = JSON.parse(block('Test runners json 1')) as { servers: { web: object } }
  const all: Record<string, string> = {
    'one-server.config.json': JSON.stringify({ servers: { web: { ...web, idleTimeout: '500ms', ...config } } }),
    'server.js': SERVER, 'visit.cjs': VISIT, 'package.json': '{ "private": true }', ...files,
  }
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  const [ledger, seen, go] = ['ledger', 'seen', 'go'].map((name) => join(folder, name)) as [string, string, string]
  const state = { HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state'), LEDGER: ledger, SEEN: seen, GO: go }
  const env = Object.fromEntries(Object.entries({ ...bareEnv(), ...state }).filter(([name]) => name !== 'CI'))
  t.teardown(() => {
    writeFileSync(go, '')
    for (const { pid } of entriesOf(ledger)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended, as it should.
      }
    }
  })
  return {
    folder, env,
    starts: () => entriesOf(ledger).filter(({ event }) => event === 'start'),
    seen: () => linesOf(seen),
    go: () => writeFileSync(go, ''),
    begin: (more = {}, args = own) => {
      let printed = ''
      const child = start(t, process.execPath, args, { cwd: folder, env: { ...env, ...more }, stdio: ['pipe', 'pipe', 'pipe'] })
      for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => { printed += text })
      const ended = new Promise<number | null>((resolve) => { child.once('close', resolve) })
      return { child, ended, printed: () => printed }
    },
  }
}


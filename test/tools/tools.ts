/**
 * The recipes of `fixtures/README.md` in the tools themselves: editors from Debian, task runners from npm. What stands on the page is what
 * is run; a tool that is not here is skipped by its name. Not part of `npm test`: the packages come over the network, and readme.test
 * runs the same words without the tools.
 *
 *     npm run test:tools                    all
 *     npm run test:tools -- --only vim      those whose name contains the word
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import t, { type Test } from 'tap'
import { installInto } from '../nodes/install.js'
import { startSpeaking } from '../support/child.js'
import { newcomer, type Newcomer } from '../support/newcomer.js'
import { read } from '../support/pages.js'
import { furnish } from '../support/recipes.js'
import { until } from '../support/until.js'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/one-server-tools/', import.meta.url))
const PACKAGES = ['nx@22', 'turbo@2']

const recipe = (name: string): string => read('fixtures/README.md').blocks.find((block) => block.name === name)!.text

interface Status {
  readonly state: string
  readonly pid?: number
  readonly url?: string
  readonly leases?: readonly { readonly pid: number }[]
}

const statusOf = ({ sh }: Newcomer, name: string): Status => JSON.parse(sh(`one-server status ${name} --json`).stdout) as Status

/** PIDs of the holders of leases. */
const holders = (here: Newcomer, name: string): number[] => (statusOf(here, name).leases ?? []).map(({ pid }) => pid)

/** An editor as the story of editors needs it: the words that start it with a script, and how it is asked to end. */
interface Editor {
  readonly program: string
  readonly recipe: string
  readonly file: string
  /** What the script does besides, in the editor's own language: it writes the URL into a file. */
  tells(file: string): string
  start(script: string, number: number): readonly string[]
  /** What it reads as the command to end; where there is none, SIGTERM ends it. */
  readonly quit?: string
  /** Whether the lease is in the editor's own name, or in that of a child. */
  readonly isHolder: boolean
}

const editors: Readonly<Record<string, Editor>> = {
  Neovim: {
    program: 'nvim', recipe: 'Neovim lua 1', file: 'hold.lua', isHolder: false,
    tells: (file) => `vim.wait(120000, function() return vim.g.docs_url ~= nil end)\nvim.fn.writefile({ vim.g.docs_url }, '${file}')`,
    start: (script) => ['--headless', '-u', 'NONE', '-c', `luafile ${script}`],
  },
  Vim: {
    program: 'vim', recipe: 'Vim vim 1', file: 'hold.vim', isHolder: true, quit: 'qa!\n',
    tells: (file) => `call writefile([g:docs_url], '${file}')`,
    // It goes on with the commands that it reads.
    start: (script) => ['-es', '-u', 'NONE', '-S', script],
  },
  Emacs: {
    program: 'emacs', recipe: 'Emacs elisp 1', file: 'hold.el', isHolder: true,
    tells: (file) => `(write-region (concat docs-url "\\n") nil "${file}")`,
    start: (script, number) => ['-Q', `--fg-daemon=one-server-${process.pid}-${number}`, '-l', script],
  },
}

/** Two of the editor share a server, which goes with the last one, however each ends. */
const tellEditor = async (t: Test, editor: Editor): Promise<void> => {
  const here = newcomer(t)
  furnish(here)
  const begin = async (number: number) => {
    const [script, told] = [`${number}-${editor.file}`, `told-${number}`]
    writeFileSync(join(here.folder, script), `${recipe(editor.recipe)}\n${editor.tells(told)}\n`)
    const options = { cwd: here.folder, env: { ...here.env, TMPDIR: here.folder, XDG_RUNTIME_DIR: here.folder } }
    const { child } = startSpeaking(t, editor.program, editor.start(script, number), options)
    const file = join(here.folder, told)
    const url = await until(() => existsSync(file) && /^(.+)\n/.exec(readFileSync(file, 'utf8'))?.[1], 'the editor to know the URL')
    return { child, url }
  }
  const [one, other] = await Promise.all([begin(1), begin(2)])
  t.match(one.url, /^http:\/\/localhost:\d+$/)
  t.equal(one.url, other.url, 'two editors have one server')
  t.equal(holders(here, 'docs').length, 2, 'and a lease each')
  if (editor.isHolder) t.same(holders(here, 'docs').toSorted(), [one.child.pid, other.child.pid].toSorted(), 'in their own names')
  const { pid } = statusOf(here, 'docs')
  one.child.kill('SIGKILL')
  await until(() => holders(here, 'docs').length === 1, 'the lease of the one that was killed to end')
  t.equal(statusOf(here, 'docs').pid, pid, 'the other one keeps it')
  if (editor.quit === undefined) other.child.kill('SIGTERM')
  else other.child.stdin!.write(editor.quit)
  await until(() => holders(here, 'docs').length === 0, 'the lease of the one that ended to end')
  t.equal(here.sh('one-server stop docs').status, 0)
}

const PACKAGE_NAMES = ['unit', 'browser', 'api']

/** A workspace of four packages, three of which have the task of the recipe. */
const workspace = (here: Newcomer, files: Readonly<Record<string, unknown>>): string => {
  const root = join(here.folder, 'mono')
  const write = (name: string, value: unknown): void => {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), typeof value === 'string' ? value : JSON.stringify(value))
  }
  for (const [name, value] of Object.entries(files)) write(name, value)
  write('apps/web/package.json', { name: 'web', version: '1.0.0' })
  write('apps/web/server.js', readFileSync(join(here.folder, 'server.js'), 'utf8'))
  const scripts = JSON.parse(recipe('Nx and Turborepo json 1')) as object
  for (const name of PACKAGE_NAMES) write(`packages/${name}/package.json`, { name, version: '1.0.0', ...scripts })
  // In the place of the test runner: it asks the server, and waits for the others to have begun, so that all tasks use it at once.
  const script = `const { readdirSync, writeFileSync } = require('node:fs')
writeFileSync(process.env.MONO + '/begun-' + process.pid, '')
const all = () => readdirSync(process.env.MONO).filter((name) => name.startsWith('begun-')).length === ${PACKAGE_NAMES.length}
const ask = () => fetch(process.env.BASE_URL).then((answer) => answer.text()).then((text) => console.log('said', text, process.env.BASE_URL))
const wait = () => (all() ? ask() : setTimeout(wait, 20))
wait()`
  write('runner.cjs', script)
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true })
  writeFileSync(join(root, 'node_modules/.bin/vitest'), `#!/bin/sh\nexec ${process.execPath} "$MONO/runner.cjs"\n`, { mode: 0o755 })
  for (const name of ['nx', 'turbo']) symlinkSync(join(CACHE, 'node_modules', name), join(root, 'node_modules', name))
  return root
}

const LOCK = { name: 'mono', lockfileVersion: 3, requires: true, packages: {} }
const ROOT_PACKAGE = { name: 'mono', private: true, workspaces: ['apps/*', 'packages/*'], packageManager: 'npm@10.8.2' }

interface Runner {
  readonly files: Readonly<Record<string, unknown>>
  readonly command: string
  readonly env: Readonly<Record<string, string>>
}

const runners: Readonly<Record<string, Runner>> = {
  Nx: {
    files: {
      'package.json': ROOT_PACKAGE, 'package-lock.json': LOCK,
      'nx.json': { targetDefaults: { e2e: { cache: false } }, analytics: false },
    },
    command: 'nx run-many --target=e2e --parallel=3 --outputStyle=stream',
    env: { NX_DAEMON: 'false', NX_NO_CLOUD: 'true', CI: 'true' },
  },
  Turborepo: {
    files: {
      'package.json': ROOT_PACKAGE, 'package-lock.json': LOCK,
      'turbo.json': { tasks: { e2e: { cache: false } }, globalPassThroughEnv: ['ONE_SERVER_STATE_DIR', 'MONO'] },
    },
    command: 'turbo run e2e --concurrency=4 --no-daemon',
    env: { TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', CI: 'true' },
  },
}

const tellRunner = async (t: Test, { files, command, env }: Runner): Promise<void> => {
  const here = newcomer(t)
  furnish(here)
  const root = workspace(here, files)
  const path = [join(root, 'node_modules/.bin'), here.env['PATH'], join(CACHE, 'node_modules/.bin')].join(delimiter)
  const more = { ...env, MONO: root, PATH: path }
  const { status, stdout, stderr } = here.sh(command, more, root)
  t.equal(status, 0, command, { output: stderr + stdout })
  const said = [...stdout.matchAll(/said (\S+) (\S+)/g)]
  t.same(said.map(([, text]) => text), PACKAGE_NAMES.map(() => 'well'), 'the tasks of all packages have asked the server')
  t.equal(new Set(said.map(([, , url]) => url)).size, 1, 'the same one', { said: said.map(String) })
  t.same(holders(here, 'e2e'), [], 'none holds it any more')
  t.equal(statusOf(here, 'e2e').url, said[0]?.[2], 'it lives on for the idle time')
  t.equal(here.sh('one-server stop e2e').status, 0)
}

const versionOf = (program: string): string | undefined => {
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1' }
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', env })
  return status === 0 ? /\d+\.\d+[.\d]*/.exec(stdout)?.[0] : undefined
}

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [''] } } })
const isChosen = (name: string): boolean => values.only.some((word) => name.toLowerCase().includes(word.toLowerCase()))

t.setTimeout(900_000)
for (const [name, editor] of Object.entries(editors).filter(([one]) => isChosen(one))) {
  const version = versionOf(editor.program)
  const here = version === undefined ? { skip: `there is no ${editor.program}: apt-get install it` } : {}
  t.test(`${name} ${version ?? ''}`.trim(), here, (t) => tellEditor(t, editor))
}
for (const [name, runner] of Object.entries(runners).filter(([one]) => isChosen(one))) {
  installInto(CACHE, PACKAGES)
  const program = join(CACHE, 'node_modules/.bin', name === 'Nx' ? 'nx' : 'turbo')
  t.test(`${name} ${versionOf(program)}`, (t) => tellRunner(t, runner))
}

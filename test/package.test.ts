/** What people install: the packed package, in an empty folder, by import, by require and by its command. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bareEnv } from './support/child.js'
import { tempFolder } from './support/temp-folder.js'
import { walkByCommand, walkByImport } from './support/walk.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

// npm and the compiler, on a machine that has other work.
t.setTimeout(900_000)

const run = (program: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): string => {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', env: { ...bareEnv(), ...env } })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} exited with ${status}: ${stderr}${stdout}`)
  return stdout
}

t.test('the packed package works in an empty folder', (t) => {
  const folder = tempFolder(t)
  const told = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], ROOT)
  const [packed] = JSON.parse(told) as [{ filename: string; files: { path: string }[] }]
  const paths = packed.files.map(({ path }) => path)
  t.same(paths.toSorted(), [
    'CHANGELOG.md', 'LICENSE', 'README.md', 'dist/across.js', 'dist/checks.js', 'dist/cli-rest.js', 'dist/cli-start.js', 'dist/cli.js', 'dist/cold.cjs', 'dist/cold.js',
    'dist/completion.js', 'dist/config.js', 'dist/etcd.cjs', 'dist/etcd.js', 'dist/index.cjs', 'dist/index.js', 'dist/jest-teardown.cjs', 'dist/jest.cjs', 'dist/jest.js', 'dist/launch.js',
    'dist/playwright.cjs', 'dist/playwright.js', 'dist/schema.json', 'dist/session-server.js',
    ...['etcd', 'index', 'jest', 'playwright', 'vitest'].flatMap((name) => [`dist/types/${name}.d.cts`, `dist/types/${name}.d.ts`]),
    'dist/vitest.cjs', 'dist/vitest.js', 'dist/watch.js', 'package.json',
  ], 'the library, its entry points, and what npm adds')

  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, packed.filename)], folder)
  const home = { HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state') }

  const here = { folder, home: folder, command: [join(folder, 'node_modules', '.bin', 'one-server')] }
  t.test('by import, and by require without a warning under any Node', (t) => walkByImport(t, here))
  t.test('by its command', (t) => walkByCommand(t, here))

  t.test('the entry points for test runners, whose files are there in both formats', async (t) => {
    const text = (load: string): string => `
      const main = async () => {
        for (const name of ['playwright', 'vitest', 'jest']) {
          const { oneServer } = ${load}
          const part = oneServer('web')
          const { globalSetup, globalTeardown } = part.config?.().test ?? part
          const files = [globalSetup, globalTeardown].flat().filter((file) => file !== undefined)
          console.log(name, files.map((file) => file.slice(process.cwd().length) + (require('node:fs').existsSync(file) ? '' : ' is missing')).join())
        }
      }
      main()`
    const dist = '/node_modules/one-server/dist'
    const told = `playwright ${dist}/playwright.cjs\nvitest ${dist}/vitest.js\njest ${dist}/jest.cjs,${dist}/jest-teardown.cjs\n`
    for (const load of ["require('one-server/' + name)", "await import('one-server/' + name)"]) t.equal(run(process.execPath, ['--eval', text(load)], folder, home), told)
  })

  t.test('the bundled server by its name, for those who copy it', async (t) => {
    const found = run(process.execPath, ['--print', "require.resolve('one-server/session-server.js')"], folder)
    t.equal(found, `${join(folder, 'node_modules/one-server/dist/session-server.js')}\n`)
  })

  t.test('by a config file, whose parser it brings along, and its schema', async (t) => {
    writeFileSync(join(folder, 'one-server.config.json'), '{ "servers": { "web": { "port": "auto", }, } } // JSON with comments')
    const text = `
      import { fromConfig } from 'one-server'
      import schema from 'one-server/schema.json' with { type: 'json' }
      console.log((await (await fromConfig('web')).status()).state, Object.keys(schema.definitions.server.properties).includes('command'))`
    t.equal(run(process.execPath, ['--input-type=module', '--eval', text], folder, { ...home, NODE_NO_WARNINGS: '1' }), 'stopped true\n')
    t.notOk(existsSync(join(folder, 'node_modules', 'jsonc-parser')))
    for (const [file, name] of [['config.js', 'jsonc-parser'], ['cold.cjs', 'jsonc-parser'], ['cold.cjs', 'get-port']]) {
      const text = readFileSync(join(folder, 'node_modules/one-server/dist', file!), 'utf8')
      t.match(text, new RegExp(`! ${name}\\n[^!]*Permission is hereby granted`), `${name} with its licence in ${file}`)
    }
    t.match(run(join(folder, 'node_modules', '.bin', 'one-server'), ['list', '--named', '--json'], folder, home), '"servers":[]')
  })

  t.test('an error that nobody catches is readable', async (t) => {
    const text = "import { ClientProcessManager } from 'one-server'; await new ClientProcessManager({ name: 'x', port: -1 }).status()"
    const env = { ...bareEnv(), ...home }
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', text], { cwd: folder, encoding: 'utf8', env })
    t.equal(status, 1)
    t.match(stderr, /OneServerError: port must be an integer/)
    t.same(stderr.split('\n').filter((line) => line.length > 300), [], 'the line that it was thrown in is no whole file')
  })

  t.test('its types, in a program that has no settings but strict ones', async (t) => {
    mkdirSync(join(folder, 'node_modules', '@types'))
    const types = (root: string, name: string): string => join(root, 'node_modules/@types', name)
    for (const name of ['node', '../undici-types']) symlinkSync(types(ROOT, name), types(folder, name))
    writeFileSync(join(folder, 'program.mts'), `
      import { ClientProcessManager, fromConfig, OneServerError, type Lease, type ServerInfo } from 'one-server'
      const manager = new ClientProcessManager({ name: 'typed', port: 'auto', stopSignal: 'SIGINT', healthMatch: /ok/ })
      const server: ServerInfo = await manager.ensureServerRunning({ signal: AbortSignal.timeout(1000) })
      const lease: Lease = await (await fromConfig('typed')).acquire()
      await lease[Symbol.asyncDispose]()
      // @ts-expect-error -- no such signal
      new ClientProcessManager({ stopSignal: 'SIGBANANA' })
      // @ts-expect-error -- the machine is not to be handed in
      new ClientProcessManager({}, {})
      export const told = (error: unknown): string | undefined =>
        error instanceof OneServerError && error.code === 'START_TIMEOUT' ? error.hint : server.url
      export const use = (other: ClientProcessManager): Promise<boolean> => other.stopServer()
    `)
    // A class with private fields is another type in each declaration of it, so this one must be declared once.
    writeFileSync(join(folder, 'program.cts'), `
      import oneServer = require('one-server')
      import type { use } from './program.mjs' with { 'resolution-mode': 'import' }
      const manager = new oneServer.ClientProcessManager({ name: 'typed' })
      const argument: Parameters<typeof use>[0] = manager
      export const failed = (error: unknown): string =>
        error instanceof oneServer.OneServerError ? error.code : argument.constructor.name
    `)
    // Vitest's types, as far as the entry point adds to them.
    mkdirSync(join(folder, 'node_modules/vitest'))
    writeFileSync(join(folder, 'node_modules/vitest/package.json'), '{ "types": "./index.d.ts" }')
    writeFileSync(join(folder, 'node_modules/vitest/index.d.ts'), `
      export interface ProvidedContext {}
      export declare const inject: <Key extends keyof ProvidedContext>(key: Key) => ProvidedContext[Key]`)
    const runners = `
      import { inject } from 'vitest'
      import { globalSetup as forPlaywright, oneServer as playwright, serverUrl } from 'one-server/playwright'
      import { globalSetup as forVitest, oneServer as vitest } from 'one-server/vitest'
      import { globalSetup as forJest, globalTeardown, oneServer as jest } from 'one-server/jest'
      const parts: [string, string] = [playwright('web').globalSetup, jest(['web', 'db'], { idleTimeout: '5m' }).globalTeardown]
      const base: string | undefined = playwright({ name: 'web', command: ['node', 'server.js'], port: 'auto' }).use.baseURL
      const url: string = inject('oneServer').url + serverUrl('db')
      export const all = [parts, base, url, forPlaywright('web'), forVitest('web'), forJest('web'), globalTeardown, vitest('web', { from: '..' })]
      // @ts-expect-error -- no such option
      jest('web', { prot: 3000 })
      // @ts-expect-error -- the name is said already
      vitest('web', { name: 'db' })
    `
    for (const name of ['runners.mts', 'runners.cts']) writeFileSync(join(folder, name), runners)
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const check = (...args: string[]) => run(process.execPath, [tsc, '--noEmit', '--strict', '--target', 'es2023', ...args], folder)
    // The strictest mode: in it a CommonJS program may not require an ES module.
    t.equal(check('--skipLibCheck', 'false', '--module', 'node16', 'program.mts', 'program.cts', 'runners.mts', 'runners.cts'), '')
    t.equal(check('--skipLibCheck', 'true', '--module', 'preserve', 'program.mts', 'runners.mts'), '', 'as bundlers resolve it')
  })

  t.test('it runs no scripts on installation and has few dependencies', async (t) => {
    const text = readFileSync(join(folder, 'node_modules/one-server/package.json'), 'utf8')
    const { scripts, dependencies } = JSON.parse(text) as Record<string, Record<string, string>>
    t.same(Object.keys(scripts!).filter((name) => /^(pre|post)?install$|^prepare$/.test(name)), [])
    t.same(Object.keys(dependencies!).toSorted(), ['get-port', 'proper-lockfile', 'wait-on', 'yocto-spinner'])
  })
  t.end()
})

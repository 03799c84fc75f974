/**
 * The package under the real Bun, and what it says under the real Deno. Not part of `npm test`: both come from npm, 100 MB each.
 *
 *     npm run test:runtimes
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { installInto } from '../nodes/install.js'
import { run, start } from '../support/child.js'
import { place, type Place } from '../support/clients.js'
import { installPackage } from '../support/installed.js'
import { commandOf } from '../support/processes.js'
import { until } from '../support/until.js'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/one-server-runtimes/', import.meta.url))

/** Where the program of a runtime is, or why there is none here. */
const binOf = (name: string): { bin: string } | { skip: string } => {
  if (process.platform !== 'linux') return { skip: 'the series looks into /proc' }
  try {
    installInto(join(CACHE, name), [name])
    return { bin: join(CACHE, name, 'node_modules/.bin') }
  } catch (error) {
    return { skip: (error as Error).message }
  }
}

/** Uses the server, and says how; `hold` keeps a lease until it is killed. */
const CLIENT = `
import { ClientProcessManager } from 'one-server'
const manager = new ClientProcessManager({ ...JSON.parse(process.env.OPTIONS) })
const [what] = process.argv.slice(2)
if (what === 'ensure') console.log(JSON.stringify(await manager.ensureServerRunning()))
else {
  const lease = await manager.acquire()
  console.log(JSON.stringify(lease.server))
  if (what === 'hold') setInterval(() => {}, 1000)
  else await lease.release()
}
`

interface Room extends Place {
  /** Runs a program of the runtime, or Node, where the package is installed. */
  readonly ends: (program: string, ...args: readonly string[]) => ReturnType<typeof run>
  readonly vars: Record<string, string>
}

const SERVER = fileURLToPath(new URL('../../../fixtures/healthy.mjs', import.meta.url))
const CLI = join('node_modules', 'one-server', 'dist', 'cli.js')

const room = (t: Test, bin: string): Room => {
  const here = place(t)
  installPackage(here.folder)
  writeFileSync(join(here.folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(here.folder, 'client.mjs'), CLIENT)
  const options = here.options('healthy', { name: 'web', idleTimeout: 200, command: ['node', SERVER], inheritEnv: true })
  delete options.pidFile
  const PATH = [bin, dirname(process.execPath), process.env['PATH']].join(delimiter)
  const vars = { ...here.env, PATH, OPTIONS: JSON.stringify(options) }
  return { ...here, vars, ends: (program, ...args) => run(t, program, args, { cwd: here.folder, env: vars }) }
}

/** Returns when no process of a server lives, and `status` says so. */
const gone = async ({ alive, ends }: Room): Promise<void> => {
  await until(() => alive().length === 0, 'the server to end')
  await until(async () => (await ends('node', CLI, 'status', 'web')).code === 3, 'its state to go')
}

/** Only the server carries the ledger, by which its processes are counted. */
const served = ({ folder }: Room): string[] =>
  ['--port', 'auto', '--idle-timeout', '200ms', '--server', `env LEDGER=${join(folder, 'ledger')} node ${SERVER}`]

t.setTimeout(1_200_000)

const bun = binOf('bun')
t.test('Bun', { skip: 'skip' in bun && bun.skip }, async (t) => {
  const { bin } = bun as { bin: string }
  t.comment(`Bun ${readFileSync(join(dirname(bin), 'bun/package.json'), 'utf8').match(/"version": "(.*)"/)?.[1]}`)

  t.test('8 clients at once, half of them under Node: one server', async (t) => {
    const here = room(t, bin)
    const ended = await Promise.all(Array.from({ length: 8 }, (_, at) => here.ends(at % 2 === 0 ? 'bun' : 'node', 'client.mjs', 'ensure')))
    t.strictSame(ended.map(({ code, stderr }) => [code, stderr]), ended.map(() => [0, '']))
    const infos = ended.map(({ stdout }) => JSON.parse(stdout) as { url: string; started: boolean })
    t.equal(new Set(infos.map(({ url }) => url)).size, 1)
    t.equal(infos.filter(({ started }) => started).length, 1)
    t.equal(here.starts().length, 1)
    t.match(await here.ends('bun', CLI, 'stop', 'web'), { code: 0, stderr: /stopped/ })
    t.strictSame(here.alive(), [])
  })

  t.test('leases: released, and of holders that are killed', async (t) => {
    const here = room(t, bin)
    t.match(await here.ends('bun', 'client.mjs', 'use'), { code: 0 })
    await gone(here)
    const holders = Array.from({ length: 3 }, () => start(t, 'bun', ['client.mjs', 'hold'], { cwd: here.folder, env: here.vars }))
    const leases = async (): Promise<number> =>
      ((JSON.parse((await here.ends('bun', CLI, 'status', 'web', '--json')).stdout) as { leases?: unknown[] }).leases ?? []).length
    await until(async () => (await leases()) === 3, 'three leases')
    holders[0]!.kill('SIGKILL')
    await until(async () => (await leases()) === 2, 'the lease of the killed holder to go')
    t.equal(here.starts().length, 2)
    t.ok(here.alive().includes(here.starts()[1]!.pid), 'the others keep the server', { alive: here.alive(), starts: here.starts() })
    for (const holder of holders) holder.kill('SIGKILL')
    await gone(here)
    t.equal(here.starts().length, 2)
  })

  t.test('run, by bunx: 8 at once, the exit code, and run is its command', async (t) => {
    const here = room(t, bin)
    const script = 'echo $ONE_SERVER_URL; sleep 1; exit 7'
    const ended = await Promise.all(Array.from({ length: 8 }, () =>
      here.ends('bunx', '--bun', 'one-server', 'run', 'web', ...served(here), '--quiet', '--', 'sh', '-c', script)))
    t.strictSame(ended.map(({ code }) => code), ended.map(() => 7))
    t.equal(new Set(ended.map(({ stdout }) => stdout)).size, 1)
    t.match(ended[0]!.stdout, /^http:/)
    t.equal(here.starts().length, 1)
    await gone(here)
    const becoming = start(t, 'bun', [CLI, 'run', 'web', ...served(here), '--quiet', '--', 'sleep', '600'], { cwd: here.folder, env: here.vars })
    await until(() => commandOf(becoming.pid!).trim() === 'sleep 600', 'run to be its command')
    t.equal(here.alive().length, 1, 'the server')
    becoming.kill('SIGKILL')
    await gone(here)
  })

  t.test('TypeScript: a server, without tsx, and a config file', async (t) => {
    const here = room(t, bin)
    writeFileSync(join(here.folder, 'server.ts'), `import ${JSON.stringify(SERVER)}\nexport const typed: number = 1\n`)
    writeFileSync(join(here.folder, 'one-server.config.ts'), `import { defineConfig, type OneServerConfig } from 'one-server'
const config: OneServerConfig = { servers: { web: { serverScript: 'server.ts', port: 'auto', env: { LEDGER: ${JSON.stringify(join(here.folder, 'ledger'))} } } } }
export default defineConfig(config)`)
    t.match(await here.ends('bun', CLI, 'start', 'web'), { code: 0, stdout: /^http:/ })
    t.equal(here.starts().length, 1)
    t.match(await here.ends('bun', CLI, 'status', 'web'), { code: 0, stdout: /^state +ready/m })
    t.match(await here.ends('bun', CLI, 'stop', 'web'), { code: 0 })
    t.strictSame(here.alive(), [])
  })
})

const deno = binOf('deno')
t.test('Deno', { skip: 'skip' in deno && deno.skip }, async (t) => {
  const { bin } = deno as { bin: string }
  const WORDS = { code: 1, stdout: '', stderr: /does not run under Deno \(\d[\s\S]*hint: Call it by Node or Bun/ }

  t.test('is refused by name, by each command that is about a server, and by the library', async (t) => {
    const here = room(t, bin)
    for (const args of [['start', 'web', '--port', 'auto'], ['run', 'web', ...served(here), '--', 'true'], ['status'], ['stop'], ['list'], ['doctor'], ['logs'], ['wait']]) {
      t.match(await here.ends('deno', 'run', '-A', CLI, ...args), WORDS, String(args[0]))
    }
    const { stdout } = await here.ends('deno', 'run', '-A', CLI, 'status', '--json')
    t.match(JSON.parse(stdout), { error: { code: 'RUNTIME_UNSUPPORTED' } })
    t.match(await here.ends('deno', 'run', '-A', 'client.mjs', 'ensure'), { code: 1, stderr: /RUNTIME_UNSUPPORTED|does not run under Deno/ })
    t.strictSame([here.alive(), here.starts()], [[], []])
  })

  t.test('may be the server, and the client', async (t) => {
    const here = room(t, bin)
    writeFileSync(join(here.folder, 'server.ts'), `Deno.serve({ port: Number(Deno.env.get('PORT')), hostname: '127.0.0.1' }, () => new Response('well'))`)
    const fetched = "console.log(await (await fetch(Deno.env.get('ONE_SERVER_URL'))).text())"
    const args = ['run', 'web', '--port', 'auto', '--health', '/', '--idle-timeout', '200ms', '--server', 'deno run -A server.ts', '--quiet', '--', 'deno', 'eval', fetched]
    t.match(await here.ends('node', CLI, ...args), { code: 0, stdout: 'well\n' })
    await gone(here)
  })
})

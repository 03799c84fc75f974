/**
 * Two containers over one home folder: a PID means something only where it was given, so each has its
 * own server, and neither judges, stops or deletes what belongs to the other. And a container whose first
 * process waits for nobody.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { bareEnv, library } from '../support/child.js'
import { place, stateOf, type Place } from '../support/clients.js'
import { until } from '../support/until.js'

/** PID, network and mount namespaces of their own, /proc of the first, a loopback interface of the second. */
const UNSHARE = ['unshare', '--pid', '--fork', '--mount-proc', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh']

const reason = (): string | false => {
  const [program = '', ...args] = UNSHARE
  const { status, stderr, error } = spawnSync(program, [...args, 'true'], { encoding: 'utf8' })
  return status === 0 ? false : `namespaces cannot be made here: ${error?.message ?? stderr.trim()}`
}

/** A client that does what it is told, line by line, as the first process of its namespaces. */
const PROGRAM = (options: unknown): string => `
  import { createInterface } from 'node:readline'
  import { ClientProcessManager } from ${JSON.stringify(library('index.js'))}
  const manager = new ClientProcessManager(${JSON.stringify(options)})
  for await (const method of createInterface({ input: process.stdin })) {
    const result = await manager[method]().catch((error) => ({ code: error.code, message: error.message }))
    console.log(JSON.stringify(result))
  }`

const container = (t: Test, here: Place) => {
  const [program = '', ...args] = UNSHARE
  const options = here.options('healthy', { port: 3210 })
  const child = spawn(program, [...args, process.execPath, '--input-type=module', '--eval', PROGRAM(options)], { env: bareEnv(), stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.stdin.end()
    await exited
  })
  return async (method: string): Promise<Record<string, unknown>> => {
    child.stdin.write(`${method}\n`)
    const { value } = (await lines.next()) as { value: string | undefined }
    if (value === undefined) throw new Error('the container has ended')
    return JSON.parse(value) as Record<string, unknown>
  }
}

const hosts = (here: Place): string[] => readdirSync(`${here.pidFile}.d`)
const claims = (here: Place): string[] => hosts(here).flatMap((host) => readdirSync(`${here.pidFile}.d/${host}`)).filter((name) => name.endsWith('.claim'))

/** The server, once its keeper has gone. */
const alone = async (here: Place): Promise<number[]> => {
  await until(() => here.alive().length === 1, 'one process to live')
  return here.alive()
}

t.test('two containers that share a home folder each have their own server', { skip: reason() }, async (t) => {
  const here = place(t)
  const [one, other] = [container(t, here), container(t, here)]
  t.match(await one('ensureServerRunning'), { started: true, port: 3210 })
  const second = await other('ensureServerRunning')
  t.match(second, { started: true, port: 3210 }, 'the same PID file, port and PIDs, and yet another server')
  t.equal(hosts(here).length, 2)
  t.equal(claims(here).length, 2)
  t.match(await one('ensureServerRunning'), { started: false }, 'the PID file was overwritten by the other; the claim is the truth')

  t.equal(await one('stopServer'), true)
  t.equal(claims(here).length, 1, 'the claim of the other is untouched')
  t.match(await other('status'), { state: 'ready' }, 'and so is its server')
  t.match(await one('status'), { state: 'stopped' })
  t.equal(await other('stopServer'), true)
  here.nothingLeft(t)
})

t.test('where nobody waits for orphans, as when Node is the first process of a container, a zombie counts as gone', { skip: reason() }, async (t) => {
  const here = place(t)
  const call = container(t, here)
  t.match(await call('ensureServerRunning'), { started: true })
  const [first = 0] = await alone(here)
  await here.kill(first)
  t.equal(stateOf(first), 'Z')
  t.match(await call('ensureServerRunning'), { started: true, pid: here.starts().at(-1)!.pid })
  const [second = 0] = await alone(here)
  t.equal(await call('stopServer'), true)
  t.equal(stateOf(second), 'Z', 'stop returns although it stays one')
  here.nothingLeft(t)
})

t.test('a record of before a reboot is dead, and the claims of that boot are left alone', async (t) => {
  const here = place(t)
  const manager = here.manager('healthy')
  const { pid } = await manager.ensureServerRunning()
  const folder = `${here.pidFile}.d`
  const [host = ''] = readdirSync(folder)
  const record = readFileSync(here.pidFile, 'utf8')
  const [claim = ''] = readdirSync(`${folder}/${host}`).filter((name) => name.endsWith('.claim'))
  const body = readFileSync(`${folder}/${host}/${claim}`, 'utf8')
  await manager.stopServer()

  // As if this boot, with the same PIDs, had been another one.
  const before = `${'0'.repeat(16)}${host.slice(16)}`
  mkdirSync(`${folder}/${before}`, { recursive: true, mode: 0o700 })
  writeFileSync(`${folder}/${before}/${claim}`, body, { mode: 0o600 })
  writeFileSync(here.pidFile, record.replaceAll(host, before).replaceAll(String(pid), String(process.pid)), { mode: 0o600 })

  t.equal(await manager.isServerRunning(), false, 'the PID in it is that of a process that lives now, and means nothing')
  const { started } = await manager.ensureServerRunning()
  t.equal(started, true)
  t.same(readdirSync(`${folder}/${before}`), [claim])
  await manager.stopServer()
  t.same(readdirSync(folder), [before], "other hosts' folders are never touched")
})

/** A launch as far as the kernel sees it: a leader with a process group of its own, and the launch id in the environment. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { judge, type Leader, type ProcessId } from '../../lib/system/system.js'
import { bareEnv, fixture, start } from './child.js'
import { entriesOf } from './ledger.js'
import { tempFolder } from './temp-folder.js'
import { until } from './until.js'
import { identify, lookAt } from './processes.js'

export { identify }

/** A process that leads a group of its own. */
export const lead = (pid: number): Leader => ({ ...identify(pid), group: pid })

export const isAlive = (process: ProcessId): boolean => judge(process, lookAt(process.pid)) === 'alive'

/** Ends a process that the test started but is not the parent of. */
export const endWith = (t: Pick<Test, 'teardown'>, id: ProcessId): ProcessId => {
  t.teardown(() => { if (isAlive(id)) process.kill(id.pid, 'SIGKILL') })
  return id
}

/** Runs fixtures as a launch does; returns when `processes` of them execute and the last one serves. */
export const startFixture = async (t: Test, name: string, { processes = 1, serves = true, env = {} }: { processes?: number; serves?: boolean; env?: Record<string, string> } = {}) => {
  const id = randomBytes(8).toString('hex')
  const folder = tempFolder(t)
  const [ledger, log] = [join(folder, 'ledger'), join(folder, 'log')]
  const child = start(t, '/bin/sh', ['-c', 'exec "$0" "$1" >"$2" 2>&1', process.execPath, fixture(name), log], {
    detached: true, env: { ...bareEnv(), PORT: '0', LEDGER: ledger, ONE_SERVER_LAUNCH_ID: id, ...env },
  })
  const leader = lead(child.pid!)
  const started = () => entriesOf(ledger).filter(({ event }) => event.endsWith('start'))
  await until(() => started().length >= processes, `${processes} processes of ${name}`)
  const others = started().filter(({ pid }) => pid !== leader.pid).map(({ pid }) => endWith(t, identify(pid)))
  if (serves) await until(() => readFileSync(log, 'utf8').includes('listening on'), `${name} to listen`)
  return { id, leader, child, others, log, port: Number(/port (\d+)/.exec(readFileSync(log, 'utf8'))?.[1]) }
}

/** Runs a shell text as a launch does; it prints the PIDs of its children, `pids` of them, and goes on. */
export const startShell = async (t: Test, text: string, pids = 0, env: Record<string, string> = {}) => {
  const id = randomBytes(8).toString('hex')
  const child = start(t, '/bin/sh', ['-c', text], { detached: true, env: { ...bareEnv(), ONE_SERVER_LAUNCH_ID: id, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  const leader = lead(child.pid!)
  let out = ''
  child.stdout!.setEncoding('utf8').on('data', (data: string) => { out += data })
  await until(() => out.split('\n').length > pids, 'the PIDs')
  const others = out.split('\n').slice(0, pids).map((pid) => endWith(t, identify(Number(pid))))
  return { id, leader, child, others }
}

/**
 * The walk of somebody who has just installed the package: import, require, and the command line from a start to a stop. What differs
 * is who installed it, with what, and as which user it runs.
 */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { bareEnv } from './child.js'
import { allProcesses } from './processes.js'
import { until } from './until.js'

/** Where it was installed, and who uses it. */
export interface Installation {
  readonly folder: string
  /** The home of who uses it: the state lies below. */
  readonly home: string
  /** The command, as it is typed. */
  readonly command: readonly string[]
  readonly user?: { readonly uid: number; readonly gid: number }
}

const runIn = ({ folder, home, user }: Installation, program: string, args: readonly string[]): SpawnSyncReturns<string> => {
  // What npm says of a newer npm concerns nobody here.
  const npm = { npm_config_loglevel: 'error', npm_config_cache: join(home, 'npm') }
  const env = { ...bareEnv(), npm_config_update_notifier: 'false', ...npm, HOME: home, ONE_SERVER_STATE_DIR: join(home, 'state') }
  return spawnSync(program, args, { cwd: folder, encoding: 'utf8', env, ...user })
}

const byImport = (name: string): string => `
  import { ClientProcessManager } from 'one-server'
  const manager = new ClientProcessManager({ name: '${name}', port: 'auto' })
  const { url } = await manager.ensureServerRunning()
  const { status } = await fetch(url + '/api/health').then(async (answer) => answer.json())
  console.log(status, await manager.stopServer())`

const byRequire = (name: string): string => `
  const { ClientProcessManager, OneServerError } = require('one-server')
  const main = async () => {
    const manager = new ClientProcessManager({ name: '${name}', port: 'auto' })
    const lease = await manager.acquire()
    const { state, leases } = await manager.status()
    await lease.release()
    const broken = new ClientProcessManager({ name: 'none', port: 'auto', command: ['/nonexistent'] })
    const error = await broken.ensureServerRunning().catch((reason) => reason)
    console.log(state, leases.length, await manager.stopServer(), error instanceof OneServerError, error.code)
  }
  main()`

/** What a look at the machine shows of an installation: processes, and files of its state that are no logs. */
const left = ({ home }: Installation): string[] => [
  ...allProcesses().filter(({ command, state }) => command.includes(home) && state !== 'Z').map(({ pid, command }) => `${pid}${command}`),
  ...readdirSync(join(home, 'state')).filter((name) => !/\.log(\.prev)?$/.test(name)),
]

export const walkByImport = async (t: Test, here: Installation): Promise<void> => {
  const imported = runIn(here, process.execPath, ['--input-type=module', '--eval', byImport('imported')])
  t.match(imported, { status: 0, stdout: 'ok true\n', stderr: '' }, 'by import')
  const required = runIn(here, process.execPath, ['--eval', byRequire('required')])
  t.match(required, { status: 0, stdout: 'ready 1 true true COMMAND_NOT_FOUND\n', stderr: '' }, 'by require, without a warning')
}

export const walkByCommand = async (t: Test, here: Installation): Promise<void> => {
  const [program, ...words] = here.command
  const cli = (...args: string[]) => runIn(here, program!, [...words, ...args])
  const started = cli('start', 'walk', '--port', 'auto', '--quiet')
  t.match(started, { status: 0, stdout: /^http:\/\/localhost:\d+\n$/, stderr: '' }, 'start')
  const ran = cli('run', 'walk', '--port', 'auto', '--quiet', '--', process.execPath, '--print', 'process.env.ONE_SERVER_URL')
  t.match(ran, { status: 0, stdout: started.stdout, stderr: '' }, 'run')
  const failed = cli('run', 'walk', '--port', 'auto', '--quiet', '--', process.execPath, '--eval', 'process.exit(7)')
  t.equal(failed.status, 7, 'run ends as its command')
  t.match(cli('status', 'walk'), { status: 0, stdout: /ready/ }, 'status')
  t.match(cli('stop', 'walk', '--quiet'), { status: 0 }, 'stop')
  t.equal(cli('status', 'walk').status, 3, 'status of one that is stopped')
}

/** The whole walk; nothing is left at its end. */
export const walk = async (t: Test, here: Installation): Promise<void> => {
  await walkByImport(t, here)
  await walkByCommand(t, here)
  await until(() => left(here).length === 0, `the end of ${left(here).join()}`)
}

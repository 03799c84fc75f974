/**
 * A status is told apart by its state, for the compiler and for a reader of JSON: each state has exactly the fields that it has. What is
 * here about types fails to compile when a field is missing or one too many.
 */
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { ClientProcessManager, type AdoptedStatus, type ReadyStatus, type ServerStatus, type StartingStatus, type StoppedStatus, type UnhealthyStatus } from '../lib/index.js'
import { fixture, home } from './cli/command-line.js'
import { send } from './support/clients.js'

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends (<T>() => T extends Other ? 1 : 2) ? true : false
const same = <One, Other>(isSame: Same<One, Other>): boolean => isSame

type Files = 'state' | 'pidFile' | 'logFile'
type Launched = Files | 'adopted' | 'pid' | 'port' | 'since' | 'launchId' | 'bundled' | 'version' | 'launcher' | 'leases' | 'pinned' | 'stopsAt' | 'isHeadless'
/** Without a coordinator, none of these is there. */
type Across = 'host' | 'epoch' | 'coordinator' | 'role' | 'users' | 'silentFor' | 'trouble'
same<keyof StoppedStatus, Files>(true)
same<keyof StartingStatus, Launched | Across>(true)
same<keyof ReadyStatus, Launched | Across | 'url' | 'address'>(true)
same<keyof AdoptedStatus, Files | 'adopted' | 'pid' | 'url' | 'address' | 'port'>(true)
same<keyof UnhealthyStatus, Launched | Across | 'url' | 'address' | 'isEnding'>(true)
same<ServerStatus['state'], 'stopped' | 'starting' | 'ready' | 'unhealthy'>(true)

/** A consumer's switch: each branch has what it needs, and no state is forgotten. */
const inWords = (status: ServerStatus): string => {
  switch (status.state) {
    case 'stopped':
      // @ts-expect-error Nothing runs, so there is no URL.
      return `stopped ${status.url}`
    case 'starting':
      // @ts-expect-error It has not answered, so there is no URL.
      return `PID ${status.pid.toFixed()} ${status.url}`
    case 'ready':
      // @ts-expect-error No launch of an adopted server is known.
      if (status.adopted) return `${status.url.trim()} ${status.launchId}`
      return `${status.url.trim()} ${status.launchId.trim()} since ${status.since.toISOString()} ${status.leases.length}`
    case 'unhealthy':
      return `PID ${status.pid.toFixed()}${status.isEnding ? ' is being ended' : ''} ${status.url?.trim()}`
  }
}

const FILES = ['logFile', 'pidFile', 'state']
const LAUNCHED = [...FILES, 'adopted', 'bundled', 'isHeadless', 'launchId', 'launcher', 'leases', 'pid', 'pinned', 'port', 'since', 'stopsAt', 'version']
const KEYS = {
  stopped: FILES, starting: LAUNCHED, ready: [...LAUNCHED, 'url', 'address'], adopted: [...FILES, 'adopted', 'pid', 'url', 'address', 'port'],
  unhealthy: [...LAUNCHED, 'url', 'address', 'isEnding'],
}

t.test('each state has exactly its fields, in the library and in JSON', async (t) => {
  const here = home(t)
  const pidFile = join(here.folder, 'state', 'web.pid')
  const script = ['--port', 'auto', '--script']
  const expect = async (kind: keyof typeof KEYS, ask: { pidFile: string; port?: number; healthTimeout?: number }): Promise<ServerStatus> => {
    const status = await new ClientProcessManager({ healthPath: '/', ...ask }).status()
    t.equal(status.state, kind === 'adopted' ? 'ready' : kind)
    t.strictSame(Object.keys(status).toSorted(), KEYS[kind].toSorted(), kind)
    t.type(inWords(status), 'string')
    const flags = ['--pid-file', ask.pidFile, '--health', '/', '--json', ...(ask.port === undefined ? [] : ['--port', String(ask.port)])]
    const { stdout } = await here.run(['status', ...flags])
    t.strictSame(Object.keys(JSON.parse(stdout) as object).toSorted(), ['schemaVersion', ...KEYS[kind]].toSorted(), `${kind}: the document`)
    return status
  }
  const listed = async (): Promise<{ name: string; state: string }[]> =>
    (JSON.parse((await here.run(['list', '--named', '--json'])).stdout) as { servers: { name: string; state: string }[] }).servers

  await expect('stopped', { pidFile, port: 1 })
  const { child } = here.begin(['start', 'web', ...script, fixture('never-answers'), '--timeout', '5m', '--quiet'])
  here.stopsAtEnd('web')
  await new Promise<void>((resolve) => {
    const look = async (): Promise<void> => {
      if ((await new ClientProcessManager({ pidFile }).status()).state === 'starting') resolve()
      else setTimeout(() => void look(), 20)
    }
    void look()
  })
  await expect('starting', { pidFile })
  child.kill('SIGTERM')
  await here.run(['stop', 'web'])

  await here.start(['start', 'web', ...script, fixture('healthy'), '--quiet'])
  const ready = await expect('ready', { pidFile })
  t.strictSame((await listed()).map((one) => Object.keys(one).toSorted()), [['name', 'folder', ...KEYS.ready].toSorted()], 'list says the same')
  if (ready.state !== 'ready' || ready.pid === undefined) throw new Error('it is ready')
  send(ready.pid, 'SIGSTOP')
  t.teardown(() => send(ready.pid!, 'SIGCONT'))
  await expect('unhealthy', { pidFile })
  send(ready.pid, 'SIGCONT')

  const server = createServer((_, answer) => answer.end()).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  await expect('adopted', { pidFile: join(here.folder, 'other.pid'), port: (server.address() as AddressInfo).port })
})

/** The promise over stdio: six sessions, one server, own answers, one killed, all gone; and stdout belongs to the protocol alone. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { slowly } from '../servers/room.js'
import { until } from '../support/until.js'
import { measure, type Memory } from './memory.js'
import { openHome, logsOf, type Home } from './place.js'
import { INITIALIZE, openRaw } from './raw.js'
import type { Entry } from './recipe.js'
import { openSession, openSessions, type Session } from './session.js'

/** The program that counts itself in each of these recipes. */
const SERVER = 'mcp-server-everything'
const COUNT = 6
/** Requests of one session that are under way at once. */
const CALLS = 5

/** Whether `run` becomes its command under a Node. */
const hasExecve = (node: string): boolean => execFileSync(node, ['-p', 'typeof process.execve'], { encoding: 'utf8' }).trim() === 'function'

const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')

/** Nothing else looks like the server: what wraps it names it, too, and is another program. */
const serversIn = (home: Home): number =>
  home.found().filter(({ commandLine }) => /bin\/mcp-server-everything( streamableHttp)?$/.test(commandLine)).length

/** Every session asks at once, several times, with ids that are the same in all of them. */
export const ownAnswers = async (t: Test, sessions: readonly Session[], what: string): Promise<void> => {
  const asked = sessions.flatMap((session) => Array.from({ length: CALLS }, (_, call) => ({ session, message: `${session.pid}.${call}` })))
  const answers = await Promise.all(asked.map(({ session, message }) => session.call('echo', { message })))
  t.same(answers, asked.map(({ message }) => `Echo: ${message}`), what)
}

export const overStdio = async (t: Test, node: string, entry: Entry, rows?: Memory[]): Promise<void> => {
  const home = openHome(t, node, [SERVER])
  const isWrapped = entry.args.join(' ').includes('mcp-proxy')
  const sessions = await openSessions(home, entry, COUNT)
  t.equal(home.begun(SERVER), 1, 'one server has begun', { logs: logsOf(home) })
  t.equal(serversIn(home), 1, 'and one is there')
  await ownAnswers(t, sessions, 'each session gets its own answers')
  if (hasExecve(node)) {
    for (const { pid } of sessions) t.match(commandOf(pid), /mcp-remote http:/, 'a session is its bridge, and nothing beside it')
  }
  rows?.push(measure(`${isWrapped ? 'server-everything behind mcp-proxy' : 'server-everything over HTTP'}, mcp-remote before it`, home.found()))
  const environments = await Promise.all(sessions.map((session) => session.call('get-env')))
  const whose = new Set(environments.map((text) => (JSON.parse(text) as { SESSION: string }).SESSION))
  t.equal(whose.size, 1, 'the environment of one session is the environment of all')
  if (isWrapped) {
    const unshared = await openSession(home, { command: SERVER, args: [] }, 0)
    t.ok((await unshared.tools()).includes('get-roots-list'), 'a server of its own asks for roots')
    await unshared.close()
    for (const session of sessions) t.notOk((await session.tools()).includes('get-roots-list'), 'and a shared one cannot')
  }
  const before = home.begun(SERVER)
  process.kill(sessions[0]!.pid, 'SIGKILL')
  await ownAnswers(t, sessions.slice(1), 'the others go on after one was killed')
  await Promise.all(sessions.slice(1).map((session) => session.close()))
  await home.empty('everything to end after the last session')
  t.equal(home.begun(SERVER), before, 'no other server has begun')
}

/** How hosts end what has not begun, and what they read in between. */
export const endings = async (t: Test, node: string, entry: Entry): Promise<void> => {
  const home = openHome(t, node, [SERVER])

  const first = openRaw(t, home, entry)
  first.child.stdin!.write(INITIALIZE)
  const answer = await until(() => first.stdout(), 'the answer to what was written before there was a server')
  t.match(JSON.parse(answer), { jsonrpc: '2.0', id: 7, result: { serverInfo: {} } }, 'stdout has the answer, and nothing of ours')
  first.child.stdin!.end()
  await first.ended
  t.equal(first.stdout().trim().split('\n').length, 1, 'and nothing at the end')
  await home.empty('the server to end')

  const closed = openRaw(t, home, entry)
  closed.child.stdin!.end()
  await closed.ended
  t.equal(closed.stdout(), '', 'a closed stdin ends a session that has no server yet')
  await home.empty('its server to end')

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const begun = home.begun(SERVER)
    const signalled = openRaw(t, home, entry)
    await slowly(() => home.begun(SERVER) > begun, 'the server to begin')
    signalled.child.kill(signal)
    await signalled.ended
    t.equal(signalled.stdout(), '', `${signal} leaves stdout clean`)
    const next = await openSession(home, entry, 1)
    await ownAnswers(t, [next], 'and the next session has a server')
    await next.close()
    await home.empty('everything to end')
  }

  const wrapped = await openSession(home, entry, 0)
  const inner = home.found().find(({ commandLine }) => commandLine.endsWith('bin/mcp-server-everything'))!
  process.kill(inner.pid, 'SIGKILL')
  await until(() => wrapped.call('echo', { message: 'x' }).then((text) => /not connected/i.test(text), (error: Error) => /not connected/i.test(error.message)),
    'a call to say that the wrapped server is dead')
  const { child } = openRaw(t, home, { command: 'one-server', args: ['stop', 'docs', '--quiet'] })
  await new Promise((resolve) => { child.once('exit', resolve) })
  t.equal(child.exitCode, 0, 'it can be stopped')
  const again = await openSession(home, entry, 0)
  await ownAnswers(t, [again], 'and a session that connects again has a server')
  await Promise.all([again.close(), wrapped.close()])
  await home.empty('everything to end')
}

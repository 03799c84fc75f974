/** The same six sessions without one-server, for the table of the recipe, and the two claims that the recipe makes of it. */
import { freemem } from 'node:os'
import type { Test } from 'tap'
import { definitions, typescript } from './languages.js'
import { measure, type Memory } from './memory.js'
import { CACHE, openHome, projectIn } from './place.js'
import { openSession, openSessions, type Session } from './session.js'

const COUNT = 6
/** Bytes that six unshared TypeScripts need, and as much again. */
const ROOM = 10 * 1024 ** 3

export const measuring = async (t: Test, node: string, rows: Memory[]): Promise<void> => {
  const measured = async (what: string, command: string, args: readonly string[], cwd?: string): Promise<Memory> => {
    const home = openHome(t, node, [])
    const sessions = await openSessions(home, { command, args }, COUNT, cwd)
    for (const session of sessions) await session.call('echo', { message: 'x' })
    const row = measure(what, home.found())
    await Promise.all(sessions.map((session) => session.close()))
    await home.empty('the sessions to end')
    rows.push(row)
    return row
  }
  const mbOf = (words: string): number => rows.find(({ what }) => what.startsWith(words))!.mb
  const alone = await measured('server-everything, not shared', 'mcp-server-everything', [])
  const byNpx = await measured('the same by `npx -y`, not shared', 'npx', ['-y', '@modelcontextprotocol/server-everything'], CACHE)
  t.ok(mbOf('server-everything behind mcp-proxy, mcp-remote') > alone.mb, 'behind a bridge for each session a light server costs more than unshared')
  t.ok(mbOf('server-everything behind mcp-proxy, the agents') < alone.mb, 'and less where the agents speak HTTP')
  t.ok(byNpx.mb > alone.mb * 2, 'npx costs more than the server')

  if (freemem() < ROOM) return t.comment(`SKIP six unshared TypeScripts: ${Math.round(freemem() / 1024 ** 2)} MB are free`)
  const home = openHome(t, node, [])
  const project = projectIn(home, typescript())
  const entry = { command: 'cclsp', args: [], env: { CCLSP_CONFIG_PATH: 'cclsp.json' } }
  const sessions: Session[] = []
  // One after the other: 54 processes that boot at once on two cores exceed the patience of cclsp.
  for (let number = 0; number < COUNT; number++) {
    sessions.push(await openSession(home, entry, number, project))
    await definitions(t, sessions.slice(-1), project, 'unshared')
  }
  const row = measure('cclsp with TypeScript, not shared', home.found())
  rows.push(row)
  t.ok(mbOf('cclsp with TypeScript behind') < row.mb / 2, 'a heavy server costs less than half')
  await Promise.all(sessions.map((session) => session.close()))
}

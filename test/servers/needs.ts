/**
 * The recipe for PostgreSQL of `fixtures/README.md` as it stands there: ready when its own pg_isready says so, and a web server that
 * asks it. Clients come by the command line, as a user who is not root, since PostgreSQL refuses root.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { bareEnv, run, startSpeaking } from '../support/child.js'
import { read } from '../support/pages.js'
import { tempFolder } from '../support/temp-folder.js'
import { binOf, PATH, type Needs } from './install.js'
import { belongTo, killAll } from './machine.js'
import { slowly } from './room.js'

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
const NOBODY = 65534
const CLIENTS = 5

export const needs: Needs = { program: ['pg_ctl', 'postgresql'], npm: ['pg@8'], user: 'other' }

/** Recovery from an archive of nothing: the port is open for two seconds in which PostgreSQL lets nobody in. */
const SLOW = `hot_standby = off
restore_command = 'sleep 1; exit 1'`

/** Stands before a program in the PATH: what is written down and done besides, and the program itself. */
const before = (text: string): string => `#!/bin/sh\nPATH=\${PATH#*:}\n${text}\n`

const PROGRAMS = {
  initdb: before(`initdb "$@" && echo "${SLOW}" >>data/postgresql.conf && touch data/recovery.signal`),
  postgres: before('echo db >>runs\nexec postgres "$@"'),
}

/** It asks the database before it listens, once for each request, and once more when it is stopped: its last answer is in the ledger. */
const API = (pg: string): string => `const { Client } = require(${JSON.stringify(pg)})
const { appendFileSync } = require('node:fs')
appendFileSync('runs', 'api\\n')
const db = new Client(process.env.DATABASE_URL)
const answer = async () => String((await db.query('SELECT 6 * 7 AS answer')).rows[0].answer)
db.connect().then(answer).then(() => {
  const server = require('node:http').createServer(async (_, response) => response.end(await answer()))
  server.listen(process.env.PORT, '127.0.0.1')
  process.on('SIGTERM', async () => {
    appendFileSync('runs', 'stopped ' + (await answer()) + '\\n')
    process.exit(0)
  })
})
`

const recipe = (): string => read('fixtures/README.md').blocks.find(({ name }) => name === 'PostgreSQL jsonc 1')!.text

const CLIENT = `fetch(process.env.ONE_SERVER_URL).then((answer) => answer.text())
  .then((text) => console.log(text, process.env.ONE_SERVER_URL, process.env.ONE_SERVER_URL_DB))`

export const tellOfNeeds = async (t: Test): Promise<void> => {
  const folder = tempFolder(t)
  t.teardown(() => killAll(folder, []))
  const files = {
    'api.cjs': API(join(binOf(needs.npm), '../pg')), 'client.cjs': CLIENT, 'one-server.config.json': recipe(),
    'bin/initdb': PROGRAMS.initdb, 'bin/postgres': PROGRAMS.postgres,
  }
  mkdirSync(join(folder, 'bin'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o755 })
  chmodSync(folder, 0o755)
  const isRoot = process.getuid?.() === 0
  if (isRoot) execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, folder])
  const options = {
    cwd: folder, env: { ...bareEnv(), HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state'), PATH: `${join(folder, 'bin')}:${PATH}` },
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  }
  const cli = (...words: string[]) => run(t, process.execPath, [CLI, ...words], options)
  const TIMES = ['--timeout', '120s', '--idle-timeout', '0']
  const client = (more: readonly string[] = []) => cli('run', 'api', ...TIMES, '--quiet', ...more, '--', 'node', 'client.cjs')
  const runs = (): string[] => readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n')
  const gone = (): Promise<unknown> => slowly(() => belongTo(folder, []).length === 0, 'both servers and their watchdogs to end')

  const ended = await Promise.all(Array.from({ length: CLIENTS }, () => client()))
  for (const one of ended) t.match(one, { code: 0, stdout: /^42 http:\S+ tcp:\S+\n$/, stderr: '' }, 'a client has its answer')
  t.equal(new Set(ended.map(({ stdout }) => stdout)).size, 1, `${CLIENTS} clients at once that need both have the same two servers`)
  await gone()
  t.same(runs(), ['db', 'api', 'stopped 42'], 'the database was there before the web server, and still there when that ended')

  const held = startSpeaking(t, process.execPath, [CLI, 'hold', 'api', ...TIMES, '--quiet'], options)
  await held.line()
  const states = async (): Promise<string[]> => {
    const { stdout } = await cli('status', 'db,api', '--json')
    return (JSON.parse(stdout) as { servers: { name: string; state: string; leases: unknown[] }[] }).servers
      .map(({ name, state, leases }) => `${name} ${state} ${leases?.length ?? 0}`)
  }
  t.same(await states(), ['db ready 1', 'api ready 1'], 'a lease on each')
  t.match(await client(), { code: 0, stdout: /^42 / })
  t.same(await states(), ['db ready 1', 'api ready 1'], 'and each is there while one client is left')
  t.match(await cli('stop', 'db,api'), { code: 0 })
  t.same(runs().slice(-3), ['db', 'api', 'stopped 42'], 'a stop of both ends the web server first, whatever the order of the words')
  held.child.kill('SIGKILL')
  await gone()
  t.equal(await cli('status', 'db').then(({ code }) => code), 3)
  const ready = ['--ready', 'cmd:pg_isready -q -h 127.0.0.1 -p {port}']
  const refused = await cli('start', 'db', ...ready, '--timeout', '2s', '--quiet', '--', 'sleep', '600')
  t.match(refused, { code: 4, stderr: /pg_isready/ }, 'a readiness command that never exits with 0 is named')
  await gone()
}

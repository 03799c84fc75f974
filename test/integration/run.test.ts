/**
 * The jobs of a `make -j8` share one server, and none of them knows of the others: it is started once,
 * outlives all but the last of them, and goes with it, however they and make end.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PROGRAM, watched } from '../cli/command-line.js'
import { inTerminal, noTerminal } from '../cli/terminal.js'
import { fixture, isAlive, now, place, type Place } from '../support/clients.js'
import { gone, holdsOf } from '../support/holders.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { joinWords } from '../../lib/text/shell-words.js'

const IDLE = 300
const SOON = IDLE + 1000

const version = spawnSync('make', ['--version'], { encoding: 'utf8' }).stdout ?? ''
const skip = version.includes('GNU Make') ? {} : { skip: 'GNU make is not installed' }

/** A folder in which `make` runs these jobs, each the text of a shell program that is a client of one server. */
const makefile = (here: Place, jobs: readonly string[]): { cwd: string; env: Record<string, string> } => {
  const run = joinWords([...PROGRAM, 'run', '--pid-file', here.pidFile, '--port', 'auto', '--idle-timeout', `${IDLE}ms`, '--timeout', '1m', '--script', fixture('healthy'), '--quiet', '--'])
  const names = jobs.map((_, index) => `job${index + 1}`)
  const rules = jobs.map((job, index) => `job${index + 1}:\n\t@${run} sh -c ${joinWords([job]).replaceAll('$', '$$$$')}\n`)
  writeFileSync(join(here.folder, 'Makefile'), `all: ${names.join(' ')}\n.PHONY: all ${names.join(' ')}\n${rules.join('')}`)
  return { cwd: here.folder, env: { ...here.env, LEDGER: join(here.folder, 'ledger'), LC_ALL: 'C' } }
}

const lines = (text: string): string[] => text.split(/\r?\n/).filter((line) => line !== '')

/** The end of the last job has been seen: by the time that the idle time allows, the server has ended, too, and was the only one. */
const goesWith = async (t: Test, here: Place, last: number): Promise<void> => {
  await gone(here)
  const [stopped] = here.ledger().filter(({ event }) => event === 'stop')
  within(t, (stopped?.at ?? Infinity) - last, SOON, 'it ended soon after the last job')
  t.equal(here.starts().length, 1, 'one server was started')
  await until(() => readdirSync(here.folder).every((name) => /^(Makefile|fifo|ledger|s\.log)$/.test(name)), 'the state to go')
}

t.test('eight jobs, some of which fail', skip, async (t) => {
  const here = place(t)
  const fifo = join(here.folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const job = (number: number): string => `echo "out ${number} $ONE_SERVER_URL"; echo "err ${number}" >&2; ${number === 8 ? 'read word <fifo; ' : ''}exit ${number % 3 === 0 ? number : 0}`
  const { child, ended, prints } = watched(spawn('make', ['--keep-going', '-j8'], { ...makefile(here, [1, 2, 3, 4, 5, 6, 7, 8].map(job)), stdio: ['ignore', 'pipe', 'pipe'] }))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((number) => prints(`out ${number} `)))
  // And what watched over the server for them has looked and left it to the eighth.
  await until(() => holdsOf(here, 'watch').length === 1 && holdsOf(here, 'lease').length === 1, 'seven jobs to let go')
  const [{ pid, port } = { pid: 0, port: 0 }] = here.starts()
  t.ok(isAlive(pid), 'it outlives all but the last')
  closeSync(openSync(fifo, 'w'))
  const { code, stdout, stderr } = await ended
  const last = now()
  t.equal(code, 2)
  t.same(lines(stdout).toSorted(), [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `out ${number} http://localhost:${port}`))
  t.same(lines(stderr).filter((line) => line.startsWith('err')).toSorted(), [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `err ${number}`))
  t.same([...stderr.matchAll(/\*\*\* \[.*: (job\d)\] Error (\d+)/g)].map((match) => match.slice(1).join(' ')).toSorted(), ['job3 3', 'job6 6'])
  await goesWith(t, here, last)
})

/** Ready, until a signal ends it. */
const patient = (number: number): string =>
  `end() { kill $!; echo "$1 ${number}"; exit 4$2; }; trap 'end INT 2' INT; trap 'end TERM 3' TERM; sleep 60 & echo "ready ${number}"; wait`

for (const [signal, code] of [['INT', 42], ['TERM', 43]] as const) {
  t.test(`make is interrupted by SIG${signal}`, { ...skip, ...(signal === 'INT' && noTerminal ? { skip: noTerminal } : {}) }, async (t) => {
    const here = place(t)
    const at = makefile(here, [1, 2].map(patient))
    // SIGINT by Ctrl-C, since make leaves it to the terminal to tell its jobs; SIGTERM it passes on itself.
    const terminal = signal === 'INT' ? inTerminal(t, 'exec make -j8', at) : undefined
    const { child, ended, prints } = terminal ?? watched(spawn('make', ['-j8'], { ...at, stdio: ['ignore', 'pipe', 'pipe'] }))
    await Promise.all([1, 2].map((number) => prints(`ready ${number}`)))
    if (terminal === undefined) child.kill('SIGTERM')
    else terminal.type('\u0003')
    const { stdout, stderr } = await ended
    const last = now()
    t.same(lines(stdout).filter((line) => /(INT|TERM) \d$/.test(line)).map((line) => line.slice(-(signal.length + 2))).toSorted(), [1, 2].map((number) => `${signal} ${number}`), 'each was told once')
    // Not how often: when both end at once on a Ctrl-C, make itself may miss one ("wait: No child processes").
    t.same([...new Set([...(stdout + stderr).matchAll(/\[.*: job\d\] Error (\d+)/g)].map((match) => Number(match[1])))], [code])
    await goesWith(t, here, last)
  })
}

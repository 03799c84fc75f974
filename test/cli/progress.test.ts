/**
 * Words about waiting: one line for each new thing that is waited for, none for a call that need not
 * wait, none when asked to be quiet; and at a terminal a spinner, in nobody's way when the wait was short.
 */
import { Writable } from 'node:stream'
import t from 'tap'
import type { OneServerEvent } from '../../lib/events.js'
import { Output } from '../../lib/cli/output.js'
import { Progress } from '../../lib/cli/progress.js'

const launchId = 'a'

const recorded = ({ quiet = false, isTTY = false, env = {} as NodeJS.ProcessEnv, columns = 80 } = {}) => {
  const record = { text: '' }
  const stderr = Object.assign(new Writable({ write: (chunk, _, done) => { record.text += chunk; done() } }), {
    isTTY, columns, cursorTo: () => true, clearLine: () => true, moveCursor: () => true,
  })
  const stdout = new Writable({ write: (_chunk, _, done) => done() })
  const output = new Output({ stdout, stderr, env, signal: new AbortController().signal }, { json: false, quiet })
  return { record, progress: new Progress(output), output, stderr }
}

const COLD: OneServerEvent[] = [
  { at: 1, type: 'waiting', for: 'lock' },
  { at: 2, type: 'waiting', for: 'lock' },
  { at: 3, type: 'stale-removed', path: '/p' },
  { at: 4, type: 'spawned', pid: 7, port: 3000, launchId },
  { at: 5, type: 'claimed', pid: 7, port: 3000, launchId },
  { at: 6, type: 'waiting', for: 'health', url: 'http://127.0.0.1:3000/api/health', pid: 7 },
  { at: 7, type: 'ready', url: 'http://127.0.0.1:3000', pid: 7, launchId },
]

t.test('lines, each once', async (t) => {
  const { record, progress } = recorded()
  COLD.forEach(progress.onEvent)
  t.equal(record.text, `\
one-server: waiting for another client to release the lock
one-server: removed what was left behind: /p
one-server: starting the server on port 3000 (PID 7)
one-server: waiting for the health check of http://127.0.0.1:3000/api/health
`)
})

t.test('a follower', async (t) => {
  const { record, progress } = recorded()
  progress.onEvent({ at: 1, type: 'withdrawn', pid: 8, launchId })
  progress.onEvent({ at: 2, type: 'waiting', for: 'launch', pid: 7 })
  progress.onEvent({ at: 3, type: 'waiting', for: 'health', pid: 7 })
  t.equal(record.text, 'one-server: another client was first; following its launch\none-server: waiting for the launch of another client (PID 7)\none-server: waiting for the health check (PID 7)\n')
})

t.test('a server that runs already is not worth a word', async (t) => {
  const { record, progress } = recorded()
  progress.onEvent({ at: 1, type: 'reused', url: 'http://127.0.0.1:3000', pid: 7, adopted: false })
  t.equal(record.text, '')
})

t.test('what a stop removes was not left behind', async (t) => {
  const { record, progress } = recorded()
  progress.onEvent({ at: 1, type: 'stopped', pid: 7, launchId })
  progress.onEvent({ at: 2, type: 'stale-removed', path: '/p' })
  t.equal(record.text, '')
})

t.test('quiet', async (t) => {
  const { record, progress } = recorded({ quiet: true, isTTY: true })
  COLD.forEach(progress.onEvent)
  t.equal(record.text, '')
})

for (const [why, env] of [['TERM=dumb', { TERM: 'dumb' }], ['CI', { CI: 'true' }]] as const) {
  t.test(`a terminal with ${why} gets lines`, async (t) => {
    const { record, progress } = recorded({ isTTY: true, env })
    progress.say('a')
    t.equal(record.text, 'one-server: a\n')
  })
}

t.test('at a terminal: nothing for a short wait, not even later', async (t) => {
  const { record, progress } = recorded({ isTTY: true })
  progress.say('a')
  progress.end()
  progress.say('b')
  t.equal(record.text, '')
})

t.test('at a terminal: a text that fits in one line, taken away at the end', async (t) => {
  const { record, progress, stderr } = recorded({ isTTY: true, columns: 50 })
  const shown = new Promise<void>((resolve) => {
    const write = stderr.write.bind(stderr)
    stderr.write = ((chunk: string, ...rest: []) => {
      const result = write(chunk, ...rest)
      if (record.text.includes('…')) resolve()
      return result
    }) as typeof stderr.write
  })
  progress.say('x'.repeat(60))
  await shown
  progress.end()
  t.match(record.text, `${'x'.repeat(46)}…`)
  t.notMatch(record.text, 'x'.repeat(47))
})

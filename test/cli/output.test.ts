/**
 * stdout is for results, stderr for words; colour only where a person sees it; and a reader that went
 * away is no failure, while a result that could not be written is one.
 */
import { Writable } from 'node:stream'
import t from 'tap'
import { Output } from '../../lib/cli/output.js'

const sink = (more: object = {}): Writable & { text: string } => {
  const stream: Writable & { text: string } = Object.assign(
    new Writable({ write: (chunk, _, done) => { stream.text += chunk; done() } }),
    { text: '', ...more },
  )
  return stream
}

const output = (stdout: Writable, stderr: Writable, env: NodeJS.ProcessEnv = {}, quiet = false): Output =>
  new Output({ stdout, stderr, env, signal: new AbortController().signal }, { json: false, quiet })

t.test('a document has a version, one line, and null for what is absent', async (t) => {
  const stdout = sink()
  await output(stdout, sink()).document({ pid: undefined, since: new Date(0), leases: [] })
  t.equal(stdout.text, '{"schemaVersion":1,"pid":null,"since":"1970-01-01T00:00:00.000Z","leases":[]}\n')
})

t.test('colour', async (t) => {
  const tty = sink({ isTTY: true })
  t.equal(output(tty, sink()).paint('green', 'ready'), '\u001B[32mready\u001B[0m')
  t.equal(output(tty, sink(), { NO_COLOR: '1' }).paint('green', 'ready'), 'ready')
  t.equal(output(tty, sink(), { TERM: 'dumb' }).paint('green', 'ready'), 'ready')
  t.equal(output(sink(), tty).paint('green', 'ready'), 'ready', 'it is stdout that counts')
})

const broken = (code: string): Writable => new Writable({ write: (_chunk, _, done) => done(Object.assign(new Error(code), { code })) })

t.test('nobody reads any more', async (t) => {
  const out = output(broken('EPIPE'), sink())
  await out.result('a')
  t.ok(out.closed.aborted)
  await out.result('b')
})

t.test('the result cannot be written', async (t) => {
  await t.rejects(output(broken('ENOSPC'), sink()).result('a'), { code: 'ENOSPC' })
})

t.test('stderr is gone', async () => {
  const stderr = broken('EPIPE')
  const out = output(sink(), stderr)
  out.note('a')
  out.complain('b')
  await new Promise((resolve) => stderr.on('close', resolve))
})

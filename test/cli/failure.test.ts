/**
 * Each way to fail has its exit code, its text with a hint, and the same as data; an interrupt is told
 * as a shell tells it.
 */
import { Writable } from 'node:stream'
import t from 'tap'
import { coordinatorRefused, coordinatorUnreachable, hostUnreachable, noHost } from '../../lib/across/errors.js'
import { fail } from '../../lib/cli/failure.js'
import { Output } from '../../lib/cli/output.js'
import { invalidCombination, lockTimeout, OneServerError, portInUse, serverExited, startTimeout, stateUnusable } from '../../lib/errors.js'

const failed = async (
  error: unknown,
  { json = false, quiet = false, usage = false, interrupted = new AbortController().signal } = {},
): Promise<{ code: number; stdout: string; stderr: string }> => {
  let [out, err] = ['', '']
  const stdout = new Writable({ write: (chunk, _, done) => { out += chunk; done() } })
  const stderr = new Writable({ write: (chunk, _, done) => { err += chunk; done() } })
  const output = new Output({ stdout, stderr, env: {}, signal: interrupted }, { json, quiet })
  const code = await fail(error, output, interrupted, usage)
  return { code, stdout: out, stderr: err }
}

for (const [code, error] of [
  [2, invalidCombination('a', 'b')],
  [4, startTimeout(10, 'waiting', {})],
  [5, serverExited({ exitCode: 1 })],
  [6, portInUse(3000, 'by something', {})],
  [7, lockTimeout(10, '/l')],
  [8, coordinatorUnreachable('etcd at a:2379', 'connection refused')],
  [8, coordinatorRefused('etcd at a:2379', 'user or password is wrong', 'b')],
  [8, hostUnreachable('ci-3', 'http://10.0.0.7:80', 'the connection was refused')],
  [8, noHost('laptop', 'web')],
  [1, stateUnusable('/p', 'a', 'b')],
  [1, new OneServerError('STOPPED', 'a', 'b')],
  [1, new Error('a')],
  [1, 'a'],
] as const) {
  t.test(`${error instanceof OneServerError ? error.code : String(error)} ends with ${code}`, async (t) => {
    t.equal((await failed(error)).code, code)
  })
}

t.test('text: what happened, what to do, the log as it was', async (t) => {
  const long = `${'word '.repeat(30)}end`
  const error = serverExited({ exitCode: 7, logFile: '/log', logTail: `boom\n${long}` })
  const { stdout, stderr } = await failed(error)
  t.equal(stdout, '')
  t.match(stderr, /^one-server: Server exited with code 7 before its health check answered\.\n {2}The last lines of its log \(\/log\):\n {2}\| boom\n/)
  t.match(stderr, `  | ${long}\n`)
  const hint = stderr.slice(stderr.indexOf('  hint: '))
  t.ok(hint.split('\n').every((line) => line.length <= 80), hint)
  t.equal(hint.replace('  hint: ', '').replace(/\n +/g, ' ').trim(), error.hint)
})

t.test('data: the same, and what else is known, and nothing that is not', async (t) => {
  const error = serverExited({ exitCode: 7, logFile: '/log', logTail: 'boom' })
  const { stdout, stderr } = await failed(error, { json: true, quiet: true })
  t.same(JSON.parse(stdout), {
    schemaVersion: 1,
    error: { code: 'SERVER_EXITED', message: error.message, hint: error.hint, exitCode: 7, logFile: '/log', logTail: 'boom' },
  })
  t.equal(stderr, '')
  t.equal((await failed(error, { json: true })).stderr, (await failed(error)).stderr)
})

t.test('a mistake of ours shows where it was made', async (t) => {
  const { stderr } = await failed(new TypeError('x is not a function'))
  t.match(stderr, /^one-server: unexpected: TypeError: x is not a function\n {4}at /)
  t.match(stderr, /\n {2}hint: This is a defect of one-server/)
})

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
  t.test(`${signal} ends with ${code}`, async (t) => {
    const ended = await failed(new OneServerError('ABORTED', 'a', 'b'), { json: true, interrupted: AbortSignal.abort(signal) })
    t.equal(ended.code, code)
    t.match(ended.stderr, `one-server: interrupted by ${signal}\n`)
    t.match(JSON.parse(ended.stdout), { error: { code: 'ABORTED' } })
  })
}

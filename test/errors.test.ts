/**
 * The wording: what happened, what it means and what to do stand in every error, and the log of a
 * server that failed is quoted, since the one who reads the message may not find the file.
 */
import { inspect } from 'node:util'
import t from 'tap'
import * as errors from '../lib/errors.js'
import { OneServerError } from '../lib/errors.js'

t.test('a mismatch names at most five differences, and says what to write instead', async (t) => {
  const names = Array.from({ length: 33 }, (_, index) => `env A${index}: another value`)
  const { message, hint } = errors.configMismatch('/p', names, '', {})
  t.equal(message.split('\n').length, 1 + 5 + 1)
  t.match(message, /env A4: another value\n {2}and 28 more$/)
  t.match(hint, /Name in env only what this server needs/)
  t.notMatch(errors.configMismatch('/p', ['version: runs 1, wanted 2'], '', {}).hint, /Name in env/)
})

t.test('an error is an Error with a code, a hint and its cause', async (t) => {
  const cause = new Error('below')
  const error = new OneServerError('STATE_UNUSABLE', 'what happened', 'what to do', { pid: 7 }, cause)
  t.ok(error instanceof Error)
  t.match(error, { name: 'OneServerError', code: 'STATE_UNUSABLE', message: 'what happened', hint: 'what to do', pid: 7, cause })
  t.match(error.stack, /^OneServerError: what happened\n/)
  t.equal('cause' in new OneServerError('STOPPED', '', ''), false, 'a cause that there is not is not named')
})

t.test('data that does not apply is absent', async (t) => {
  const error = errors.serverExited({ exitCode: 3, logFile: '/l' })
  t.equal(error.exitCode, 3)
  t.notOk('signal' in error, 'signal')
  t.notOk('port' in error, 'port')
  t.notMatch(inspect(error), /undefined/, 'and whoever prints the error is not told about it')
})

t.test('how a server ended is told apart', async (t) => {
  t.match(errors.serverExited({ exitCode: 7 }).message, 'Server exited with code 7 before its health check answered.')
  t.match(errors.serverExited({ signal: 'SIGKILL' }).message, 'Server was ended by SIGKILL before')
  t.match(errors.serverExited({}).message, 'exited (only the client that launched it can learn its exit code, and that client did not record one) before', 'unknown says so')
  t.match(errors.serverExited({ exitCode: 0 }).hint, /foreground/, 'a command that goes into the background exits with 0')
  t.notMatch(errors.serverExited({ exitCode: 1 }).hint, /foreground/)
  t.match(errors.serverExited({ exitCode: 1, logTail: 'no such table' }).hint, /in its log/)
  t.match(errors.serverExited({ exitCode: 1, logTail: '' }).hint, /by hand/, 'nobody is sent to an empty log')
})

t.test('the end of the log is quoted line by line', async (t) => {
  const { message } = errors.serverExited({ exitCode: 1, logTail: 'first\n\nlast', logFile: '/tmp/x.log' })
  t.equal(message, 'Server exited with code 1 before its health check answered.\nThe last lines of its log (/tmp/x.log):\n  | first\n  | \n  | last')
  t.match(errors.serverExited({ exitCode: 1, logTail: '', logFile: '/tmp/x.log' }).message, /\nIts log has no lines: \/tmp\/x\.log$/)
  t.notMatch(errors.serverExited({ exitCode: 1 }).message, /log/, 'no log, no word about one')
})

t.test('a timeout says how long, what was waited for, and what the log says', async (t) => {
  const error = errors.startTimeout(10_000, 'waiting for x', { pid: 5, logFile: '/l', logTail: 'busy' })
  t.match(error, { code: 'START_TIMEOUT', pid: 5, logTail: 'busy' })
  t.equal(error.message, 'Server failed to start within 10000 ms: waiting for x.\nThe last lines of its log (/l):\n  | busy')
})

t.test('a message about an option quotes the option, what it expects and what it got', async (t) => {
  const got = (value: unknown): string => errors.invalidOption('port', 'a port', value).message
  t.equal(got('x"y'), 'port must be a port, got "x\\"y"')
  t.equal(got(undefined), 'port must be a port, got undefined')
  t.equal(got([1, 'a']), 'port must be a port, got [1,"a"]')
  t.equal(got(() => 1), 'port must be a port, got a function')
  t.equal(got(10n), 'port must be a port, got 10')
  t.equal(got(Symbol('s')), 'port must be a port, got Symbol(s)')
  t.equal(got(Number.NaN), 'port must be a port, got NaN', 'a number that JSON does not know')
  t.equal(got(Number.POSITIVE_INFINITY), 'port must be a port, got Infinity')
})

t.test('what the system answered is told in words, with its code', async (t) => {
  const told = (code: string | undefined, message = 'oh'): string =>
    errors.stateUnusable('/p', 'cannot be made', 'h', Object.assign(new Error(message), { code })).message
  t.equal(told('EACCES'), '/p: cannot be made: permission denied (EACCES)')
  t.equal(told('ENOSPC'), '/p: cannot be made: no space left on the device (ENOSPC)')
  t.equal(told('EUNHEARDOF', 'as it came'), '/p: cannot be made: as it came')
  t.equal(errors.stateUnusable('/p', 'is a folder', 'h').message, '/p: is a folder')
  t.equal(errors.stateUnusable('/p', 'w', 'h', 'text').message, '/p: w: text')
})

t.test('a port error names the port in words and as data', async (t) => {
  t.match(errors.portInUse(3000, 'by PID 5', { pid: 5 }), { code: 'PORT_IN_USE', port: 3000, pid: 5, message: 'Port 3000 is in use by PID 5.' })
  t.equal(errors.portInUse(3000, ' and does not pass', {}).message, 'Port 3000 is in use and does not pass.', 'by nobody who is seen')
  t.match(errors.noPortFree([1, 2]), { code: 'PORT_IN_USE', port: 1, message: 'None of the ports 1, 2 is free.' })
})

t.test('an unhealthy server is told with its PID, known or not', async (t) => {
  t.match(errors.serverUnhealthy('http://h', 9, 'busy', { pid: 5 }).message, 'Server at http://h (PID 5) is alive but did not pass its health check for 9 ms: busy.')
  t.match(errors.serverUnhealthy('http://h', 9, 'busy', {}).message, '(PID unknown)')
})

t.test('each error has its code, a whole sentence and a hint', async (t) => {
  const all: [errors.OneServerErrorCode, OneServerError][] = [
    ['INVALID_OPTION', errors.invalidOption('o', 'e', 1)],
    ['INVALID_OPTION', errors.invalidCombination('m', 'A hint.')],
    ['INVALID_OPTION', errors.insideServer('/p')],
    ['START_TIMEOUT', errors.startTimeout(1, 'd', {})],
    ['SERVER_EXITED', errors.serverExited({})],
    ['SERVER_UNHEALTHY', errors.serverUnhealthy('u', 1, 'r', {})],
    ['PORT_IN_USE', errors.portInUse(1, 'w', {})],
    ['PORT_IN_USE', errors.noPortFree([])],
    ['PORT_IN_USE', errors.notOurs(1, 2)],
    ['PORT_IN_USE', errors.readyBeforeStart('It is there', 'A hint.')],
    ['CONFIG_MISMATCH', errors.configMismatch('/p', ['version: runs 1, wanted 2'], '', {})],
    ['STATE_UNUSABLE', errors.notPermitted(1, new Error('no'))],
    ['COMMAND_NOT_FOUND', errors.commandNotFound('w', 'A hint.')],
    ['LOCK_TIMEOUT', errors.lockTimeout(5, '/p.lock')],
    ['STATE_UNUSABLE', errors.stateUnusable('/p', 'w', 'A hint.')],
    ['STATE_NEWER', errors.stateNewer('/p')],
    ['STOPPED', errors.stopped({})],
    ['ABORTED', errors.aborted('why')],
  ]
  for (const [code, error] of all) {
    t.equal(error.code, code)
    t.match(error.hint, /\.$/, `${code}: ${error.hint}`)
    t.not(error.message, '', code)
  }
  t.match(errors.lockTimeout(5, '/p.lock').message, /\/p\.lock for the 5 ms/)
  t.match(errors.stateNewer('/p').message, /^\/p was written by a newer version/)
  t.match(errors.insideServer('/p').message, '/p')
  t.equal(errors.aborted('why').cause, 'why')
})

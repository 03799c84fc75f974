/**
 * The funnel: what comes out is frozen and whole, and what does not go in is refused by a message that
 * names the option, what it expects and what it got. Nobody below it validates again, so whatever would
 * break a step further down must be refused here.
 */
import { join, resolve } from 'node:path'
import t from 'tap'
import { OneServerError } from '../../lib/errors.js'
import type { ClientProcessManagerOptions } from '../../lib/options/options.js'
import { parseDuration, parsePort } from '../../lib/options/parse.js'
import { settingsFrom } from '../../lib/options/settings.js'

const HOME = { HOME: '/home/a' }

const refusal = (options: unknown): string => {
  try {
    settingsFrom(options as ClientProcessManagerOptions, HOME)
  } catch (error) {
    if (error instanceof OneServerError && error.code === 'INVALID_OPTION') return error.message
    throw error
  }
  throw new Error(`accepted: ${JSON.stringify(options)}`)
}

t.test('with no options, everything has its default', async (t) => {
  const { given, spread, ...settings } = settingsFrom({}, HOME)
  t.same([...given, ...spread], [])
  t.same(settings, {
    pidFile: '/home/a/.omega-session-server.pid', logFile: '/home/a/.omega-session-server.log',
    serverScript: undefined, command: undefined, cwd: process.cwd(), env: {}, inheritEnv: true,
    port: { kind: 'fixed', port: 3000 }, host: 'localhost', healthPath: '/api/health', healthUrl: undefined, healthHeaders: {},
    healthMatch: undefined, reuseExisting: true, ready: undefined, version: undefined, onMismatch: 'error',
    startupTimeout: 10_000, healthCheckInterval: 200, healthTimeout: 500, stopSignal: 'SIGTERM', stopTimeout: 5000,
    idleTimeout: 30_000, onEvent: undefined, name: undefined,
    coordinator: undefined, advertise: undefined, listen: undefined, mayHost: true, ttl: 15_000,
  })
  t.same(settingsFrom(undefined, HOME), settingsFrom({}, HOME))
})

t.test('an option that is undefined is one that was not given', async (t) => {
  const { given, port } = settingsFrom({ port: undefined, stopTimeout: 1 } as unknown as ClientProcessManagerOptions, HOME)
  t.same([...given], ['stopTimeout'])
  t.same(port, { kind: 'fixed', port: 3000 })
})

t.test('what comes out cannot be changed, neither through it nor through what went in', async (t) => {
  const command = ['node', 'a.js']
  const env: Record<string, string> = { A: '1' }
  const settings = settingsFrom({ name: 'x', command, env, port: [1, 2], healthHeaders: { a: 'b' }, inheritEnv: ['PATH'] }, HOME)
  for (const value of [settings, settings.command, settings.env, settings.port, settings.healthHeaders, settings.inheritEnv]) t.ok(Object.isFrozen(value))
  command.push('more')
  env['B'] = '2'
  t.same(settings.command, ['node', 'a.js'])
  t.same(settings.env, { A: '1' })
})

t.test('paths are made absolute once', async (t) => {
  const settings = settingsFrom({ pidFile: 'a/s.pid', serverScript: 's.js', cwd: 'c', logFile: 'l.log' }, HOME)
  t.match(settings, { pidFile: resolve('a/s.pid'), serverScript: resolve('s.js'), cwd: resolve('c'), logFile: resolve('l.log') })
})

t.test('the log lies beside the PID file', async (t) => {
  t.equal(settingsFrom({ pidFile: '/a/s.pid' }, HOME).logFile, '/a/s.log')
  t.equal(settingsFrom({ pidFile: '/a/s.lock' }, HOME).logFile, '/a/s.lock.log')
  t.equal(settingsFrom({ pidFile: '/a.pid/s' }, HOME).logFile, '/a.pid/s.log')
})

t.test('a name is a PID file in the state folder', async (t) => {
  t.equal(settingsFrom({ name: 'web-1.dev_x' }, { ...HOME, ONE_SERVER_STATE_DIR: '/state' }).pidFile, '/state/web-1.dev_x.pid')
  t.equal(settingsFrom({ name: 'web' }, HOME).pidFile, '/home/a/.local/state/one-server/web.pid')
  t.equal(settingsFrom({ name: 'web' }, { ONE_SERVER_STATE_DIR: 'rel' }).pidFile, join(process.cwd(), 'rel', 'web.pid'))
  for (const name of ['', '.', '..', 'a/b', '-x', '.hidden', 'a b', 'ä', 'x'.repeat(101), 5, null]) {
    t.match(refusal({ name }), /^name must be letters, digits, .* got /, String(name))
  }
  t.equal(settingsFrom({ name: 'x'.repeat(100) }, { ONE_SERVER_STATE_DIR: '/s' }).pidFile, `/s/${'x'.repeat(100)}.pid`)
})

t.test('options that contradict each other are refused together', async (t) => {
  t.equal(refusal({ name: 'x', pidFile: '/x' }), 'name and pidFile exclude each other')
  t.equal(refusal({ command: ['x'], serverScript: 'y', name: 'z' }), 'command and serverScript exclude each other')
  t.equal(refusal({ command: ['x'] }), 'command needs name or pidFile')
  t.equal(refusal({ prot: 3000 }), 'unknown option "prot"')
  t.equal(refusal(null), 'options must be an object, got null')
  t.equal(refusal('x'), 'options must be an object, got "x"')
})

t.test('durations are ms or a number with a unit', async (t) => {
  const cases: [unknown, number][] = [
    [0, 0], [1500, 1500], [1.4, 1], ['250', 250], ['250ms', 250], ['30s', 30_000], ['1.5s', 1500], ['2m', 120_000], ['1h', 3_600_000], [' 5s ', 5000], [2 ** 31 - 1, 2 ** 31 - 1],
  ]
  for (const [value, ms] of cases) t.equal(parseDuration('d', value), ms, String(value))
  for (const value of ['', 'banana', '5 s', '-1s', '1e3', 's', '5d', -1, Number.NaN, Number.POSITIVE_INFINITY, null, true, [5], {}]) {
    t.throws(() => parseDuration('stopTimeout', value), { code: 'INVALID_OPTION', message: /^stopTimeout must be a number of milliseconds, or a string such as .* got / }, String(value))
  }
  for (const value of [2 ** 31, '600h']) t.throws(() => parseDuration('d', value), { message: /^d must be at most 2147483647 ms \(24 days\), got / })
  t.throws(() => parseDuration('d', 0, 1), { message: 'd must be a number of milliseconds of at least 1, or a string such as \'500ms\', \'30s\' or \'2m\', got 0' })
})

t.test('each duration goes through the same door', async (t) => {
  for (const option of ['startupTimeout', 'healthCheckInterval', 'healthTimeout', 'stopTimeout', 'idleTimeout'] as const) {
    t.match(settingsFrom({ [option]: '2s' }, HOME), { [option]: 2000 })
    t.match(refusal({ [option]: 'soon' }), new RegExp(`^${option} must be .* got "soon"$`))
  }
  for (const option of ['startupTimeout', 'healthCheckInterval', 'healthTimeout']) t.match(refusal({ [option]: 0 }), new RegExp(`^${option} must be .*at least 1`))
  t.equal(settingsFrom({ stopTimeout: 0 }, HOME).stopTimeout, 0, 'SIGKILL at once may be wanted')
})

t.test('a port is a number, a list or left to us', async (t) => {
  t.same(parsePort('p', 3000), { kind: 'fixed', port: 3000 })
  t.same(parsePort('p', '3000'), { kind: 'fixed', port: 3000 })
  t.same(parsePort('p', 65_535), { kind: 'fixed', port: 65_535 })
  t.same(parsePort('p', [1, '2']), { kind: 'list', ports: [1, 2] })
  t.same(parsePort('p', '1,2'), { kind: 'list', ports: [1, 2] })
  for (const value of ['auto', 0, '0']) t.same(parsePort('p', value), { kind: 'auto' })
  for (const value of [99_999, 65_536, -1, 3000.5, Number.NaN, '', 'x', '3000 ', '1,', [], [0], [3000, 'x'], null, true, {}]) {
    t.throws(() => parsePort('--port', value), { code: 'INVALID_OPTION', message: /^--port must be an integer from 1 to 65535, a list of such, or 'auto', got / }, JSON.stringify(value))
  }
})

t.test('a host is one that a URL can hold', async (t) => {
  t.equal(settingsFrom({ host: '::1' }, HOME).host, '::1')
  t.equal(settingsFrom({ host: '[::1]' }, HOME).host, '::1', 'as it stands in a URL')
  t.equal(settingsFrom({ host: '0.0.0.0' }, HOME).host, '0.0.0.0')
  for (const host of ['', 'a b', 'http://x', 'a/b', 'x\0', 5]) t.match(refusal({ host }), /^host must be /, String(host))
  // Whoever builds the URL of the health check does not look again.
  for (const host of ['256.0.0.1', '1:2', 'localhost:3000', 'fe80::1%eth0', '%zz']) t.match(refusal({ host }), /^host must be /, host)
})

t.test('the health check is a path or a whole URL', async (t) => {
  t.equal(settingsFrom({ healthPath: '/h?x=1' }, HOME).healthPath, '/h?x=1')
  for (const healthPath of ['', 'health', '/a b', '/a\r\nb', 5]) t.match(refusal({ healthPath }), /^healthPath must be /, String(healthPath))
  t.equal(settingsFrom({ healthUrl: 'https://localhost:{port}/h' }, HOME).healthUrl, 'https://localhost:{port}/h')
  for (const healthUrl of ['', 'nonsense', 'ftp://x/', 'localhost:3000/h', '/h', 5]) t.match(refusal({ healthUrl }), /^healthUrl must be /, String(healthUrl))
})

t.test('health headers are such as can be sent', async (t) => {
  t.same(settingsFrom({ healthHeaders: { 'X-Token': 'a b', authorization: 'Bearer x' } }, HOME).healthHeaders, { 'X-Token': 'a b', authorization: 'Bearer x' })
  for (const healthHeaders of [[], 'x', { 'a b': 'c' }, { 'a:': 'c' }, { a: 5 }, { a: 'x\0' }]) t.match(refusal({ healthHeaders }), /^healthHeaders/, JSON.stringify(healthHeaders))
  // Node would throw a TypeError at each health check, in the launcher and in everybody who follows.
  for (const value of ['two\r\nlines', 'a\nb', '\u20ac', undefined]) t.match(refusal({ healthHeaders: { a: value } }), /^healthHeaders\.a must be /, JSON.stringify(value))
})

t.test('a name that is a device of Windows is refused everywhere, whatever its case and extension', async (t) => {
  for (const name of ['con', 'CON', 'Nul', 'aux', 'prn', 'com1', 'LPT9', 'con.pid', 'nul.a.b', 'COM1.x']) t.match(refusal({ name }), /no device of Windows/, name)
  for (const name of ['console', 'con-1', 'com', 'com0', 'com10', 'lpt', 'nuls', 'a.con', 'auxiliary']) t.equal(settingsFrom({ name, command: ['x'] }).given.has('name'), true, name)
})

t.test('names in the environment are such as a shell passes on', async (t) => {
  t.same(settingsFrom({ env: { A_1: 'x', B: undefined } }, HOME).env, { A_1: 'x', B: undefined }, 'undefined removes one')
  t.match(refusal({ env: { 'a.b': 'x' } }), /^env: the name "a\.b" must be a letter or _/)
  t.match(refusal({ env: { '1a': 'x' } }), /^env: the name "1a"/)
  t.match(refusal({ env: { A: 5 } }), /^env\.A must be a string, got 5$/)
  t.match(refusal({ env: { A: 'x\0' } }), /^env\.A must be a string/)
  t.match(refusal({ env: ['A=1'] }), /^env must be an object of strings, got \["A=1"\]$/)
})

t.test('what is inherited is all, nothing or a list of names', async (t) => {
  t.equal(settingsFrom({ inheritEnv: false }, HOME).inheritEnv, false)
  t.same(settingsFrom({ inheritEnv: ['PATH'] }, HOME).inheritEnv, ['PATH'])
  for (const inheritEnv of ['PATH', [5], 1]) t.match(refusal({ inheritEnv }), /^inheritEnv must be true, false or a list of names, got /)
})

t.test('a command is a list of words, because no shell splits it', async (t) => {
  t.same(settingsFrom({ name: 'x', command: ['node', ''] }, HOME).command, ['node', ''], 'an empty argument is an argument')
  for (const command of ['node a.js', [], [''], ['node', 5], ['node', 'a\0b']]) t.match(refusal({ name: 'x', command }), /^command must be a list such as /, JSON.stringify(command))
})

t.test('the rest is refused by name as well', async (t) => {
  t.match(refusal({ stopSignal: 'SIGNOPE' }), /^stopSignal must be the name of a signal.* got "SIGNOPE"$/)
  t.match(refusal({ stopSignal: 15 }), /^stopSignal must be .* got 15$/)
  t.match(refusal({ onEvent: 'x' }), /^onEvent must be a function, got "x"$/)
  for (const option of ['pidFile', 'serverScript', 'cwd', 'logFile']) {
    for (const value of ['', 5, 'a\0b']) t.match(refusal({ [option]: value }), new RegExp(`^${option} must be `), `${option} ${JSON.stringify(value)}`)
  }
})

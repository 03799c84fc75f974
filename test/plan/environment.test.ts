/** The environment of a server that serves everybody: what belongs to the one client that launched it does not reach it. */
import t from 'tap'
import { environmentFor, leftOut, withLaunchId } from '../../lib/plan/environment.js'
import type { ClientProcessManagerOptions } from '../../lib/options/options.js'
import { settingsFrom } from '../../lib/options/settings.js'

const of = (from: NodeJS.ProcessEnv, options: ClientProcessManagerOptions = {}, isScript = false) => environmentFor(settingsFrom({ pidFile: '/s.pid', ...options }), 4000, isScript, from)
const ADDED = { PORT: '4000', HOST: 'localhost', SESSION_SERVER_PORT: '4000' }

t.test('it inherits, and is told where to listen', async (t) => {
  t.same(of({ PATH: '/bin', HOME: '/h', PORT: '1', HOST: 'x' }), { PATH: '/bin', HOME: '/h', ...ADDED })
  t.same(of({}, { host: '::1' }), { ...ADDED, HOST: '::1' })
})

t.test('a script of Node\'s runs in production, any other command decides for itself', async (t) => {
  t.equal(of({}, {}, true)['NODE_ENV'], 'production')
  t.equal(of({ NODE_ENV: 'test' }, {}, true)['NODE_ENV'], 'test', 'a default overrules nobody')
  t.equal(of({ NODE_ENV: 'test' }, { inheritEnv: ['PATH'] }, true)['NODE_ENV'], 'production', 'what is not inherited says nothing')
  t.equal(of({ NODE_ENV: 'test' })['NODE_ENV'], 'test')
  t.equal(of({}, { env: { NODE_ENV: 'development' } }, true)['NODE_ENV'], 'development')
})

t.test('env is merged over everything, and undefined removes', async (t) => {
  t.same(of({ A: '1', B: '2' }, { env: { A: '9', B: undefined, C: '', PORT: '5', HOST: undefined } }), { A: '9', C: '', PORT: '5', SESSION_SERVER_PORT: '4000' })
})

t.test('port and host are filled in, as in the command', async (t) => {
  t.match(of({}, { env: { ORIGIN: 'http://{host}:{port}', TWICE: '{port} {port}', URL: '{url}' } }), { ORIGIN: 'http://localhost:4000', TWICE: '4000 4000', URL: '{url}' })
})

t.test('what is inherited can be nothing or a list', async (t) => {
  const from = { PATH: '/bin', HOME: '/h', SECRET: 's' }
  t.same(of(from, { inheritEnv: false }), ADDED)
  t.same(of(from, { inheritEnv: ['PATH', 'MISSING'] }), { PATH: '/bin', ...ADDED })
  t.same(of(from, { inheritEnv: [], env: { A: '1' } }), { A: '1', ...ADDED })
})

t.test('what belongs to the client alone is not inherited', async (t) => {
  const clients = {
    NODE_CHANNEL_FD: '3', NODE_CHANNEL_SERIALIZATION_MODE: 'json', NODE_UNIQUE_ID: '1', NODE_V8_COVERAGE: '/c', ELECTRON_RUN_AS_NODE: '1', ELECTRON_NO_ATTACH_CONSOLE: '1',
    VSCODE_PID: '5', VSCODE_INSPECTOR_OPTIONS: '{}', JB_IDE_PORT: '1', NVIM: '/s', NVIM_LISTEN_ADDRESS: '/s', JEST_WORKER_ID: '1', VITEST_WORKER_ID: '1', TAP: '1', TAP_CHILD_ID: '1',
  }
  t.same(of(clients), ADDED)
  t.same(of(clients, { inheritEnv: Object.keys(clients) }), ADDED, 'not even by name')
  t.equal(of({}, { env: { NODE_CHANNEL_FD: '7' } })['NODE_CHANNEL_FD'], '7', 'but whoever sets it means it')
  const kept = { TAPE: '1', MY_VSCODE_X: '1', NODE_EXTRA_CA_CERTS: '/c', NODE_PATH: '/n', ELECTRON_MIRROR: 'x', NVIM_APPNAME: 'x' }
  t.same(of(kept), { ...kept, ...ADDED }, 'what only looks like it is kept')
})

t.test('of NODE_OPTIONS the debugger is taken out and the rest is kept', async (t) => {
  const cases: [string, string | undefined][] = [
    ['', undefined],
    ['--inspect', undefined],
    ['--inspect-brk=127.0.0.1:9229', undefined],
    ['--inspect=0 --max-old-space-size=4096', '--max-old-space-size=4096'],
    ['--max-old-space-size=4096 --inspect-publish-uid=http', '--max-old-space-size=4096'],
    ['--require /x/js-debug/bootloader.js --enable-source-maps', '--enable-source-maps'],
    ['--require "/a path/js-debug/bootloader.js" -r ./mine.js', '-r ./mine.js'],
    ['--require=/x/js-debug/bootloader.js --require=./mine.js', '--require=./mine.js'],
    ['--import file:///x/node_modules/@tapjs/mock/import.js --import ./mine.js', '--import ./mine.js'],
    ['--loader=/x/node_modules/@tapjs/processinfo/loader.js', undefined],
    ['--require "./my file.js"', '--require "./my file.js"'],
    ['  --trace-warnings   --no-deprecation ', '--trace-warnings --no-deprecation'],
    ['-r', '-r '],
  ]
  for (const [given, kept] of cases) t.equal(of({ NODE_OPTIONS: given })['NODE_OPTIONS']?.trim(), kept?.trim(), given)
})

t.test('substrings of a path are no names: a preload of the server\'s own stays, in whatever folder it lies', async (t) => {
  const kept = [
    '--require /home/me/JetBrainsProjects/shop/.pnp.cjs --loader /home/me/JetBrainsProjects/shop/.pnp.loader.mjs',
    '--require /home/me/tap/.pnp.cjs', '--import file:///home/me/tap/register.mjs', '-r ./tap/setup.js', '--require /srv/@tapjs/own.js',
    '--require /home/me/js-debug-notes/register.js', '--require ./bootloader.js', '--import /srv/my-debugConnector/hook.js',
    '--require /home/me/jetbrains/bootloader.js', '--require /home/me/my-js-debug/bootloader.js', '--require /home/me/tap/node_modules/dotenv/config.js', '--import tap-spec', '--require "/home/my jetbrains/x.js"',
    '--debug-arraybuffer-allocations', '--require /home/me/node_modules/js-debug/tap/x.js',
  ]
  for (const options of kept) t.equal(of({ NODE_OPTIONS: options })['NODE_OPTIONS'], options)
  const dropped = [
    '--require /home/me/.vscode/extensions/ms-vscode.js-debug-1.90.0/src/bootloader.js', '--require "/opt/My Code/ms-vscode.js-debug/src/bootloader.bundle.js"',
    '--require /opt/WebStorm/plugins/nodeJS/js/ide/node-debug/debugConnector.js', '--import @tapjs/mock/import', '--require tap/register', '--loader=@tapjs/processinfo/loader',
    '--import file:///p/node_modules/.pnpm/@tapjs+x@1/node_modules/@tapjs/x/import.mjs', '-r C:\\\\p\\\\node_modules\\\\tap\\\\x.js',
  ]
  for (const options of dropped) t.equal(of({ NODE_OPTIONS: options })['NODE_OPTIONS'], undefined, options)
})

t.test('what was left out of NODE_OPTIONS can be told, where it is inherited', async (t) => {
  const told = (options: ClientProcessManagerOptions = {}) =>
    leftOut(settingsFrom({ pidFile: '/s.pid', ...options }), { NODE_OPTIONS: '--inspect-port 9 -r ./a.js --require=/x/js-debug/bootloader.js' })
  t.equal(told(), '--inspect-port 9 --require=/x/js-debug/bootloader.js')
  t.same([told({ inheritEnv: false }), told({ inheritEnv: ['PATH'] }), told({ env: { NODE_OPTIONS: '' } })], [undefined, undefined, undefined])
  t.equal(leftOut(settingsFrom({ pidFile: '/s.pid' }), { NODE_OPTIONS: '-r ./a.js' }), undefined)
})

t.test('a debugger\'s port that stands as a word of its own goes with its option', async (t) => {
  t.equal(of({ NODE_OPTIONS: '--inspect-port 9230 --trace-warnings' })['NODE_OPTIONS'], '--trace-warnings')
})

t.test('the launch id can be overridden by nothing', async (t) => {
  t.same(withLaunchId(of({ ONE_SERVER_LAUNCH_ID: 'of the client' }, { env: { ONE_SERVER_LAUNCH_ID: 'mine', ONE_SERVER_PID_FILE: '/mine' } }), 'abc', '/s.pid'), { ...ADDED, ONE_SERVER_LAUNCH_ID: 'abc', ONE_SERVER_PID_FILE: '/s.pid' })
})

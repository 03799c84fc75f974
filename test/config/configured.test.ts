/** A config file becomes options of the library, or one line that says which line of it is wrong, and how. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { configured } from '../../lib/config/configured.js'
import { KEYS } from '../../lib/config/keys.js'
import { OneServerError } from '../../lib/errors.js'
import type { ClientProcessManagerOptions } from '../../lib/options/options.js'
import { tempFolder } from '../support/temp-folder.js'

const STATE = '/state'
process.env['ONE_SERVER_STATE_DIR'] = STATE

const write = (t: Test, text: string, name = 'one-server.config.json'): string => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, name), text)
  return folder
}

const servers = (t: Test, value: object): string => write(t, JSON.stringify({ servers: value }))

const refusal = (folder: string, name = 'api', options: ClientProcessManagerOptions = {}): { message: string; hint: string } => {
  try {
    configured(name, options, folder)
  } catch (error) {
    if (error instanceof OneServerError && error.code === 'INVALID_OPTION') return { message: error.message.replace(`${folder}/`, ''), hint: error.hint }
    throw error
  }
  throw new Error('accepted')
}

t.test('a server with nothing said of it lives in the folder of the file', async (t) => {
  const folder = servers(t, { api: {} })
  const { pidFile, ...options } = configured('api', {}, folder)
  t.match(pidFile, /^\/state\/api-[0-9a-f]{8}\.pid$/)
  t.same(options, { cwd: folder, configured: { name: 'api', folder } })
})

t.test('each key is an option, and paths are relative to the file', async (t) => {
  const api = {
    command: ['node', 'a.js'], cwd: 'c', env: { A: '1', B: null }, inheritEnv: ['PATH'], port: [1, 2], host: '::1', health: '/h', healthHeaders: { a: 'b' },
    startupTimeout: '1s', healthCheckInterval: 20, healthTimeout: 30, stopSignal: 'SIGINT', stopTimeout: 0, idleTimeout: '2m', logFile: './l.log', pidFile: '../p.pid',
    healthMatch: 'ok', healthStatus: '200-399', reuseExisting: false, version: '1.2.0', onMismatch: 'reuse', envFile: ['a.env', 'b.env'],
  }
  const across = { coordinator: 'etcd://e:1/x', advertise: 'h:1', listen: '0.0.0.0', mayHost: false, ttl: '20s' }
  const web = { serverScript: 's.ts', health: 'https://localhost:{port}/h' }
  const db = { ready: 'socket:x.sock' }
  t.same(new Set(Object.keys({ ...api, ...web, ...db, ...across })), new Set(KEYS.keys()), 'none is left out here')
  const folder = servers(t, { api, web, db, across })
  for (const name of api.envFile) writeFileSync(join(folder, name), 'A=2\n')
  const { configured: _, ...options } = configured('api', {}, folder)
  t.same(options, {
    command: ['node', 'a.js'], cwd: join(folder, 'c'), env: { A: '1', B: undefined }, inheritEnv: ['PATH'], port: [1, 2], host: '::1', healthPath: '/h', healthHeaders: { a: 'b' },
    startupTimeout: '1s', healthCheckInterval: 20, healthTimeout: 30, stopSignal: 'SIGINT', stopTimeout: 0, idleTimeout: '2m', logFile: join(folder, 'l.log'), pidFile: join(folder, '../p.pid'),
    healthMatch: 'ok', healthStatus: '200-399', reuseExisting: false, version: '1.2.0', onMismatch: 'reuse', envFile: [join(folder, 'a.env'), join(folder, 'b.env')],
  })
  t.ok('B' in options.env!, 'it is said that B goes')
  t.match(configured('across', {}, folder), across)
  t.match(configured('db', {}, folder), { ready: `socket:${join(folder, 'x.sock')}` })
  t.match(configured('db', { healthPath: '/h' }, folder), { ready: undefined, healthPath: '/h' }, 'each tells when it is ready')
  t.match(configured('web', {}, folder), { serverScript: join(folder, 's.ts'), healthUrl: 'https://localhost:{port}/h', cwd: folder })
})

t.test('the state is named after name and real folder', async (t) => {
  const [one, other] = [servers(t, { api: {}, web: {} }), servers(t, { api: {} })]
  const link = join(tempFolder(t), 'link')
  symlinkSync(one, link)
  mkdirSync(join(one, 'sub'))
  const of = (folder: string, name = 'api'): string | undefined => configured(name, {}, folder).pidFile
  t.equal(of(one), of(link))
  t.equal(of(one), of(join(one, 'sub')))
  t.not(of(one), of(other))
  t.equal(of(one)?.replace('api', 'web'), of(one, 'web'))
  t.match(configured('api', {}, link), { cwd: one, configured: { folder: one } })
})

t.test('options come before the file, the env of both adds up', async (t) => {
  const folder = servers(t, { api: { command: ['a'], port: 1, env: { A: '1', B: '1' }, health: '/h' } })
  t.match(configured('api', { port: 2, env: { B: '2' }, healthUrl: 'http://x/' }, folder), { command: ['a'], port: 2, env: { A: '1', B: '2' }, healthPath: undefined, healthUrl: 'http://x/' })
  t.match(configured('api', { serverScript: '/s.js' }, folder), { command: undefined, serverScript: '/s.js' })
  t.match(configured('api', { port: undefined } as unknown as ClientProcessManagerOptions, folder), { port: 1 })
  t.equal(configured('api', { pidFile: '/p' }, folder).pidFile, '/p')
})

t.test('comments and trailing commas, and the same in package.json, where they are not allowed', async (t) => {
  t.match(configured('api', {}, write(t, '\uFEFF// a\n{ "$schema": "x", /* b */ "servers": { "api": { "port": 5, }, }, }\n')), { port: 5 })
  t.match(configured('api', {}, write(t, '{ "name": "x", "one-server": { "servers": { "api": { "port": 5 } } } }', 'package.json')), { port: 5 })
  t.equal(refusal(write(t, '{\n"one-server": { "servers": { "api": { "port": 5, } } } }', 'package.json')).message, 'package.json:2: expected a key in double quotes')
  t.equal(refusal(write(t, '{\n"one-server": {}\n// no\n}', 'package.json')).message, 'package.json:3: comments are not allowed here')
  t.equal(refusal(write(t, '{\n"one-server": {\n"servers": { "api": { "port": "x" } } } }', 'package.json')).message, `package.json:3: one-server.servers.api.port: expected an integer from 1 to 65535, a list of such, or 'auto', got "x"`)
})

/** The line that is meant is the one with `<`, which is taken out. */
const WRONG: [text: string, message: string][] = [
  ['', 'expected a value'],
  ['[]', 'expected an object with servers'],
  ['{\n}', 'expected the key servers'],
  ['{\n<"server": {} }', 'server: unknown key; did you mean servers?'],
  ['{\n<"servers": [] }', 'servers: expected an object of servers by their names'],
  ['{ "servers": {\n<"my api": {} } }', "servers.my api: expected a name of letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 100, and no device of Windows (con, nul, com1, …)"],
  ['{ "servers": {\n<"api": 5 } }', 'servers.api: expected an object'],
  ['{ "servers": { "api": {},\n<"api": {} } }', 'servers.api: stands here a second time'],
  ['{ "servers": { "api": {\n"port": 1,\n<"port": 2 } } }', 'servers.api.port: stands here a second time'],
  ['{ "servers": { "api": { "env": {\n"A": "1",\n<"A": "2" } } } }', 'servers.api.env.A: stands here a second time'],
  ['{ "servers": { "api": {\n<"prot": 1 } } }', 'servers.api.prot: unknown key; did you mean port?'],
  ['{ "servers": { "api": {\n<"frobnicate": 1 } } }', `servers.api.frobnicate: unknown key; expected ${[...KEYS.keys()].join(', ')} or needs`],
  ['{ "servers": { "api": {\n<"constructor": 1 } } }', `servers.api.constructor: unknown key; expected ${[...KEYS.keys()].join(', ')} or needs`],
  ['{ "servers": { "api": {\n\n<"port":\n99999 } } }', "servers.api.port: expected an integer from 1 to 65535, a list of such, or 'auto', got 99999"],
  ['{ "servers": { "api": {\n<"health": "h" } } }', `servers.api.health: expected a path that begins with '/', or a whole URL, got "h"`],
  ['{ "servers": { "api": {\n<"health": "/a b" } } }', `servers.api.health: expected a path that begins with '/', got "/a b"`],
  ['{ "servers": { "api": { "env": {\n"A": "1",\n<"B": 5 } } } }', 'servers.api.env.B: expected a string, got 5'],
  ['{ "servers": { "api": {\n<"env": { "a.b": "1" } } } }', 'servers.api.env: the name "a.b" must be a letter or _, then letters, digits or _ (a POSIX shell drops any other), got "a.b"'],
  ['{ "servers": { "api": { "healthHeaders": {\n<"x": 1 } } } }', 'servers.api.healthHeaders.x: expected a string without line breaks that a header can hold, got 1'],
  ['{ "servers": { "api": {\n<"cwd": "" } } }', 'servers.api.cwd: expected a path, got ""'],
  ['{ "servers": { "api": {\n<"idleTimeout": null } } }', 'servers.api.idleTimeout: expected a value, got null; leave the key out for its default'],
  ['{ "servers": {\n<"api": { "command": ["x"], "serverScript": "y" } } }', 'servers.api: command and serverScript exclude each other'],
  ['{ "servers": {\n<"api" } }', "expected ':'"],
  ['{ "servers": { "api": {}\n<"web": {} } }', "expected ','"],
  ['{ "servers": {}\n}\n<}', 'expected the end of the file'],
  ['{ "servers": { "api": {\n<"command": ["node server.js] } } }', 'a string has no end'],
]

for (const [text, message] of WRONG) {
  t.test(message, async (t) => {
    const line = text.split('<')[0]!.split('\n').length
    t.equal(refusal(write(t, text.replace('<', ''))).message, `one-server.config.json:${text.includes('<') ? line : 1}: ${message}`)
  })
}

t.test('a mistake in one server does not keep another from working', async (t) => {
  t.match(configured('api', {}, servers(t, { api: { port: 5 }, web: { prot: 5 } })), { port: 5 })
})

t.test('no such file, no such server', async (t) => {
  const folder = tempFolder(t)
  t.match(refusal(folder), { message: `there is no one-server.config.json in ${folder} or above it, nor a package.json with the key one-server`, hint: /^Write one: / })
  t.match(refusal(servers(t, { api: {}, web: {} }), 'apo'), { message: 'one-server.config.json: there is no server "apo"; did you mean api?', hint: 'It has api, web.' })
  t.match(refusal(servers(t, {}), 'toString'), { message: 'one-server.config.json: there is no server "toString"', hint: 'It has none.' })
})

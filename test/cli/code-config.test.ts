/** A configuration that is code is run by calls that start servers, and by no other; what is wrong with it is said with its line. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { fromConfig } from '../../lib/index.js'
import { fixture, home, PROGRAM, type Home } from './command-line.js'

/** Writes a config file that notes each time that it is run. */
const configure = (here: Home, name: string, body: string): { runs: () => number } => {
  const log = join(here.folder, 'runs.log')
  writeFileSync(join(here.folder, name), `import { appendFileSync } from 'node:fs'\nappendFileSync(${JSON.stringify(log)}, '.')\n${body}`)
  return { runs: () => (existsSync(log) ? readFileSync(log, 'utf8').length : 0) }
}

const SERVER = `{ command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(fixture('healthy'))}], port: 'auto', env: { A: undefined }, healthMatch: /pid/ }`

/** Types that are erased: Node 20 runs none, Node 22.18 does. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const strips = major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18)

t.test('only what starts a server runs it', async (t) => {
  for (const name of ['one-server.config.mjs', ...(strips ? ['one-server.config.ts'] : [])]) {
    const here = home(t)
    const { runs } = configure(here, name, `export default Promise.resolve({ servers: { api: ${SERVER} } })`)
    for (const args of [['status', 'api'], ['stop', 'api'], ['wait', 'api', '--timeout', '1ms'], ['doctor', 'api'], ['logs', 'api'], ['list']]) await here.run(args)
    t.equal(runs(), 0, 'before there is a server')
    t.match(await here.start(['start', 'api']), { code: 0, stdout: /^http:/ })
    const asked = runs()
    t.ok(asked > 0)
    t.match(await here.run(['status', 'api']), { code: 0, stdout: /^state +ready/m })
    t.match(await here.run(['list', '--named']), { stdout: `api (${here.folder})` })
    t.match(await here.run(['wait', 'api']), { code: 0 })
    t.match(await here.run(['logs', 'api']), { code: 0 })
    t.match(await here.run(['stop', 'api']), { code: 0, stderr: /stopped/ })
    t.equal(runs(), asked, 'nor while one runs')
  }
})

t.test('the library runs it, too, and again when it has changed', async (t) => {
  const here = home(t)
  const file = join(here.folder, 'one-server.config.mjs')
  configure(here, 'one-server.config.mjs', 'export default { servers: { api: {} } }')
  await t.resolves(fromConfig('api', { from: here.folder }))
  await t.rejects(fromConfig('web', { from: here.folder }), { message: `${file}: there is no server "web"` })
  writeFileSync(file, 'export default { servers: { web: { prot: 1 } } } // longer, and later')
  await t.rejects(fromConfig('web', { from: here.folder }), { code: 'INVALID_OPTION', message: `${file}: servers.web.prot: unknown key; did you mean port?` })
})

t.test('what is wrong with it', async (t) => {
  const WRONG: [name: string, text: string, message: RegExp][] = [
    ['one-server.config.mjs', '\n\nexport default {', /config\.mjs(?::\d+)?: it cannot be run: Unexpected end of input/],
    ['one-server.config.mjs', "\nthrow new Error('no')", /config\.mjs:2: it cannot be run: no\n/],
    ['one-server.config.mjs', "import 'no-such-package'", /config\.mjs(?::\d+)?: it cannot be run: Cannot find package 'no-such-package'/],
    ['one-server.config.mjs', 'export const servers = {}', /config\.mjs: expected an object with servers, exported by default/],
    ['one-server.config.mjs', "export default { servers: { api: { pidFile: 'x.pid' } } }", /servers\.api\.pidFile: a configuration that is code cannot say it/],
    ['one-server.config.mjs', "export default { servers: { api: { needs: ['api'] } } }", /servers\.api\.needs: api needs api/],
    ...(strips ? [] : [['one-server.config.ts', 'export default {} as object', /does not run TypeScript; Node 22\.18, 23\.6 and newer do/] as [string, string, RegExp]]),
  ]
  for (const [name, text, message] of WRONG) {
    const here = home(t)
    writeFileSync(join(here.folder, name), text)
    t.match(await here.run(['start', 'api']), { code: 2, stdout: '', stderr: message }, text)
    t.match(await here.run(['status', 'api']), { code: 3 }, 'while a look needs none of it')
  }
})

/** Not as text for people: where that is wrapped depends on the length of the folder's name. */
const refusal = async (here: Home): Promise<string> =>
  (JSON.parse((await here.run(['start', 'api', '--json', '--quiet'])).stdout) as { error: { message: string } }).error.message

t.test('one configuration in a folder, and none that others may replace', async (t) => {
  const here = home(t)
  configure(here, 'one-server.config.mjs', `export default { servers: { api: ${SERVER} } }`)
  writeFileSync(join(here.folder, 'one-server.config.json'), '{ "servers": {} }')
  t.match(await refusal(here), /config\.json: stands beside one-server\.config\.mjs, and only one of them can count/)
  const other = home(t)
  const { runs } = configure(other, 'one-server.config.mjs', `export default { servers: { api: ${SERVER} } }`)
  chmodSync(other.folder, 0o777)
  t.match(await refusal(other), /config\.mjs: is code, in a folder in which every user may replace it/)
  t.equal(runs(), 0)
})

t.test('envFile: below env, below the command line; one that is missing is named, and keeps nobody from stopping', async (t) => {
  const here = home(t)
  const put = (name: string, text: string): void => writeFileSync(join(here.folder, name), text)
  const prints = `require('node:http').createServer((_, answer) => answer.end([process.env.A, process.env.B, process.env.C, process.env.D].join())).listen(process.env.PORT, '127.0.0.1')`
  put('a.env', 'A=file\nB=file\nC=file\n')
  put('b.env', 'C="the later file"\nD=file # a comment\n')
  put('c.env', 'B=line\n')
  put('one-server.config.json', JSON.stringify({ servers: { api: { command: [process.execPath, '-e', prints], port: 'auto', health: '/', envFile: ['a.env', 'b.env'], env: { A: 'env', B: 'env' } } } }))
  const body = async (...more: string[]): Promise<string> => {
    const { stdout } = await here.start(['start', 'api', '--quiet', ...more])
    const text = await (await fetch(stdout.trim())).text()
    await here.run(['stop', 'api'])
    return text
  }
  t.equal(await body(), 'env,env,the later file,file')
  t.equal(await body('--server-env-file', 'c.env'), 'env,line,the later file,file')
  await here.start(['start', 'api', '--quiet'])
  put('b.env', 'C=changed\n')
  t.match(await here.run(['start', 'api']), { code: 1, stderr: /env C: another value/ })
  const { rmSync, mkdirSync } = await import('node:fs')
  rmSync(join(here.folder, 'b.env'))
  t.match(await here.run(['start', 'api']), { code: 2, stderr: `one-server.config.json:1: servers.api.envFile: expected a file that can be read (it does not exist (ENOENT)), got "${join(here.folder, 'b.env')}"` })
  mkdirSync(join(here.folder, 'b.env'))
  t.match(await here.run(['start', 'api']), { code: 2, stderr: '(it is a folder)' })
  t.match(await here.run(['start', 'x', '--server-env-file', 'none.env', '--', 'true']), { code: 2, stderr: '--server-env-file must be a file that can be read' })
  t.match(await here.run(['status', 'api']), { code: 0 })
  t.match(await here.run(['stop', 'api']), { code: 0, stderr: /stopped/ })
})

t.test('the command line tool of the package does the same', async (t) => {
  const here = home(t, [...PROGRAM.slice(0, -1), fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))] as unknown as typeof PROGRAM)
  const { runs } = configure(here, 'one-server.config.mjs', `export default { servers: { api: ${SERVER} } }`)
  t.match(await here.run(['status', 'api']), { code: 3, stderr: '' })
  t.match(await here.start(['start', 'api']), { code: 0, stdout: /^http:/ })
  const asked = runs()
  for (const word of ['status', 'wait', 'logs', 'doctor', 'stop']) t.match(await here.run([word, 'api']), { code: 0 }, word)
  t.equal(runs(), asked)
})

t.test('code that never ends, ends the process, or acts when it is read: an error that names the file, and no success', async (t) => {
  const WRONG: [text: string, message: RegExp][] = [
    ['await new Promise(() => {})', /it cannot be run: it waits for something that never comes/],
    ['export default new Promise(() => {})', /it cannot be run: it waits for something that never comes/],
    ['process.exit(0)', /it cannot be run: it ends the process that runs it/],
    ['process.exitCode = 0; process.reallyExit = undefined; process.exit()', /it cannot be run: it ends the process that runs it/],
    ["export default { get servers() { throw new Error('getter') } }", /:1: it cannot be run: getter/],
    ["export default { servers: { api: new Proxy({}, { ownKeys() { throw new Error('proxy') } }) } }", /:1: it cannot be run: proxy/],
    ['const servers = {}; servers.api = { env: { A: servers } }; export default { servers }', /it cannot be run: servers\.api\.env\.A stands within itself/],
  ]
  for (const [text, message] of WRONG) {
    const here = home(t)
    writeFileSync(join(here.folder, 'one-server.config.mjs'), text)
    t.match(await here.run(['start', 'api']), { code: 2, stdout: '', stderr: message }, text)
  }
})

t.test('code that asks one-server for its own servers', async (t) => {
  const LIBRARY = JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)
  const words = JSON.stringify(PROGRAM.slice(1))
  const WRONG = {
    'in the same process': `import { fromConfig } from ${LIBRARY}\nawait fromConfig('api')\nexport default { servers: {} }`,
    'through the command line': `import { execFileSync } from 'node:child_process'\nexecFileSync('env', [...${words}, 'start', 'api'])`,
    'through a script': `import { execFileSync } from 'node:child_process'
      execFileSync(process.execPath, ['--input-type=module', '-e', \`import { fromConfig } from ${LIBRARY}; await fromConfig('api')\`])`,
  }
  for (const [how, text] of Object.entries(WRONG)) {
    const here = home(t)
    const { runs } = configure(here, 'one-server.config.mjs', text)
    t.match(await here.run(['start', 'api']), { code: 2, stdout: '', stderr: /it asks one-server for a server of its own, which would run it again/ }, how)
    t.ok(runs() <= 2, `${how}: it ran ${runs()} times`)
  }
  const here = home(t)
  configure(here, 'one-server.config.mjs', 'await 1; export default { servers: { api: {} } }')
  await t.resolves(Promise.all(Array.from({ length: 12 }, () => fromConfig('api', { from: here.folder }))), 'calls side by side are no such chain')
  t.notOk(Object.keys(process.env).includes('ONE_SERVER_CONFIG_RUNS'), 'and nothing of it stays')
})

t.test('what the code prints is no result, and signals end it at once', async (t) => {
  const here = home(t)
  configure(here, 'one-server.config.mjs', `console.log('noise'); process.stdout.write('more\\n'); export default { servers: { api: ${SERVER} } }`)
  t.match(await here.start(['start', 'api']), { code: 0, stdout: /^http:\S+\n$/, stderr: /noise\nmore/ })
  t.match(await here.run(['run', 'api', '--quiet', '--', 'echo', 'result']), { code: 0, stdout: /^result\n$/, stderr: /noise/ })
  const LONG = { busy: 'for (;;);', waiting: 'setInterval(() => {}, 1000); await new Promise(() => {})' }
  for (const [how, text] of Object.entries(LONG)) {
    const other = home(t)
    writeFileSync(join(other.folder, 'one-server.config.mjs'), `import { writeSync } from 'node:fs'; writeSync(2, 'runs'); ${text}`)
    const running = other.begin(['start', 'api'])
    await running.prints('runs', 'stderr')
    running.child.kill('SIGINT')
    t.match(await running.ended, { signal: 'SIGINT', stdout: '' }, how)
  }
})

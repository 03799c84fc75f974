/**
 * Several servers by one call: started as their needs allow, found by their names, leased together, stopped in the reverse order. The
 * servers themselves write down when they begin and end.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { entriesOf, type Entry } from '../support/ledger.js'
import { until } from '../support/until.js'
import { allGone, fixture, home, type Home } from './command-line.js'

interface Configured extends Home {
  /** Ledger lines of a server, each with its name. */
  readonly ledger: () => (Entry & { readonly name?: string })[]
}

/** Servers that keep a ledger each, by their names. */
const configure = (here: Home, servers: Record<string, object>): Configured => {
  const whole = Object.fromEntries(Object.entries(servers).map(([name, server]) => {
    const { env, ...more } = server as { env?: object }
    return [name, { command: [process.execPath, fixture('healthy')], port: 'auto', host: '127.0.0.1', stopTimeout: '60s', ...more, env: { LEDGER: join(here.folder, `${name}.ledger`), ...env } }]
  }))
  writeFileSync(join(here.folder, 'one-server.config.json'), JSON.stringify({ servers: whole }, undefined, 1))
  return { ...here, ledger: () => Object.keys(servers).flatMap((name) => entriesOf(join(here.folder, `${name}.ledger`)).map((entry) => ({ ...entry, name }))).toSorted((one, other) => one.at - other.at) }
}

const order = ({ ledger }: Configured, event: string): (string | undefined)[] => ledger().filter((entry) => entry.event === event).map(({ name }) => name)

const PRINTS = "console.log(JSON.stringify(Object.entries(process.env).filter(([name]) => name.startsWith('ONE_SERVER_URL') || name === 'OWN')))"

t.test('run: needs first, all leased, each found by its name, and gone, what needs others first', async (t) => {
  const here = configure(home(t), { web: {}, 'data.base-1': {}, cache: {}, api: { needs: ['data.base-1', 'cache'], stopTimeout: '8s', env: { DB: '{url:data.base-1}', PORT_OF_CACHE: '{port:cache}' } } })
  const call = ['run', 'api,web', '--idle-timeout', '0', '--env', 'OWN={url:web} {port} {url:data.base-1}', '--']
  const { code, stdout, stderr } = await here.run([...call, process.execPath, '-e', PRINTS])
  t.equal(code, 0, stderr)
  const env = Object.fromEntries(JSON.parse(stdout) as [string, string][])
  t.same(Object.keys(env).toSorted(), ['ONE_SERVER_URL', 'ONE_SERVER_URL_API', 'ONE_SERVER_URL_CACHE', 'ONE_SERVER_URL_DATA_BASE_1', 'ONE_SERVER_URL_WEB', 'OWN'])
  t.equal(env['ONE_SERVER_URL'], env['ONE_SERVER_URL_API'], 'the first one has the plain name')
  t.equal(env['OWN'], `${env['ONE_SERVER_URL_WEB']} ${new URL(env['ONE_SERVER_URL']!).port} ${env['ONE_SERVER_URL_DATA_BASE_1']}`)
  t.equal(order(here, 'start').indexOf('api'), Math.max(...['api', 'cache', 'data.base-1'].map((name) => order(here, 'start').indexOf(name))), 'api began after what it needs')
  await allGone(here)
  const stopped = order(here, 'stop')
  t.equal(stopped.length, 4)
  t.ok(stopped.indexOf('api') < Math.min(stopped.indexOf('cache'), stopped.indexOf('data.base-1')), 'api ended before what it needs')
})

t.test('a server finds what it needs in its environment, and a need that has moved is another server', async (t) => {
  const here = configure(home(t), { db: {}, api: { needs: ['db'], env: { OWN_DB: 'at {url:db}' } } })
  here.stopsAtEnd('api,db')
  await here.run(['start', 'api', '--quiet'])
  const status = async (name: string) => JSON.parse((await here.run(['status', name, '--json'])).stdout) as { pid: number; url: string; pinned: boolean }
  const [api, db] = [await status('api'), await status('db')]
  t.ok(api.pinned && db.pinned, 'start pins both')
  if (process.platform === 'linux') {
    const variables = readFileSync(`/proc/${api.pid}/environ`, 'utf8').split('\0')
    for (const one of [`ONE_SERVER_URL_DB=${db.url}`, `OWN_DB=at ${db.url}`]) t.ok(variables.includes(one), one)
  }
  t.match(await here.run(['restart', 'db', '--port', 'auto', '--quiet']), { code: 0 })
  const moved = await status('db')
  const again = await here.run(['start', 'api', '--quiet'])
  if (moved.url === db.url) t.equal(again.code, 0)
  else t.match(again, { code: 1, stderr: /api: The server that runs .*\n.*env ONE_SERVER_URL_DB: another value/s })
})

t.test('stop: what needs another ends before it, whatever the order of the words', async (t) => {
  for (const words of ['top,middle,base', 'base,top,middle', 'base,top']) {
    const here = configure(home(t), { base: {}, middle: { needs: ['base'] }, top: { needs: ['middle'] } })
    here.stopsAtEnd('top,middle,base')
    t.match(await here.run(['start', 'top', '--quiet']), { code: 0, stdout: /^http:\S+\n$/ })
    t.match(await here.run(['stop', words]), { code: 0, stderr: /base: stopped/ })
    const ended = order(here, 'stop')
    t.same(ended, ['top', 'middle', 'base'].filter((name) => words.includes(name)), words)
  }
})

t.test('the kind: so it is where the configuration is code, which stop does not run', async (t) => {
  for (const words of ['top,middle,base', 'base,top,middle', 'base,top']) {
    const here = configure(home(t), { base: {}, middle: { needs: ['base'] }, top: { needs: ['middle'] } })
    const json = join(here.folder, 'one-server.config.json')
    writeFileSync(join(here.folder, 'one-server.config.mjs'), `export default ${readFileSync(json, 'utf8')}`)
    rmSync(json)
    here.stopsAtEnd('top,middle,base')
    t.match(await here.run(['start', 'top', '--quiet']), { code: 0, stdout: /^http:\S+\n$/ })
    t.match(await here.run(['stop', words]), { code: 0, stderr: /base: stopped/ })
    t.same(order(here, 'stop'), ['top', 'middle', 'base'].filter((name) => words.includes(name)), words)
  }
})

t.test('start and status print in the order of the words, and status says that one does not run', async (t) => {
  const here = configure(home(t), { one: {}, other: { needs: ['one'] }, third: {} })
  here.stopsAtEnd('one,other,third')
  const { code, stdout, stderr } = await here.run(['start', 'other,one,other'])
  t.equal(code, 0)
  const { servers } = JSON.parse((await here.run(['start', 'other,one', '--json', '--quiet'])).stdout) as { servers: { name: string; url: string }[] }
  t.same(servers.map(({ name }) => name), ['other', 'one'])
  t.equal(stdout, servers.map(({ url }) => `${url}\n`).join(''), 'a name that stands twice is one server')
  for (const name of ['one', 'other']) t.match(stderr, new RegExp(`^one-server: ${name}: started`, 'm'))
  t.match(await here.run(['status', 'one,other']), { code: 0, stdout: /^name +one\nstate +ready\n[^]*^name +other\nstate +ready\n/m })
  t.match(await here.run(['status', 'one,third,other']), { code: 3 })
})

t.test('a failure says which one and why, and lets the others go', async (t) => {
  const here = configure(home(t), { good: {}, bad: { command: [process.execPath, '-e', 'console.log("no disk"); process.exit(9)'] }, above: { needs: ['bad', 'good'], stopTimeout: '2s' } })
  const { code, stderr, stdout } = await here.run(['run', 'above', '--idle-timeout', '0', '--', process.execPath, '-e', 'console.log("ran")'])
  t.match({ code, stdout }, { code: 5, stdout: '' })
  t.match(stderr, /^one-server: bad: Server exited with code 9 before .*\n.*\n? *\| no disk/m)
  t.same(order(here, 'start').includes('above'), false)
  await until(async () => (await here.run(['status', 'good'])).code === 3, 'the other one to end, since nobody leases it')
  t.match(JSON.parse((await here.run(['start', 'bad,good', '--json', '--quiet'])).stdout), { error: { code: 'SERVER_EXITED', message: /^bad: /, exitCode: 9 } })
  t.match(await here.run(['stop', 'good']), { code: 0 }, 'what start has started stays')
})

t.test('a failure ends the waits for the others, which would be long, and their boots', async (t) => {
  const here = configure(home(t), { slow: { command: [process.execPath, fixture('never-answers')] }, bad: { command: [process.execPath, fixture('dies-at-once')] } })
  here.stopsAtEnd('slow')
  const { child, ended } = here.begin(['run', 'slow,bad', '--timeout', '24h', '--idle-timeout', '0', '--', 'echo', 'ran'])
  await until(() => child.exitCode !== null, 'the run to end')
  t.match(await ended, { code: 5, stdout: '', stderr: /^one-server: bad: Server exited/m })
  await until(async () => (await here.run(['status', 'slow'])).code === 3, 'the slow one to end')
  t.equal(order(here, 'start').length, 2)
})

t.test('mistakes in needs are found before anything starts, with file and line', async (t) => {
  const here = home(t)
  const file = join(here.folder, 'one-server.config.json')
  const WRONG: [servers: string, name: string, message: string][] = [
    ['"a": {\n"needs": ["b"] },\n"b": {\n"needs": ["c"] },\n"c": {\n"needs": ["a"] }', 'a', '7: servers.c.needs: a needs b needs c needs a: a server cannot wait for itself'],
    ['"a": {\n"needs": ["a"] }', 'a', '3: servers.a.needs: a needs a: a server cannot wait for itself'],
    ['"a": {\n"needs": ["dB"] },\n"db": {}', 'a', '3: servers.a.needs: there is no server "dB"; did you mean db?'],
    ['"a": {\n"needs": "b" }', 'a', '3: servers.a.needs: expected a list of names of servers, such as ["db"]'],
    ['"a-b": {},\n"a_b": {}', 'a-b,a_b', '3: servers.a_b: a-b and a_b would both be ONE_SERVER_URL_A_B; rename one'],
    ['"a.b": {},\n"A-B": { "needs": ["a.b"] }', 'A-B', '3: servers.A-B: a.b and A-B would both be ONE_SERVER_URL_A_B; rename one'],
  ]
  for (const [servers, name, message] of WRONG) {
    writeFileSync(file, `{ "servers": {\n${servers} } }`)
    t.match(await here.run(['run', name, '--', 'true']), { code: 2, stderr: `one-server: ${file}:${message}\n`, stdout: '' }, message)
  }
  writeFileSync(file, '{ "servers": { "a": { "needs": ["b"] }, "b": { "needs": ["a"] } } }')
  t.match(await here.run(['stop', 'a,b']), { code: 0, stderr: /a: nothing to stop/ }, 'and keep nobody from being stopped')
  writeFileSync(file, '{ "servers": { "a": { "command": ["x", "{url:b}"] }, "b": {} } }')
  for (const [words, message] of [
    [['start', 'a,b', '--port', '1'], '--port is about one server, got a, b'], [['start', 'a,b', '--', 'node'], 'a command is about one server, got a, b'],
    [['start', 'a,'], 'a name is missing in "a,"'], [['restart', 'a,b'], /name/], [['logs', 'a,b'], /name/],
  ] as const) t.match(await here.run([...words]), { code: 2, stderr: message }, words.join(' '))
})

t.test('two servers at once do not wait for each other, and what both need is started once', async (t) => {
  const own = home(t)
  // Each boots when the other one has begun to.
  const after = (other: string): object => {
    const text = `const { existsSync } = await import('node:fs')
      await import(${JSON.stringify(pathToFileURL(fixture('ledger')).href)})
      while (!existsSync(${JSON.stringify(join(own.folder, `${other}.ledger`))})) await new Promise((resolve) => { setTimeout(resolve, 5) })
      await import(${JSON.stringify(pathToFileURL(fixture('healthy')).href)})`
    return { needs: ['base'], command: [process.execPath, '--input-type=module', '--eval', text] }
  }
  const here = configure(own, { base: {}, left: after('right'), right: after('left'), top: { needs: ['left', 'right'] } })
  here.stopsAtEnd('top,left,right,base')
  t.match(await here.run(['start', 'top', '--quiet', '--timeout', '60s']), { code: 0 })
  t.same(order(here, 'start').toSorted(), ['base', 'left', 'right', 'top'])
  const { stdout } = await here.run(['run', 'top', '--quiet', '--', process.execPath, '-e', PRINTS])
  t.match(stdout, /ONE_SERVER_URL_BASE/)
})

t.test('what is needed lives until what needs it has ended', async (t) => {
  const here = configure(home(t), { base: { idleTimeout: 0 }, middle: { needs: ['base'], idleTimeout: '1s' }, top: { needs: ['middle'], idleTimeout: '77s' } })
  here.stopsAtEnd('top,middle,base')
  await here.run(['run', 'top', '--quiet', '--', 'true'])
  const { servers } = JSON.parse((await here.run(['list', '--named', '--json'])).stdout) as { servers: { name: string; stopsAt: string }[] }
  t.same(servers.map(({ name }) => name).toSorted(), ['base', 'middle', 'top'])
  const [base, middle, top] = servers.map(({ stopsAt }) => Date.parse(stopsAt)) as [number, number, number]
  // Each may take 60 s to stop. The leases end at once, but for the moment between two releases.
  t.same([middle - top, base - middle].map((ms) => Math.round(ms / 10_000)), [6, 6], JSON.stringify(servers))
  await until(() => order(here, 'start').length === 3, 'all to have run')
})

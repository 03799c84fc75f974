/** What the configuration of a test runner may say, and what each server of a test run is then asked for. Starts nothing. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { serversNamed } from '../../lib/config/servers-for.js'
import { asking, inProcess, keep } from '../../lib/runners/asked.js'
import { serverUrl, lend } from '../../lib/runners/environment.js'
import type { ClientProcessManagerOptions } from '../../lib/index.js'
import { tempFolder } from '../support/temp-folder.js'

t.test('a name, several, or options', async (t) => {
  t.same(asking('web'), { names: ['web'], options: {}, from: undefined })
  t.same(asking('web', { idleTimeout: 1, from: 'x' }), { names: ['web'], options: { idleTimeout: 1 }, from: 'x' })
  t.same(asking(['web', 'db', 'web']).names, ['web', 'db'], 'a name that stands twice is one server')
  t.same(asking({ name: 'web', command: ['x'] }), { names: ['web'], options: { command: ['x'] }, from: undefined })
  t.same(asking({ pidFile: '/x.pid', from: '/y' }), { names: [], options: { pidFile: '/x.pid' }, from: '/y' })
})

t.test('what is none of these is refused where the configuration says it', async (t) => {
  for (const which of [undefined, null, 7, [], ['web', 7], [['web']], true]) {
    t.throws(() => asking(which as never), { code: 'INVALID_OPTION', message: /^server must be the name of a server, a list/ }, JSON.stringify(which))
  }
  for (const more of [null, 'web', ['db']]) t.throws(() => asking('web', more as never), { code: 'INVALID_OPTION', message: /^options must be an object/ })
  t.throws(() => asking('web', { name: 'db' } as never), { code: 'INVALID_OPTION', message: /a name stands beside/ })
  t.throws(() => asking({ name: 'web' }, { port: 1 } as never), { code: 'INVALID_OPTION', message: /options stand beside options/ })
})

const FILE = { web: { command: ['file'], port: 4000, env: { A: 'file', B: 'file' }, needs: ['db'] }, db: { command: ['db'], startupTimeout: '5s' } }

const folderWith = (t: Test, servers: object | undefined): string => {
  const folder = tempFolder(t)
  if (servers !== undefined) writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers }))
  return folder
}

t.test('options come before the file that has the name, and what it needs comes before it', async (t) => {
  const folder = folderWith(t, FILE)
  const [db, web] = await serversNamed(['web'], { port: 'auto', env: { A: 'given' } }, folder)
  t.match(web, { name: 'web', needs: ['db'], options: { command: ['file'], port: 'auto', env: { A: 'given', B: 'file' }, cwd: folder, startupTimeout: '60s' } })
  t.match(db, { name: 'db', options: { command: ['db'], startupTimeout: '5s' } }, 'and the file before the patience of a test run')
  const instead = await serversNamed(['web'], { serverScript: 's.js', startupTimeout: '1s' }, folder)
  t.match(instead.at(-1)!.options, { serverScript: 's.js', startupTimeout: '1s' })
  t.notOk('command' in instead.at(-1)!.options, 'a script given takes the place of a command of the file')
  t.match(instead[0]!.options, { startupTimeout: '1s', command: ['db'] }, 'times hold for what it needs, too')
})

t.test('several names', async (t) => {
  const folder = folderWith(t, FILE)
  t.same((await serversNamed(['web', 'db'], { idleTimeout: 9 }, folder)).map(({ name, options }) => [name, options.idleTimeout]), [['db', 5009], ['web', 9]], 'db outlives the end of what needs it')
  for (const options of [{ port: 1 }, { env: {} }, { command: ['x'] }] as ClientProcessManagerOptions[]) {
    await t.rejects(serversNamed(['web', 'db'], options, folder), { code: 'INVALID_OPTION', message: `${Object.keys(options)[0]} stands beside 2 names` })
  }
})

t.test('a name that no file has needs a way to start its server', async (t) => {
  const options = { command: ['given'] }
  for (const servers of [FILE, undefined]) {
    const folder = folderWith(t, servers)
    t.same(await serversNamed(['other'], options, folder), [{ name: 'other', needs: [], options: { ...options, name: 'other', startupTimeout: '60s' } }])
    const message = servers === undefined ? /^there is no one-server\.config\.json in / : /there is no server "wep"; did you mean web\?/
    await t.rejects(serversNamed(['wep'], { idleTimeout: 1 }, folder), { code: 'INVALID_OPTION', message })
  }
})

t.test('variables are lent', async (t) => {
  const names = ['ONE_SERVER_URL', 'ONE_SERVER_URL_MY_DB']
  const before = names.map((name) => process.env[name])
  t.teardown(() => {
    for (const [at, name] of names.entries()) {
      if (before[at] === undefined) delete process.env[name]
      else process.env[name] = before[at]
    }
  })
  delete process.env['ONE_SERVER_URL_MY_DB']
  process.env['ONE_SERVER_URL'] = 'before'
  const takeBack = lend({ ONE_SERVER_URL: 'one', ONE_SERVER_URL_MY_DB: 'db' })
  t.same([serverUrl(), serverUrl('my-db')], ['one', 'db'])
  t.throws(() => serverUrl('api'), { code: 'INVALID_OPTION', message: 'this test run has no server "api": ONE_SERVER_URL_API is not set' })
  takeBack()
  t.same(names.map((name) => process.env[name]), ['before', undefined])
  const again = lend({ ONE_SERVER_URL: 'two' })
  process.env['ONE_SERVER_URL'] = 'of another'
  again()
  t.equal(process.env['ONE_SERVER_URL'], 'of another', 'what somebody else wrote since stays')
  process.env['ONE_SERVER_URL'] = ''
  t.throws(() => serverUrl(), { code: 'INVALID_OPTION', message: /has no server: ONE_SERVER_URL is not set/ })
})

t.test('two calls that differ would lose a server: the second is refused, until the run is over', async (t) => {
  const here = inProcess()
  t.teardown(() => { delete here.asked })
  const web = asking('web', { onEvent: () => {} })
  keep(web)
  t.doesNotThrow(() => keep(asking('web', { onEvent: () => {} })), 'a runner reads its configuration again')
  const OTHERS = { 'web; db': asking('db'), 'web; web, db': asking(['web', 'db']), 'web; web': asking('web', { from: 'x' }), 'web; a server by its options': asking({ pidFile: '/x' }) }
  for (const [both, other] of Object.entries(OTHERS)) {
    t.throws(() => keep(other), { code: 'INVALID_OPTION', message: `stands twice in this configuration (${both})` }, both)
    t.match(here.asked?.names, ['web'], 'the first one stays')
  }
  here.isOver = true
  keep(asking('db'))
  t.match(here.asked?.names, ['db'], 'the next configuration of a runner that lives on')
  t.throws(() => keep(asking('web')), { code: 'INVALID_OPTION' })
})

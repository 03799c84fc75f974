/**
 * The kind: a misspelt word means something else. A name that nothing defines starts nothing where there is a configuration,
 * and a configuration that is not read is named.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { fixture, home } from './command-line.js'

const SERVER = { command: [process.execPath, fixture('healthy')], port: 'auto' }

t.test('what would start a server is refused, and what looks only says so', async (t) => {
  const here = home(t)
  const file = join(here.folder, 'one-server.config.json')
  writeFileSync(file, JSON.stringify({ servers: { api: SERVER, web: SERVER } }))
  const ran = join(here.folder, 'ran')
  for (const args of [['run', 'apo', '--', 'touch', ran], ['start', 'apo'], ['hold', 'apo'], ['restart', 'apo']]) {
    t.match(await here.run(args), { code: 2, stderr: `one-server: ${file} has no "apo"; did you mean api?\n` }, args.join(' '))
  }
  t.match(await here.run(['start', 'other']), { code: 2, stderr: `one-server: ${file} has no "other" (it has api, web); say how to start it (-- command, --script), or leave the name out` })
  t.notOk(existsSync(ran), 'the command was not run')
  t.notOk(existsSync(here.env['ONE_SERVER_STATE_DIR'] as string), 'and nothing is left')
  mkdirSync(join(here.folder, 'below'))
  t.match(await here.begin(['start', 'apo'], { cwd: join(here.folder, 'below') }).ended, { code: 2, stderr: 'did you mean api?' }, 'also from below')
  t.match(await here.run(['status', 'apo']), { code: 3, stderr: `one-server: ${file} has no "apo"; did you mean api?\n` })
  t.match(await here.run(['stop', 'other']), { code: 0 }, 'nothing to stop is no error')

  // Followed, the hint works; and a name that has a server, or has had one, is known.
  t.match(await here.start(['start', 'api']), { code: 0 })
  t.match(await here.start(['start', 'mine', '--port', 'auto', '--script', fixture('healthy')]), { code: 0 })
  t.match(await here.run(['start', 'mine']), { code: 0, stderr: /already running/ })
  t.match(await here.run(['stop', 'mine']), { code: 0 })
  t.match(await here.run(['status', 'mine']), { code: 3, stderr: '' })
})

t.test('a configuration in package.json, or with no server at all, counts as well', async (t) => {
  const here = home(t)
  writeFileSync(join(here.folder, 'package.json'), JSON.stringify({ 'one-server': { servers: { api: SERVER } } }))
  t.match(await here.run(['start', 'ap1']), { code: 2, stderr: 'package.json has no "ap1"; did you mean api?' })
  writeFileSync(join(here.folder, 'one-server.config.json'), '{ "servers": {} }')
  t.match(await here.run(['run', 'api', '--', 'true']), { code: 2, stderr: 'one-server.config.json has no "api"; say how' })
})

t.test('a configuration of a kind that is not read is named', async (t) => {
  for (const name of ['one-server.config.cjs', 'one-server.config.yaml', 'one-server.config.jsonc', '.one-serverrc', 'one-server.yml']) {
    const here = home(t)
    const file = join(here.folder, name)
    writeFileSync(file, '')
    t.match(await here.run(['start', 'api']), { code: 2, stderr: `one-server: nothing defines "api": ${file} is not read: a configuration is one-server.config.json` }, name)
    t.match(await here.run(['status', 'api']), { code: 3, stderr: `${file} is not read` }, name)
  }
  const here = home(t)
  here.stopsAtEnd('api')
  const file = join(here.folder, 'one-server.config.cjs')
  writeFileSync(file, '')
  t.match(await here.run(['run', 'api', '--port', 'auto', '--script', fixture('healthy'), '--idle-timeout', '0', '--', 'true']), { code: 0, stderr: /^(?!.*is not read)/s }, 'with a command nobody needs a file')
  t.match(await here.start(['start', '--port', 'auto']), { code: 0, stderr: `${file} is not read` }, 'without a name it is a word of warning')
  rmSync(file)
  t.match(await here.start(['start', 'any', '--port', 'auto']), { code: 0 }, 'and without any configuration a name is the bundled server')
})

/** The same on the command line and in a config file: an error that names both ways out, before anything runs. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call, home } from './command-line.js'

t.test('is an error with the ways out, and nothing has run', async (t) => {
  for (const [args, what] of [
    [['hold', 'web', '--server', 'npm run build && npm start'], /^one-server: --server: no shell runs the command, so && does nothing in it; call one: sh -c '…'/], [['run', 'web', '--server', 'MODE=x node s.js', '--', 'true'], /^one-server: --server: MODE=x comes before the program.*env MODE=x/],
    [['start', 'web', '--', 'MODE=x', 'node', 's.js'], /^one-server: the command after --: MODE=x comes before/], [['start', 'web', '--', 'node', 's.js', '&&', 'x'], /^one-server: the command after --: no shell/], [['restart', 'web', '--', 'node', '$PORT'], /write \{port\}/],
    [['run', '--', 'MODE=x', 'npm', 'test'], /the command after --: MODE=x comes before/], [['hold', 'web', '--server=node s.js > out.log'], /--log-file/],
  ] as const) t.match(await call(...args), { code: 2, stderr: what }, args.join(' '))

  const here = home(t)
  const file = join(here.folder, 'one-server.config.json')
  writeFileSync(file, JSON.stringify({ servers: { a: { command: ['touch', join(here.folder, 'ran'), '&&', 'x'] }, b: { command: ['MODE=x', 'node'] }, c: { command: ['node', '$PORT'] } } }, undefined, 1))
  t.match(await here.run(['start', 'a']), { code: 2, stderr: `one-server: ${file}:4: servers.a.command: no shell runs the command, so && does nothing in it` })
  t.match(await here.run(['start', 'b']), { code: 2, stderr: 'servers.b.command: MODE=x comes before the program' })
  t.match(await here.run(['start', 'c']), { code: 2, stderr: 'servers.c.command: no shell fills in $PORT; write {port}, or' })
  t.notOk(existsSync(join(here.folder, 'ran')))
})

t.test('the ways out work', async (t) => {
  const here = home(t)
  const serve = `require('http').createServer((_, a) => a.end(process.env.MODE)).listen(process.env.PORT)`
  const own = ['--port', 'auto', '--health', '/']
  t.match(await here.start(['start', 'a', ...own, '--', 'env', 'MODE=x', process.execPath, '-e', serve]), { code: 0 })
  t.match(await here.start(['start', 'b', ...own, '--', 'sh', '-c', 'true && MODE=x exec "$0" -e "$1" > /dev/null', process.execPath, serve]), { code: 0 })
})

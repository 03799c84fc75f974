/** `list --watch`: a line for each change into a pipe, one table in place at a terminal, until Ctrl-C. */
import t from 'tap'
import { fixture, home } from './command-line.js'
import { inTerminal, noTerminal, oneServer } from './terminal.js'

const START = ['start', 'web', '--port', 'auto', '--script', fixture('healthy'), '--quiet']

t.test('into a pipe: a line for each change', async (t) => {
  const here = home(t)
  const watching = here.begin(['list', '--named', '--watch'])
  await here.start(START)
  await watching.prints(/^web +ready/m)
  // It has looked again when it prints the other one, and nothing of web has changed.
  await here.start(['start', 'other', ...START.slice(2)])
  await watching.prints(/^other +ready/m)
  await here.run(['stop', 'web', '--quiet'])
  await watching.prints(/^web  gone$/m)
  watching.child.kill('SIGINT')
  const { code, stdout } = await watching.ended
  t.equal(code, 130)
  t.ok(stdout.split('\n').filter((line) => /^web +ready/.test(line)).length === 1, stdout)
})

t.test('with --json a document for each change', async (t) => {
  const here = home(t)
  const watching = here.begin(['list', '--named', '--watch', '--json'])
  await watching.prints('"servers":[]')
  await here.start(START)
  await watching.prints('"state":"ready"')
  // Looks that see no change: they print nothing.
  await new Promise((resolve) => { setTimeout(resolve, 2500) })
  await here.run(['stop', 'web', '--quiet'])
  await watching.prints(/ready[^]*"servers":\[\]/)
  watching.child.kill('SIGTERM')
  const { code, stdout } = await watching.ended
  t.equal(code, 143)
  const documents = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { servers: { state: string }[] })
  for (const document of documents) t.match(document, { schemaVersion: 1, servers: Array })
  const states = documents.map(({ servers }) => servers.map(({ state }) => state).join())
  t.same(states.filter((state, at) => state === states[at - 1]), [], 'none for a look that saw no change')
})

t.test('at a terminal: in place', { skip: noTerminal }, async (t) => {
  const here = home(t)
  const terminal = inTerminal(t, oneServer(['list', '--named', '--watch']), { env: { ...here.env, TERM: 'xterm' }, cwd: here.folder })
  await terminal.prints('no servers')
  await here.start(START)
  await terminal.prints('\u001B[1A\u001B[J')
  await terminal.prints(/web +\S*ready/)
  terminal.type('\u0003')
  t.match(await terminal.ended, { code: 130 })
})

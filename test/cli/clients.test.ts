/** What is said of who uses a server: the same everywhere, on one line each, within the room there is. */
import { Writable } from 'node:stream'
import t from 'tap'
import { ending, rows, tellClients, use } from '../../lib/cli/clients.js'
import { Output } from '../../lib/cli/output.js'

const ago = (seconds: number): Date => new Date(Date.now() - seconds * 1000)
const lease = (pid: number, command: string | undefined = 'npm test', since: Date | undefined = ago(62)) => ({ pid, command, since })
const NOBODY = { leases: [], pinned: false, stopsAt: undefined, isEnding: false }
const soon = () => ({ ...NOBODY, stopsAt: ago(-12) })

t.test('a column', async (t) => {
  t.equal(use(NOBODY), undefined)
  t.equal(use({ ...NOBODY, leases: [lease(1)] }), '1 client')
  t.equal(use({ ...NOBODY, leases: [lease(1), lease(2)] }), '2 clients')
  t.equal(use({ ...NOBODY, pinned: true }), 'pinned')
  t.equal(use({ ...NOBODY, pinned: true, leases: [lease(1)] }), '1 client, pinned')
  t.equal(use(soon()), 'stops in 12s')
})

t.test('when it stops', async (t) => {
  const texts = [NOBODY, { ...NOBODY, leases: [lease(1)] }, { ...NOBODY, pinned: true }, { ...NOBODY, pinned: true, leases: [lease(1)] }, soon()].map(ending)
  t.match(texts, [/one-server list/, /last client/, /not by itself/, /not by itself/, /^in 12s, unless/])
  for (const text of texts) t.ok(text.length <= 70, text)
})

t.test('a row for each client, the first one first', async (t) => {
  const leases = [lease(3, 'c', ago(1)), lease(1, 'a', ago(62)), lease(2, 'b', ago(10))]
  t.same(rows({ leases }, 70), ['PID 1 for 1m 2s: a', 'PID 2 for 10s: b', 'PID 3 for 1s: c'])
  t.same(rows({ leases: [{ pid: 4, command: undefined, since: undefined }] }, 70), ['PID 4'])
})

t.test('a command of any length and with anything in it is one line that fits', async (t) => {
  const [row = ''] = rows({ leases: [lease(1, `a\n\tb\u001B[31m\u0085\u2028${'x'.repeat(100)}`)] }, 40)
  t.equal(row, `PID 1 for 1m 2s: a b [31m ${'x'.repeat(13)}…`)
  t.equal(row.length, 40)
  t.equal(rows({ leases: [lease(1, '🙂'.repeat(100))] }, 40)[0], `PID 1 for 1m 2s: ${'🙂'.repeat(22)}…`, 'no character is halved')
})

t.test('telling them takes no more than 80 columns', async (t) => {
  let text = ''
  const stream = () => new Writable({ write: (chunk, _, done) => { text += chunk; done() } })
  const output = new Output({ stdout: stream(), stderr: stream(), env: {}, signal: new AbortController().signal }, { json: false, quiet: false })
  tellClients(NOBODY, output)
  t.equal(text, '')
  tellClients({ leases: [lease(1, 'x'.repeat(200))] }, output)
  tellClients({ leases: [lease(1), lease(2)] }, output)
  const lines = text.trimEnd().split('\n')
  t.match(lines, ['one-server: 1 client uses it:', /^one-server: {3}PID 1 for 1m 2s: x+…$/, 'one-server: 2 clients use it:', /^one-server: {3}PID 1 /, /^one-server: {3}PID 2 /])
  t.same(lines.map((line) => line.length).filter((length) => length > 80), [])
})

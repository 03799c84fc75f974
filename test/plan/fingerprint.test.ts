/** Which server a client wants: what it names counts, and what only comes from its surroundings does not. */
import t from 'tap'
import type { ClientProcessManagerOptions } from '../../lib/options/options.js'
import { settingsFrom } from '../../lib/options/settings.js'
import { differences, fingerprintOf } from '../../lib/plan/fingerprint.js'

const of = (own: Record<string, string>, options: ClientProcessManagerOptions) =>
  settingsFrom({ pidFile: '/s.pid', command: ['node', 's.js'], ...options }, { HOME: '/h', ...own })

/** What a client with this environment and `env` finds different, of a server that another one has started. */
const between = (one: [own: Record<string, string>, env: Record<string, string | undefined>], other: typeof one): readonly string[] =>
  differences(of(other[0], { env: other[1] }), fingerprintOf(of(one[0], { env: one[1] })))

t.test('the surroundings of two clients that spread process.env are not the server', async (t) => {
  const [npm, editor] = [{ npm_lifecycle_event: 'test', PATH: '/a' }, { VSCODE_PID: '7', PATH: '/b', TERM: 'x' }]
  t.same(between([npm, { ...npm, MODE: 'test' }], [editor, { ...editor, MODE: 'test' }]), [])
  t.same(between([npm, { ...npm, MODE: 'dev' }], [editor, { ...editor, MODE: 'test' }]), ['env MODE: another value'])
})

t.test('what one client names and another has anyway is the same, whichever comes first', async (t) => {
  t.same(between([{}, { MODE: 'test' }], [{ MODE: 'test' }, { MODE: 'test' }]), [])
  t.same(between([{ MODE: 'test' }, { MODE: 'test' }], [{}, { MODE: 'test' }]), [])
  t.same(between([{}, { MODE: 'test' }], [{ MODE: 'dev' }, { MODE: 'dev' }]), ['env MODE: another value'])
  t.same(between([{}, { MODE: 'test' }], [{}, {}]), ['env MODE: named by who started it, not here'])
  t.same(between([{}, {}], [{}, { MODE: 'test' }]), ['env MODE: not named by who started it'])
  t.same(between([{}, { GONE: undefined }], [{}, {}]), [], 'to remove what is not there is no wish')
  t.same(between([{ GONE: '1' }, { GONE: undefined }], [{ GONE: '1' }, {}]).length, 1)
})

t.test('one runner in the folders of several version managers is one program, and a program of a checkout is not', async (t) => {
  const compare = (one: string[], other: string[]): number =>
    differences(of({}, { command: one }), fingerprintOf(of({}, { command: other }))).length
  const nodes = ['node', '/home/me/.nvm/versions/node/v20.1.0/bin/node', '/home/me/.volta/bin/node', 'C:\\Program Files\\nodejs\\node.exe']
  for (const one of nodes) for (const other of nodes) t.equal(compare([one, 's.js'], [other, 's.js']), 0, `${one} ${other}`)
  t.equal(compare(['node', 's.js'], ['/usr/bin/node', 't.js']), 1)
  t.equal(compare(['node', 's.js'], ['/usr/bin/npm', 's.js']), 1)
  t.equal(compare(['/a/bin/server'], ['/b/bin/server']), 1)
  t.equal(compare(['/a/node_modules/.bin/vite'], ['/b/node_modules/.bin/vite']), 1)
  t.equal(compare(['./node', 's.js'], ['node', 's.js']), 1, 'a path below the working folder')
})

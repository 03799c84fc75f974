/** A regular expression that a check asks for is tried in a context of `node:vm`; what goes wrong there is an answer, and no error. */
import vm from 'node:vm'
import t from 'tap'
import { mismatch } from '../../lib/health/match.js'

t.test('a context that Node does not know fails one check, and the next one has another', (t) => {
  const { createContext } = vm
  vm.createContext = (() => ({})) as typeof createContext
  t.teardown(() => { vm.createContext = createContext })
  const match = { source: 'well', flags: '' }
  t.match(mismatch('all is well', match, 500, 'other'), /^the regular expression \/well\/ could not be tried: /)
  vm.createContext = createContext
  t.equal(mismatch('all is well', match, 500, 'other'), undefined)
  t.equal(mismatch('nothing', match, 500, 'other'), 'other')
  t.end()
})

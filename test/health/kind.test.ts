/** The kind of readiness that a plan from disk is of, and that its traits are what the rest of the code concludes from it. */
import t from 'tap'
import { kindOf, traitsOf } from '../../lib/health/kind.js'

const log = { file: '/x.log', match: { text: 'up' } }

t.test('a plan shows its kind by its shape', async (t) => {
  for (const [url, kind] of [
    ['http://127.0.0.1:1/h', 'http'], ['https://[::1]:1/', 'http'], ['tcp://127.0.0.1:1', 'tcp'], ['socket:/run/x.sock', 'socket'],
    ['http://tcp:1/', 'http'], ['http://socket/', 'http'],
  ] as const) {
    t.equal(kindOf({ urls: [url], headers: {} }), kind, url)
    t.equal(kindOf({ urls: [url], headers: {}, log }), 'log', `${url} with a log`)
    t.equal(kindOf({ urls: [url], headers: {}, command: ['x'] }), 'command', `${url} with a command`)
  }
})

t.test('the traits of each kind', async (t) => {
  const traits = (url: string) => traitsOf({ urls: [url], headers: {} })
  t.same(traits('http://127.0.0.1:1/'), { isAskedAgain: true, isAdoptable: true, bindsPort: true })
  t.same(traits('tcp://127.0.0.1:1'), { isAskedAgain: true, isAdoptable: false, bindsPort: true })
  t.same(traits('socket:/x'), { isAskedAgain: true, isAdoptable: false, bindsPort: false })
  t.same(traitsOf({ urls: ['http://127.0.0.1:1'], headers: {}, log }), { isAskedAgain: false, isAdoptable: false, bindsPort: true })
  t.same(traitsOf({ urls: ['tcp://127.0.0.1:1'], headers: {}, command: ['x'] }), { isAskedAgain: false, isAdoptable: false, bindsPort: true })
})

/** How a server will be asked, by the settings of the client that launches it: one plan for each kind of readiness, and what stands in the way of a launch. */
import t from 'tap'
import { makeLaunchPlan, makePlan, whatIsTaken } from '../../lib/health/make-plan.js'
import { isHealthPlan, type HealthPlan } from '../../lib/health/plan.js'
import type { ClientProcessManagerOptions } from '../../lib/options/options.js'
import { settingsFrom } from '../../lib/options/settings.js'

const settings = (options: ClientProcessManagerOptions) => settingsFrom({ pidFile: '/s.pid', ...options })
const plan = (options: ClientProcessManagerOptions) => makePlan(settings(options), 4000)

t.test('HTTP is asked at literal addresses', async (t) => {
  t.same(plan({}), { urls: ['http://127.0.0.1:4000/api/health', 'http://[::1]:4000/api/health'], headers: {} })
  t.same(plan({ host: '0.0.0.0', healthPath: '/h?x=1' }).urls, ['http://127.0.0.1:4000/h?x=1'])
  t.same(plan({ host: '::1', healthHeaders: { a: 'b' } }), { urls: ['http://[::1]:4000/api/health'], headers: { a: 'b' } })
  t.same(plan({ healthUrl: 'https://localhost:{port}/h' }).urls, ['https://127.0.0.1:4000/h', 'https://[::1]:4000/h'])
  t.same(plan({ healthUrl: 'http://my.host/{port}' }).urls, ['http://my.host/4000'])
  t.same(plan({ host: '::1', healthMatch: /ok/i }), { urls: ['http://[::1]:4000/api/health'], headers: {}, match: { source: 'ok', flags: 'i' } })
})

/** The bytes are those on disk: a server of an older one-server is still asked by them, and an older one-server by ours. */
t.test('each other kind, to the byte', async (t) => {
  const bytes = (options: ClientProcessManagerOptions) => JSON.stringify(plan(options))
  t.equal(bytes({ ready: 'tcp:{port}', healthHeaders: { a: 'b' } }), '{"urls":["tcp://127.0.0.1:4000","tcp://[::1]:4000"],"headers":{}}')
  t.equal(bytes({ ready: 'tcp:[::1]:5432' }), '{"urls":["tcp://[::1]:5432"],"headers":{}}')
  t.equal(bytes({ ready: 'socket:/run/x y#?.sock' }), '{"urls":["socket:/run/x%20y%23%3F.sock"],"headers":{}}')
  const log = '"headers":{},"log":{"file":"/s.log","match":{"text":"up"}}}'
  t.equal(bytes({ ready: { log: 'up' }, host: '::1' }), `{"urls":["tcp://[::1]:4000"],${log}`, 'a line does not show which protocol it is')
  t.equal(bytes({ ready: { log: 'up' }, host: '::1', healthPath: '/' }), `{"urls":["http://[::1]:4000"],${log}`, 'a path says HTTP')
  t.equal(bytes({ ready: 'http-get://localhost:{port}/h', host: 'x' }), '{"urls":["http://127.0.0.1:4000/h","http://[::1]:4000/h"],"headers":{}}')
})

t.test('what is made is what a reader of the record accepts', async (t) => {
  for (const ready of [undefined, 'tcp:1', 'socket:/x', { log: /^up$/ }] as const) t.equal(isHealthPlan(JSON.parse(JSON.stringify(plan(ready === undefined ? {} : { ready })))), true, String(ready))
})

t.test('a launch keeps the inode of its own log, where its log is what is looked at', async (t) => {
  let asked = 0
  const made = (options: ClientProcessManagerOptions, inode?: string) => makeLaunchPlan(settings(options), 4000, async () => { asked++; return inode })
  t.match(await made({ ready: { log: 'up' } }, '12'), { log: { file: '/s.log', match: { text: 'up' }, inode: '12' } })
  t.same((await made({ ready: { log: 'up' } })).log, { file: '/s.log', match: { text: 'up' } })
  t.equal(asked, 2)
  t.same(await made({ ready: 'tcp:1' }, '12'), plan({ ready: 'tcp:1' }))
  t.equal(asked, 2, 'and asks for none otherwise')
})

t.test('only a Unix socket can be taken while the port is free', async (t) => {
  const asked: HealthPlan[] = []
  const taken = (options: ClientProcessManagerOptions, healthy: boolean) => whatIsTaken(settings(options), async (plan) => {
    asked.push(plan)
    return healthy ? { healthy, url: plan.urls[0]! } : { healthy, reason: '' }
  })
  t.match(await taken({ ready: 'socket:/run/x.sock' }, true), { code: 'PORT_IN_USE', message: /^The socket \/run\/x\.sock is in use: it accepts connections before the server was started, / })
  t.equal(await taken({ ready: 'socket:/run/x.sock' }, false), undefined)
  t.same(asked.map(({ urls }) => urls), [['socket:/run/x.sock'], ['socket:/run/x.sock']])
  for (const ready of [undefined, 'tcp:1', { log: 'up' }] as const) t.equal(await taken(ready === undefined ? {} : { ready }, true), undefined, String(ready))
  t.equal(asked.length, 2)
})

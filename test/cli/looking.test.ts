/** The kind: looking asks any URL. A command that starts nothing asks this machine and addresses that a launch recorded, whatever a config file says. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { home } from './command-line.js'

const outside = Object.values(networkInterfaces()).flat().find((one) => one?.family === 'IPv4' && !one.internal)?.address

t.test('a config file of a foreign checkout', { skip: outside === undefined ? 'this machine has no other address' : false }, async (t) => {
  let asked = 0
  const server = createServer((_, answer) => { asked++; answer.end() })
  let connections = 0
  server.on('connection', () => { connections++ }).listen(0)
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const { port } = server.address() as AddressInfo
  const here = home(t)
  const configure = (more: object): void => writeFileSync(join(here.folder, 'one-server.config.json'), JSON.stringify({ servers: { api: { command: ['x'], port, healthHeaders: { authorization: 'secret' }, ...more } } }))
  for (const more of [{ health: `http://${outside}:${port}/` }, { health: `http://${outside}:{port}/` }, { host: outside }]) {
    configure(more)
    for (const args of [['status', 'api'], ['logs', 'api'], ['stop', 'api'], ['list']]) await here.run(args)
    t.same([asked, connections], [0, 0], JSON.stringify(more))
  }
  configure({ health: '/' })
  t.match(await here.run(['status', 'api']), { code: 0, stdout: /not started by one-server/ }, 'on this machine it is found as before')
  t.ok(asked > 0)
})

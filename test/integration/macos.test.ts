import t from 'tap'
import { place, resultOf, together, allEnded, client } from '../support/clients.js'
import { onMac, noMac, cli } from '../support/mac.js'
import { run } from '../support/child.js'

t.test('counts', noMac, async (t) => {
  const mac = onMac(t, place(t))
  const show = (what: string) => { console.error(what); for (const a of mac.asked()) console.error('  ', a.pid, a.isSync, a.words.slice(0, 150)) }
  const cold = await client(t, mac, mac.options('escapes-group')).ended
  console.error(cold.error, cold.stderr)
  resultOf(cold)
  show('cold')
  resultOf(await client(t, mac, mac.options('escapes-group')).ended)
  show('warm')
  const status = await run(t, process.execPath, [cli, 'status', '--pid-file', mac.pidFile], { env: mac.env })
  console.error(status)
  show('status')
  const stop = await client(t, mac, mac.options('escapes-group'), { method: 'stopServer' }).ended
  console.error(stop.error)
  show('stop')
  mac.nothingLeft(t)
  const all = await allEnded(await together(t, mac, 8, mac.options('healthy')))
  for (const one of all) resultOf(one)
  t.equal(new Set(all.map((one) => resultOf(one).info.url)).size, 1)
  show('crowd')
  await client(t, mac, mac.options('healthy'), { method: 'stopServer' }).ended
  mac.nothingLeft(t)
})

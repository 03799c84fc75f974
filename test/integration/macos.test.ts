/**
 * The promises on a Mac, played on Linux: whole clients that ask stand-ins of ps(1) and sysctl(8). What a client asks is counted, since each
 * question is a program there; and none may stand in the way of the event loop, which is an editor's.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { run } from '../support/child.js'
import { allEnded, client, isAlive, place, resultOf, together, type ClientPlan } from '../support/clients.js'
import { gone, holder, watchesOf } from '../support/holders.js'
import { cli, noMac, onMac, type Asked, type Mac } from '../support/mac.js'
import { until } from '../support/until.js'

const SYSCTL = '/usr/sbin/sysctl -n kern.bootsessionuuid'
const COLUMNS = '-o pid= -o pgid= -o stat= -o lstart='

const stopped = async (t: Test, mac: Mac, server: string, plan: ClientPlan = {}): Promise<void> => {
  const { error } = await client(t, mac, mac.options(server), { ...plan, method: 'stopServer' }).ended
  t.equal(error, undefined)
}

/** How often each program was run. */
const counted = (asked: readonly Asked[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { words } of asked) counts[words.split(' ')[0]!] = (counts[words.split(' ')[0]!] ?? 0) + 1
  return counts
}

t.test('a warm call and a status ask twice, a cold start and a stop some times more, and nobody stands still for it', noMac, async (t) => {
  const mac = onMac(t, place(t))
  const options = mac.options('escapes-group')
  const { info } = resultOf(await client(t, mac, options).ended)
  const cold = mac.asked()
  // A launcher that has waited for long looks once more whether its child lives; one that was slow finds in one look what takes two.
  const { '/bin/ps': questions = 0, ...others } = counted(cold)
  t.ok(questions >= 6 && questions <= 10, `${questions} questions`)
  t.same(others, { '/usr/sbin/sysctl': 1, '/bin/sh': 1 })
  t.equal(resultOf(await client(t, mac, options).ended).info.pid, info.pid)
  const warm = mac.asked()
  t.same(warm.map(({ words }) => words), [SYSCTL, `/bin/ps -p ${info.pid} ${COLUMNS}`])
  t.match(await run(t, process.execPath, [cli, 'status', '--pid-file', mac.pidFile], { env: mac.env }), { code: 0, stdout: /^state +ready/ })
  const status = mac.asked()
  t.same(counted(status), { '/usr/sbin/sysctl': 1, '/bin/ps': 1 })
  await stopped(t, mac, 'escapes-group')
  const stop = mac.asked()
  // Each look until the last process has gone is a question, so a slow end of the server costs more of them.
  t.ok(stop.length >= 12, `${stop.length} questions`)
  t.ok(stop.filter(({ words }) => words.includes('-A')).every(({ words }) => words === `/bin/ps -A -E -ww ${COLUMNS} -o command=`))
  t.same([...cold, ...warm, ...status, ...stop].filter(({ isSync }) => isSync), [], 'no call was synchronous')
  mac.nothingLeft(t)
})

t.test('eight clients start one server', noMac, async (t) => {
  const mac = onMac(t, place(t))
  const all = (await allEnded(await together(t, mac, 8, mac.options('healthy')))).map(resultOf)
  t.equal(mac.starts().length, 1)
  t.same([...new Set(all.map(({ info, status }) => `${info.url} ${status}`))], [`${all[0]!.info.url} 200`])
  t.same(mac.asked().filter(({ isSync }) => isSync), [], 'and none stands still for a question')
  await stopped(t, mac, 'healthy')
  mac.nothingLeft(t)
})

t.test('a lease ends the server when it is let go, and when its holder is killed', noMac, async (t) => {
  const mac = onMac(t, place(t))
  const options = mac.options('healthy', { idleTimeout: 0 })
  for (const ends of ['is let go', 'loses its holder']) {
    const one = holder(t, mac, options)
    const other = holder(t, mac, options)
    t.equal((await one.held).pid, (await other.held).pid)
    await one.release()
    t.equal(mac.alive().length, 1, 'another lease holds it')
    await (ends === 'is let go' ? other.release() : other.kill())
    await gone(mac)
    await until(() => mac.left().length === 0, `nothing to be left when a lease ${ends}`)
  }
  t.equal(mac.starts().length, 2)
})

t.test('what has left the group with setsid serves on without its leader, no second server is started, and a stop ends it', noMac, async (t) => {
  const mac = onMac(t, place(t))
  const { info } = resultOf(await client(t, mac, mac.options('escapes-group')).ended)
  await mac.kill(info.pid!)
  const after = resultOf(await client(t, mac, mac.options('escapes-group')).ended)
  t.equal(after.info.url, info.url)
  t.equal(mac.starts().length, 1)
  await stopped(t, mac, 'escapes-group')
  mac.nothingLeft(t)
})

t.test('a stop ends the watchdog of a lease, also one that is frozen', noMac, async (t) => {
  const mac = onMac(t, place(t))
  const one = holder(t, mac, mac.options('healthy', { idleTimeout: 600_000 }))
  await one.held
  // Frozen, it cannot see by itself that its launch has gone.
  const [watch] = watchesOf(mac)
  process.kill(watch!, 'SIGSTOP')
  t.teardown(() => { try { process.kill(watch!, 'SIGKILL') } catch {} })
  await stopped(t, mac, 'healthy')
  await until(() => !isAlive(watch!), 'the watchdog to end')
  mac.nothingLeft(t)
})

t.test('a holder whose number another process has by the time it is looked at holds nothing', noMac, async (t) => {
  const mac = onMac(t, place(t))
  const one = holder(t, mac, mac.options('healthy', { idleTimeout: 0 }))
  await one.held
  const [host] = readdirSync(`${mac.pidFile}.d`)
  const folder = join(`${mac.pidFile}.d`, host!)
  const [launch] = readdirSync(folder).find((name) => name.endsWith('.claim'))!.split('.')
  // This process lives, and began at another time than the lease says.
  writeFileSync(join(folder, `00000000000000cc.${launch}.${process.pid}.1000000000.lease`), '')
  await one.kill()
  await gone(mac)
  await until(() => mac.left().length === 0, 'nothing to be left')
  t.pass()
})

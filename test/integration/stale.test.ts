/**
 * What the dead have left: a PID file, a claim, a number. Promise 3 says that it lies no longer than
 * until the next call, promise 4 that nobody is signalled for having inherited a number.
 */
import { readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bystander, client, failureOf, isAlive, place, resultOf, type Place } from '../support/clients.js'

/** A PID that no process has any more. */
const deadPid = async (t: Test, here: Place): Promise<number> => {
  const gone = client(t, here, {}, { barrier: true })
  gone.child.stdin!.end()
  await gone.ended
  return gone.pid
}

const comesUp = async (t: Test, here: Place, starts: number): Promise<void> => {
  const { info, status } = resultOf(await client(t, here, here.options('healthy')).ended)
  t.match({ info, status }, { info: { started: true, adopted: false }, status: 200 }, 'a server comes up')
  t.equal(here.starts().length, starts)
  await here.only(info.pid!)
  t.equal(Number.parseInt(readFileSync(here.pidFile, 'utf8'), 10), info.pid, 'and the PID file names it')
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
}

t.test('the PID file of a server that was killed: it is not running, and the file goes', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  t.equal(await here.manager('healthy').isServerRunning(), true)
  await here.kill(pid!)
  t.equal(await here.manager('healthy').isServerRunning(), false)
  here.nothingLeft(t)
  await comesUp(t, here, 2)
})

t.test('the PID file of a server that was killed does not stand in the way of the next', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  await here.kill(pid!)
  await comesUp(t, here, 2)
})

t.test('a bare number of a dead process: it is not running, and the file goes', async (t) => {
  const here = place(t)
  writeFileSync(here.pidFile, `${await deadPid(t, here)}\n`)
  t.equal(await here.manager('healthy').isServerRunning(), false)
  here.nothingLeft(t)
  await comesUp(t, here, 1)
})

t.test('a bare number that another process has got since: the file goes, nobody is signalled', async (t) => {
  const here = place(t)
  const pid = bystander(t)
  writeFileSync(here.pidFile, String(pid))
  const hourAgo = Date.now() / 1000 - 3600
  utimesSync(here.pidFile, hourAgo, hourAgo)
  t.equal(await here.manager('healthy').isServerRunning(), false)
  here.nothingLeft(t)
  await comesUp(t, here, 1)
  t.ok(isAlive(pid))
})

t.test('a bare number of a live process that is no server: it is said, and nobody is signalled', async (t) => {
  const here = place(t)
  const pid = bystander(t)
  writeFileSync(here.pidFile, `${pid}\n`)
  const error = await failureOf(here.manager('healthy', { startupTimeout: 400 }).ensureServerRunning())
  t.match(error, { code: 'SERVER_UNHEALTHY', pid })
  t.match(error.message, new RegExp(`\\(PID ${pid}\\) is alive but did not pass its health check for 400 ms: ${here.pidFile} names it, and one-server did not launch it`))
  t.equal(await here.manager('healthy').isServerRunning(), true, 'the recorded process is alive')
  t.equal(await here.manager('healthy').stopServer(), false, 'it is not ours to stop')
  t.ok(isAlive(pid))
  t.equal(readFileSync(here.pidFile, 'utf8'), `${pid}\n`, 'the file is left as it was')
  t.equal(here.starts().length, 0)
})

t.test('a record whose number another process has got since: the stranger lives, and one server comes up', async (t) => {
  const here = place(t)
  const { pid: old } = await here.manager('healthy').ensureServerRunning()
  await here.kill(old!)
  const pid = bystander(t)
  const [hostFolder] = readdirSync(`${here.pidFile}.d`)
  const folder = join(`${here.pidFile}.d`, hostFolder!)
  const claim = readdirSync(folder).find((name) => name.endsWith('.claim'))!
  const now = (text: string) => text.replaceAll(String(old), String(pid))
  writeFileSync(join(folder, claim), now(readFileSync(join(folder, claim), 'utf8')))
  renameSync(join(folder, claim), join(folder, claim.replace(`.${old}.`, `.${pid}.`)))
  writeFileSync(here.pidFile, now(readFileSync(here.pidFile, 'utf8')))
  t.equal(await here.manager('healthy').isServerRunning(), false)
  t.ok(isAlive(pid), 'the stranger lives')
  await comesUp(t, here, 2)
  t.ok(isAlive(pid), 'the stranger lives on')
})

t.test('stop of a record whose number another process has got since signals nobody', async (t) => {
  const here = place(t)
  const { pid: old } = await here.manager('healthy').ensureServerRunning()
  await here.kill(old!)
  const pid = bystander(t)
  rmSync(`${here.pidFile}.d`, { recursive: true })
  writeFileSync(here.pidFile, readFileSync(here.pidFile, 'utf8').replaceAll(String(old), String(pid)))
  t.equal(await here.manager('healthy').stopServer(), false)
  t.ok(isAlive(pid))
  here.nothingLeft(t)
})

t.test('an empty PID file, as a full disk leaves it, is none', async (t) => {
  const here = place(t)
  writeFileSync(here.pidFile, '')
  t.equal(await here.manager('healthy').isServerRunning(), false)
  await comesUp(t, here, 1)
})

t.test('a PID file that was cut short is made whole while its server lives, and goes with it', async (t) => {
  const here = place(t)
  const { pid, url } = await here.manager('healthy').ensureServerRunning()
  const whole = readFileSync(here.pidFile, 'utf8')
  truncateSync(here.pidFile, 60)
  t.match(await here.manager('healthy').ensureServerRunning(), { pid, url, started: false }, 'the claim is the truth')
  t.equal(readFileSync(here.pidFile, 'utf8'), whole)
  truncateSync(here.pidFile, 60)
  await here.kill(pid!)
  t.equal(await here.manager('healthy').isServerRunning(), false)
  here.nothingLeft(t)
  await comesUp(t, here, 2)
})

t.test('a PID file that was deleted while its server lives comes back, and no second server comes up', async (t) => {
  const here = place(t)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  rmSync(here.pidFile)
  t.match(await here.manager('healthy').ensureServerRunning(), { pid, started: false })
  t.equal(Number.parseInt(readFileSync(here.pidFile, 'utf8'), 10), pid)
  t.equal(statSync(here.pidFile).mode & 0o777, 0o600)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

t.test('a PID file that names another launch than the one that lives is set right', async (t) => {
  const here = place(t)
  const { pid: first } = await here.manager('healthy').ensureServerRunning()
  const before = readFileSync(here.pidFile, 'utf8')
  await here.kill(first!)
  const { pid } = await here.manager('healthy').ensureServerRunning()
  // As a client does that was frozen before it published, and goes on.
  writeFileSync(here.pidFile, before)
  t.match(await here.manager('healthy').ensureServerRunning(), { pid, started: false })
  t.equal(Number.parseInt(readFileSync(here.pidFile, 'utf8'), 10), pid)
  t.equal(await here.manager('healthy').stopServer(), true)
  here.nothingLeft(t)
})

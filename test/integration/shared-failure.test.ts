/**
 * Promise 5: a launch that fails reaches everybody who waited for it, at once and with the same text,
 * and nothing more is started. The time is measured from what happened to what each client says.
 */
import { existsSync, readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { allEnded, client, now, place, resultOf, together, type Client, type Ended, type Failure } from '../support/clients.js'
import { until } from '../support/until.js'
import { isWithin } from '../support/within.js'

const CLIENTS = 8

/** ms from the exit of the server to the failure of the last client. */
const AT_ONCE = 200

const errorOf = ({ error, lines, stderr }: Ended): Failure => {
  if (error === undefined) throw new Error(`a client was meant to fail: ${JSON.stringify(lines)} ${stderr}`)
  return error
}

const sameFor = (t: Test, errors: readonly Failure[]): Failure => {
  t.equal(errors.length, CLIENTS)
  t.same(new Set(errors.map(({ code, message, hint, exitCode, signal }) => JSON.stringify({ code, message, hint, exitCode, signal }))).size, 1, 'each is told the same')
  return errors[0]!
}

/**
 * Watches how long this machine keeps a process from running that has nothing to do but to look at the
 * clock. What a busy machine takes from everybody is not what is measured.
 */
const watchNoise = (t: Test) => {
  let worst = 0
  let last = now()
  const timer = setInterval(() => {
    const at = now()
    worst = Math.max(worst, at - last - TICK)
    last = at
  }, TICK)
  t.teardown(() => clearInterval(timer))
  return { get worst() { return worst } }
}

const TICK = 5

/** A wait consists of some turns at the processor, each of which may be delayed like this. */
const TURNS = 5

const within = (t: Test, errors: readonly Failure[], since: number, noise: number): void => {
  const waits = errors.map(({ at }) => Math.round(at - since))
  const most = AT_ONCE + TURNS * noise
  t.same(waits.filter((ms) => !isWithin(ms, most)), [], `each within ${AT_ONCE} ms (and noise of ${Math.round(noise)}): ${waits.join(', ')}`)
}

/** A launcher that is kept from telling for 150 ms is spoken for, by somebody who cannot know the code. */
const spokenFor = (exitCode: number | undefined, noise: number): boolean => exitCode === undefined && noise > 20

/** When all of the clients wait for one launch. */
const allWait = async (clients: readonly Client[]): Promise<void> => {
  await Promise.all(clients.map((one) => one.said('waiting')))
}

t.test('the exit of a server that boots reaches each of 8 waiting clients within 200 ms, with the same text', async (t) => {
  const here = place(t)
  const clients = await together(t, here, CLIENTS, here.options('dies-after-100ms', { env: { DIE_MS: '1500' } }))
  await allWait(clients)
  const noise = watchNoise(t)
  const errors = (await allEnded(clients)).map(errorOf)
  const { code, exitCode, logTail } = sameFor(t, errors)
  t.match({ code, logTail }, { code: 'SERVER_EXITED', logTail: 'boom: gave up while booting' })
  t.ok(exitCode === 9 || spokenFor(exitCode, noise.worst), `exit code ${exitCode}`)
  within(t, errors, here.ledger().find(({ event }) => event === 'stop')!.at, noise.worst)
  t.equal(here.starts().length, 1, 'the ledger shows one start')
  t.same(here.alive(), [])
})

t.test('a server that dies at once fails all 8 that began with it, however far each had come', async (t) => {
  const here = place(t)
  const clients = await together(t, here, CLIENTS, here.options('dies-at-once'))
  const errors = (await allEnded(clients)).map(errorOf)
  const { code, exitCode, logTail } = sameFor(t, errors)
  t.match({ code, logTail }, { code: 'SERVER_EXITED', logTail: 'boom: cannot start' })
  // Loading wait-on may keep the launcher from telling for longer than the others wait.
  t.ok(exitCode === 7 || exitCode === undefined, `exit code ${exitCode}`)
  t.equal(here.starts().length, 1, 'those that were queued for the lock start nothing more')
  t.same(here.alive(), [])
})

t.test('a start timeout reaches each of 8 waiting clients within 200 ms of the exit, with the same text', async (t) => {
  const here = place(t)
  const clients = await together(t, here, CLIENTS, here.options('never-listens', { startupTimeout: 1500 }))
  const noise = watchNoise(t)
  const errors = (await allEnded(clients)).map(errorOf)
  const { code, message } = sameFor(t, errors)
  t.equal(code, 'START_TIMEOUT')
  t.match(message, /^Server failed to start within 1500 ms: waiting for the health check of http:\/\/127\.0\.0\.1:\d+\/api\/health: the connection was refused\./)
  within(t, errors, here.ledger().find(({ event }) => event === 'stop')!.at, noise.worst)
  t.equal(here.starts().length, 1, 'the ledger shows one start')
  t.same(here.alive(), [])
})

t.test('a launch that is stopped on purpose reaches each of 8 waiting clients within 200 ms of the exit', async (t) => {
  const here = place(t)
  const clients = await together(t, here, CLIENTS, here.options('never-answers'))
  await allWait(clients)
  await until(() => existsSync(here.logFile) && readFileSync(here.logFile, 'utf8').includes('asked'), 'its launcher to ask for its health')
  const noise = watchNoise(t)
  const stopper = await client(t, here, here.options('healthy'), { method: 'stopServer' }).ended
  t.match(stopper.result, { info: true }, stopper.error?.message ?? 'stopped')
  const errors = (await allEnded(clients)).map(errorOf)
  t.match(sameFor(t, errors), { code: 'STOPPED', message: 'The server was stopped on purpose while this call waited for it to become ready.' })
  within(t, errors, here.ledger().find(({ event }) => event === 'stop')!.at, noise.worst)
  t.equal(here.starts().length, 1, 'the ledger shows one start')
  t.same(here.alive(), [])
})

t.test('a launcher that is killed takes nothing along: the others learn of the exit that it would have told', async (t) => {
  const here = place(t)
  const clients = await together(t, here, CLIENTS, here.options('dies-after-100ms', { env: { DIE_MS: '1500' } }))
  await allWait(clients)
  const launcher = await Promise.race(clients.map((one) => one.said('claimed').then(() => one)))
  launcher.child.kill('SIGKILL')
  const errors = (await allEnded(clients.filter((one) => one !== launcher))).map(errorOf)
  t.equal(new Set(errors.map(({ message }) => message)).size, 1, 'each is told the same')
  t.match(errors[0], { code: 'SERVER_EXITED', exitCode: undefined, logTail: 'boom: gave up while booting' })
  t.match(errors[0]!.message, /^Server exited \(only the client that launched it can learn its exit code, and that client did not record one\) before/)
  t.equal(here.starts().length, 1, 'the ledger shows one start')
})

t.test('a call that is made after the failure starts afresh', async (t) => {
  const here = place(t)
  errorOf(await client(t, here, here.options('dies-at-once')).ended)
  const { info, status } = resultOf(await client(t, here, here.options('healthy')).ended)
  t.match({ info, status }, { info: { started: true }, status: 200 })
  t.equal(here.starts().length, 2)
  t.equal(await here.manager('healthy').stopServer(), true)
})

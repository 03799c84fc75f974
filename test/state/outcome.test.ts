/** How a launch failed, for those who did not launch it: the same error, once, and only for those who can have waited. */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import t from 'tap'
import { OneServerError, serverExited, startTimeout } from '../../lib/errors.js'
import { markPath } from '../../lib/state/directory.js'
import { endedBecause, endedMark, outcomeOf, readOutcomes, outcomeBody, sharedBy, writeOutcome } from '../../lib/state/outcome.js'
import { nodeSystem } from '../../lib/node-system.js'
import { aContext } from '../support/a-context.js'

const ID = '0123456789abcdef'
const OTHER = 'fedcba9876543210'

const callAt = (began: number, total = 10_000) => ({ began, at: began + total, total })

const failure = (exitCode: number) => serverExited({ exitCode, pid: 77, port: 3000, logFile: '/l', logTail: 'boom\n"quoted"' })

t.test('who reads an outcome gets the error that was written, with all its data', async (t) => {
  const context = await aContext(t)
  t.equal(await outcomeOf(context, ID), undefined)
  const error = failure(7)
  t.equal(await writeOutcome(context, ID, error), error)
  const told = (await outcomeOf(context, ID))?.error
  t.ok(told instanceof OneServerError)
  for (const field of ['code', 'message', 'hint', 'exitCode', 'signal', 'logTail', 'logFile', 'pid', 'port'] as const) t.equal(told?.[field], error[field], field)
})

t.test('the first outcome stands, and who comes second is told it', async (t) => {
  const context = await aContext(t)
  await writeOutcome(context, ID, failure(7))
  t.equal((await writeOutcome(context, ID, failure(8))).exitCode, 7)
  t.equal((await outcomeOf(context, ID))?.error.exitCode, 7)
  t.same(await context.system.list(context.paths.host), [basename(markPath(context.paths, ID, 'outcome'))], 'nothing else is left')
})

t.test('an outcome is for the calls that began before it', async (t) => {
  let now = 1000
  const context = await aContext(t, {}, { ...nodeSystem, now: () => now })
  await writeOutcome(context, ID, failure(7))
  now = 2000
  await writeOutcome(context, OTHER, failure(8))
  const failed = async (outcomes: readonly string[], began: number) => (await readOutcomes(context, outcomes, callAt(began))).failed?.exitCode
  t.equal(await failed([ID], 999), 7)
  t.equal(await failed([ID], 1000), undefined)
  t.equal(await failed([ID, OTHER], 1500), 8)
  t.equal(await failed([], 0), undefined)
  t.equal(await failed([ID, OTHER], Number.POSITIVE_INFINITY), undefined)
  const third = 'a'.repeat(16)
  await writeOutcome(context, third, failure(9), 1800)
  t.equal(await failed([third], 1799), 9, 'or before the time that it names')
  t.equal(await failed([third], 1800), undefined)
  now = 1700
  t.equal(await failed([third], 0), undefined, 'one from the future was never told by anybody')
})

t.test('outcomes that nobody can be waiting for are told apart', async (t) => {
  let now = 1000
  const context = await aContext(t, {}, { ...nodeSystem, now: () => now })
  const damaged = 'a'.repeat(16)
  await writeOutcome(context, ID, failure(7))
  now = 4000
  await writeOutcome(context, OTHER, failure(8))
  writeFileSync(markPath(context.paths, damaged, 'outcome'), '{"format":1,"at":4')
  now = 6000
  t.same((await readOutcomes(context, [ID, OTHER, damaged], callAt(0))).old, [damaged], '5 s later one may still be read')
  now = 6001
  t.same((await readOutcomes(context, [ID, OTHER, damaged], callAt(0))).old, [ID, damaged])
})

t.test('an outcome for which there is no folder any more is not missed by anybody', async (t) => {
  const context = await aContext(t)
  await context.system.removeFolder(context.paths.host)
  const error = failure(7)
  t.equal(await writeOutcome(context, ID, error), error)
  writeFileSync(context.paths.host, '')
  await t.rejects(writeOutcome(context, ID, error), { code: 'STATE_UNUSABLE' }, 'any other failure is one')
})

t.test('what is damaged or of another format tells nothing', async (t) => {
  const context = await aContext(t)
  const whole = outcomeBody(failure(7), 5)
  for (const text of ['', 'null', '[]', '5', whole.slice(0, -1), whole.replace('"format":1', '"format":2'), whole.replace('"at":5', '"at":"5"'), '{"format":1,"at":5}']) {
    writeFileSync(markPath(context.paths, ID, 'outcome'), text)
    t.equal(await outcomeOf(context, ID), undefined, text)
  }
  writeFileSync(markPath(context.paths, ID, 'outcome'), whole)
  t.equal((await outcomeOf(context, ID))?.error.exitCode, 7)
})

t.test('who ends a launch may say why, or that nobody needs to be told', async (t) => {
  const context = await aContext(t)
  writeFileSync(markPath(context.paths, ID, 'ended'), outcomeBody(failure(7), 5))
  t.equal((await endedBecause(context, ID))?.exitCode, 7)
  t.match(await endedMark(context, ID), { at: 5, error: { exitCode: 7 } })
  t.equal(await outcomeOf(context, ID), undefined, 'which is not yet an outcome')
  t.equal(outcomeBody(undefined, 5), '')
  writeFileSync(markPath(context.paths, ID, 'ended'), '')
  t.equal(await endedBecause(context, ID), undefined)
  t.equal(await endedBecause(context, OTHER), undefined)
})

t.test('what does not apply is not written down', async (t) => {
  const context = await aContext(t)
  await writeOutcome(context, ID, serverExited({ signal: 'SIGKILL', pid: 7 }))
  t.same(JSON.parse(readFileSync(markPath(context.paths, ID, 'outcome'), 'utf8')).data, { signal: 'SIGKILL', pid: 7 })
})

t.test('one budget for everybody: a call with time left shares no START_TIMEOUT, and another reads its own time in it', async (t) => {
  const error = startTimeout(3000, 'waiting for the health check of http://127.0.0.1:1/: it answered within 5 ms', { pid: 7, logFile: '/l', logTail: 'boom' })
  const shared = { error, at: 3000 }
  t.equal(sharedBy(callAt(500, 20_000), shared), undefined)
  t.equal(sharedBy(callAt(0, 4001), shared), undefined)
  const told = sharedBy(callAt(0, 4000), shared)
  t.equal(told?.message, error.message.replace('3000', '4000'), 'within the margin of a crowd it is shared')
  t.match(told, { code: 'START_TIMEOUT', hint: error.hint, pid: 7, logTail: 'boom' })
  t.equal(sharedBy(callAt(0, 1500), shared)?.message, error.message.replace('3000', '1500'))
  const exited = failure(7)
  t.equal(sharedBy(callAt(0, 20_000), { error: exited, at: 10 }), exited, 'what failed has failed for everybody')
})

t.test('starved clients: an outcome is kept for as long as a client of the launch may wait, and not for ever', async (t) => {
  let now = 1000
  const context = await aContext(t, {}, { ...nodeSystem, now: () => now })
  await writeOutcome(context, ID, failure(7), 1000, 60_000)
  await writeOutcome(context, OTHER, failure(8), 1000, 10)
  const third = 'a'.repeat(16)
  await writeOutcome(context, third, failure(9), 1000, 1e12)
  const old = async (at: number) => {
    now = at
    return (await readOutcomes(context, [ID, OTHER, third], callAt(0))).old
  }
  t.same(await old(6000), [])
  t.same(await old(6001), [OTHER])
  t.same(await old(61_000), [OTHER])
  t.same(await old(61_001), [ID, OTHER])
  t.same(await old(601_001), [ID, OTHER, third])
})

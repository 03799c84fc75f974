/** The machine behind the seam: the clock, waiting, and above all that a signal goes only to the very process. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { nodeSystem as system } from '../lib/node-system.js'
import { library, runModule, start, startSpeaking } from './support/child.js'
import { tempFolder } from './support/temp-folder.js'
import { within } from './support/within.js'

const waiter = async (t: Test) => {
  const child = start(t, '/bin/sh', ['-c', 'read line'], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  const look = await system.look(child.pid!)
  if (!('start' in look)) throw new Error('it has not started')
  return { child, id: { pid: child.pid!, start: look.start } }
}

t.test('the clock is the one of the boot, and never goes back', async (t) => {
  const before = system.now()
  const { stdout } = await runModule(t, `import { nodeSystem } from '${library('node-system.js')}'; console.log(nodeSystem.now())`)
  const after = system.now()
  t.ok(before < Number(stdout) && Number(stdout) < after, 'another process reads the same one')
})

t.test('an id is 16 hex digits and another each time', async (t) => {
  const ids = await Promise.all(Array.from({ length: 20 }, () => system.randomId()))
  for (const id of ids) t.match(id, /^[0-9a-f]{16}$/)
  t.equal(new Set(ids).size, 20)
})

t.test('an id is another each time also where a host has put a constant, or a seed, in place of Math.random', async (t) => {
  const { random } = Math
  const seeds = [() => 0, () => 0.5, () => 1 - 2 ** -53]
  const ids: string[] = []
  for (const seed of seeds) {
    Math.random = seed
    try {
      ids.push(...(await Promise.all(Array.from({ length: 1000 }, () => system.randomId()))))
    } finally {
      Math.random = random
    }
  }
  const OTHER = `Math.random = () => 0; const { nodeSystem } = await import('${library('node-system.js')}'); console.log(await nodeSystem.randomId())`
  for (const { stdout } of await Promise.all([runModule(t, OTHER), runModule(t, OTHER)])) ids.push(stdout.trim())
  for (const id of ids) if (!/^[0-9a-f]{16}$/.test(id)) t.fail(id)
  t.equal(new Set(ids).size, ids.length, 'here, and in two processes')
})

t.test('a sleep ends after its time, when it is woken, and on a signal', async (t) => {
  const took = async (sleep: () => Promise<void>): Promise<number> => {
    const began = performance.now()
    await sleep()
    return performance.now() - began
  }
  t.ok(await took(() => system.sleep(30)) >= 29)
  const caller = new AbortController()
  setImmediate(() => caller.abort())
  for (const early of [{ wake: Promise.resolve() }, { wake: Promise.reject(new Error('x')) }, { signal: caller.signal }, { signal: AbortSignal.abort() }]) {
    within(t, await took(() => system.sleep(60_000, early)), 5000, 'long before its time')
  }
  const { code } = await runModule(t, `
    import { nodeSystem } from '${library('node-system.js')}'
    await nodeSystem.sleep(60000, { wake: Promise.resolve() })`)
  t.equal(code, 0, 'and then it holds nothing')
})

t.test('a starved loop: what arrived while it was blocked is read before a sleep is over', async (t) => {
  const { line, child } = startSpeaking(t, 'cat', [])
  child.stdin!.write('first\n')
  t.equal(await line(), 'first')
  const order: string[] = []
  const sleeping = system.sleep(20).then(() => { order.push('slept') })
  child.stdin!.write('second\n')
  const reading = line().then((text) => { order.push(text) })
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
  await Promise.all([sleeping, reading])
  t.same(order, ['second', 'slept'])
})

t.test('a signal goes to the very process', async (t) => {
  const { child, id } = await waiter(t)
  const exit = once(child, 'exit')
  t.equal(await system.signal(id, 'SIGTERM'), true)
  t.same(await exit, [null, 'SIGTERM'])
  t.equal(await system.signal(id, 'SIGTERM'), false, 'and to none once it is gone')
})

t.test('a process that has the PID of another is not signalled, nor its group', async (t) => {
  const { child, id } = await waiter(t)
  const other = { ...id, start: String(BigInt(id.start) + 1n) }
  t.equal(await system.signal(other, 'SIGKILL'), false)
  t.equal(await system.signalGroup(id.pid, other, 'SIGKILL'), false)
  t.same([child.exitCode, child.signalCode], [null, null])
  t.match(await system.look(id.pid), { state: 'running', start: id.start })
})

t.test('a group is signalled only while a member vouches for it', async (t) => {
  const [one, other] = [await waiter(t), await waiter(t)]
  t.equal(await system.signalGroup(one.id.pid, other.id, 'SIGKILL'), false, 'a process of another group does not')
  t.match(await system.look(one.id.pid), { state: 'running' })
  const exit = once(one.child, 'exit')
  t.equal(await system.signalGroup(one.id.pid, one.id, 'SIGKILL'), true)
  t.same(await exit, [null, 'SIGKILL'])
})

t.test('a package is found from where a script lies', async (t) => {
  const from = join(tempFolder(t), 's.ts')
  writeFileSync(from, '')
  t.equal(await system.resolvePackage('tsx', from), undefined)
  t.match(await system.resolvePackage('tap', library('index.js')), /tap/)
})

t.test('a free port is one on which nothing listens', async (t) => {
  t.same(await system.listenersAt('127.0.0.1', await system.freePort()), [])
})

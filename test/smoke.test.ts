/**
 * The promises in one walk, on any system that Node runs on: nothing here needs a signal, a shell or /proc. CI requires it of macOS and
 * Windows (`npm run smoke`), where the rest of the suite runs for information.
 */
import t, { type Test } from 'tap'
import { fileURLToPath } from 'node:url'
import { run } from './support/child.js'
import { allEnded, client, fixture, place, resultOf, together, type Place } from './support/clients.js'
import { holder } from './support/holders.js'
import { isAlive } from './support/processes.js'
import { until } from './support/until.js'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

const cli = (t: Test, here: Place, ...args: string[]) => run(t, process.execPath, [CLI, ...args], { env: here.env, cwd: here.folder })

/** A Windows program needs more of the environment than its PATH. */
const everything = { inheritEnv: true } as const

/** The files of a server that has ended go right after it. */
const isClean = async (here: Place): Promise<void> => {
  await until(() => !here.starts().some(({ pid }) => isAlive(pid)), 'each server that was started to end')
  await until(() => here.left().length === 0, `nothing to be left, and not ${here.left().join(', ')}`)
}

t.test('eight clients start one server; later ones use it; a stop ends it and leaves nothing', async (t) => {
  const here = place(t)
  const options = here.options('healthy', everything)
  const all = (await allEnded(await together(t, here, 8, options))).map(resultOf)
  t.equal(here.starts().length, 1, 'one start, as the server itself wrote down')
  t.same([...new Set(all.map(({ info, status }) => `${info.url} ${status}`))], [`${all[0]!.info.url} 200`], 'one URL, and it answers')
  t.equal(all.filter(({ info }) => info.started).length, 1)
  t.match(resultOf(await client(t, here, options).ended).info, { started: false, url: all[0]!.info.url })
  const { error } = await client(t, here, options, { method: 'stopServer' }).ended
  t.equal(error, undefined)
  await isClean(here)
})

t.test('a server for leases serves until the last one ends, however that ends', async (t) => {
  const here = place(t)
  const options = here.options('healthy', { ...everything, idleTimeout: 0 })
  for (const last of ['let go', 'killed']) {
    const [one, other] = [holder(t, here, options), holder(t, here, options)]
    const { url, pid } = await one.held
    t.match(await other.held, { url, pid })
    t.equal((await one.release()).failed, 0)
    t.ok(isAlive(pid!), 'another lease holds it')
    if (last === 'killed') await other.kill()
    else t.equal((await other.release()).failed, 0)
    await until(() => !isAlive(pid!), `the server to end after the last lease was ${last}`)
    await isClean(here)
  }
  t.equal(here.starts().length, 2)
})

t.test('a server that has died is started again, once', async (t) => {
  const here = place(t)
  const options = here.options('healthy', everything)
  const { info } = resultOf(await client(t, here, options).ended)
  await here.kill(info.pid!)
  const all = (await allEnded(await together(t, here, 3, options))).map(resultOf)
  t.equal(here.starts().length, 2)
  t.equal(new Set(all.map(({ info: { url } }) => url)).size, 1)
  await client(t, here, options, { method: 'stopServer' }).ended
  await isClean(here)
})

t.test('the command line starts, shows and stops it, and runs a command with it', async (t) => {
  const here = place(t)
  const server = ['--pid-file', here.pidFile, '--script', fixture('healthy'), '--port', 'auto']
  const started = await cli(t, here, 'start', ...server)
  t.match(started, { code: 0, stdout: /http:\/\/\S+:\d+/ })
  t.match(await cli(t, here, 'status', '--pid-file', here.pidFile), { code: 0, stdout: /^state +ready/ })
  t.match(await cli(t, here, 'stop', '--pid-file', here.pidFile), { code: 0 })
  t.match(await cli(t, here, 'status', '--pid-file', here.pidFile), { code: 3 })
  const command = ['-e', 'require("node:http").get(process.env.ONE_SERVER_URL + "/api/health", (answer) => process.exit(answer.statusCode === 200 ? 7 : 1))']
  const ran = await cli(t, here, 'run', ...server, '--idle-timeout', '0', '--', process.execPath, ...command)
  t.match(ran, { code: 7 }, `its own exit code: ${ran.stderr}`)
  await until(() => here.left().length === 0, `nothing to be left, and not ${here.left().join(', ')}`)
})

/**
 * The steward as a process: what the local protocol launches where a server has a coordinator. It is bundled into one text, as the reaper
 * is, since in an extension's bundle there is no file to run.
 *
 *     node -e <this> <port>
 *     node -e <this> tidy <PID file> <PID> <start time>     removes what a steward left that ended by itself
 *
 * At this port of the loopback interface it says where the server is, to clients of this host alone: 200 with the header
 * `x-one-server-at` once the server has answered at its URL just now, else 503. At `/status` it says what it knows (known.ts),
 * at `/look` after a look at the engine.
 */
import { createServer } from 'node:http'
import { contextOf } from '../context.js'
import { unforeseen } from '../errors.js'
import { nodeSystem } from '../node-system.js'
import { findLaunch } from '../state/directory.js'
import { writeOutcome } from '../state/outcome.js'
import { AT_HEADER, LOOK_PATH, STATUS_PATH } from './ask.js'
import { etcdCoordinator } from './etcd.js'
import { describe } from './etcd-url.js'
import { identityOf } from './identity.js'
import { keysOf } from './claim.js'
import { Knowledge } from './known.js'
import { placeOf } from './place.js'
import { unpackErrand } from './settings.js'
import { steward } from './steward.js'
import { SHARE } from './term.js'
import { leaveTidier, tidy } from './tidy.js'
import { thisHost, type Host } from './this-host.js'

/** Answers the clients of this host. */
const answerAt = (port: number, launch: string, host: Host, known: Knowledge, look: () => Promise<unknown>): void => {
  const wallClock = (): number => Date.now() - host.instant().monotonic
  const began = wallClock()
  const server = createServer(async ({ url }, response) => {
    const headers = { 'x-one-server-launch': launch, connection: 'keep-alive' }
    if (url === LOOK_PATH) await look().catch(() => {})
    if (url === STATUS_PATH || url === LOOK_PATH) {
      response.writeHead(200, { ...headers, 'content-type': 'application/json' })
      return void response.end(JSON.stringify(known.told(wallClock() - began)))
    }
    const { at } = host
    const why = at === undefined ? 'the server is not ready' : await host.check(at.url)
    if (at !== undefined) host.answers(why === undefined)
    if (at === undefined || why !== undefined) return void response.writeHead(503, headers).end(`${known.why() ?? why}\n`)
    response.writeHead(200, { ...headers, [AT_HEADER]: `${at.url} ${at.host} ${at.epoch} ${at.pid} ${at.isOwn ? 'own' : 'other'}` }).end()
  })
  // Another program may take the port after it was chosen. By this exit and these words the launcher chooses again, as for a server.
  server.on('error', (error) => {
    if (server.listening) return
    process.stdout.write(`one-server: ${error.message}\n`)
    process.exit(1)
  })
  server.listen({ host: '127.0.0.1', port })
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGPIPE'] as const

const run = async (): Promise<void> => {
  const errand = unpackErrand(process.env)
  const { settings } = errand
  process.title = `one-server steward ${errand.name}`
  const pidFile = process.env['ONE_SERVER_PID_FILE']!
  const id = process.env['ONE_SERVER_LAUNCH_ID']!
  const serverScript = settings.command === undefined ? settings.serverScript ?? errand.bundledServer : undefined
  const context = { ...(await contextOf({ ...settings, serverScript, pidFile, onEvent: undefined }, nodeSystem)), inside: undefined }
  const launch = await findLaunch(context, id)
  if (launch === undefined) return
  try {
    const engine = etcdCoordinator(errand.engine, { timeout: Math.max(500, SHARE.request * errand.ttl) })
    const { name, ttl, mayHost } = errand
    const known = new Knowledge(describe(errand.engine), keysOf(errand.engine.prefix, name), id, () => nodeSystem.now())
    const host = await thisHost(context, launch, errand, () => engine.localAddress(), known)
    let isAsked = false
    void host.asked.then(() => { isAsked = true })
    for (const signal of new Set([...SIGNALS, settings.stopSignal])) {
      if (signal !== 'SIGKILL' && signal !== 'SIGSTOP') process.on(signal, () => { if (signal !== 'SIGPIPE') host.ask() })
    }
    const watched = known.watching(engine)
    const { under } = keysOf(errand.engine.prefix, name)
    answerAt(Number(process.argv[1]), id, host, known, () => watched.list(under))
    const { command, env, version } = settings
    const words = command ?? (settings.serverScript === undefined ? [] : [settings.serverScript])
    const identity = identityOf({ command: words, env, version }, `${errand.engine.prefix}/${name}`)
    await steward(placeOf(watched, host, {
      prefix: errand.engine.prefix, name, engine: describe(errand.engine), ttl, mayHost, onMismatch: settings.onMismatch, identity,
    }))
    await host.extinguish()
    // Who has asked for the end sees to the rest.
    if (!isAsked) leaveTidier(await nodeSystem.self(), pidFile)
  } catch (error) {
    process.stdout.write(`one-server: ${(error as Error).stack}\n`)
    await writeOutcome(context, id, unforeseen(error)).catch(() => {})
  }
}

const [, task = '', pidFile = '', pid = '', start = ''] = process.argv
void (task === 'tidy' ? tidy(pidFile, { pid: Number(pid), start }) : run()).catch(() => {}).finally(() => process.exit(0))

/**
 * What of the environment changes how calls and servers behave. Names are told, and values only where they can be
 * no secret: a proxy's address may have a password in it.
 */
import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { programs } from '../system/platform/current.js'
import { finding, type Finding } from './finding.js'
import { isLiving, type Recorded } from './recorded.js'

type Env = Readonly<NodeJS.ProcessEnv>

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']

/** By these, runners find what they end when a job is over. */
const MARKS = ['RUNNER_TRACKING_ID', 'JENKINS_NODE_COOKIE', 'JENKINS_SERVER_COOKIE', 'HUDSON_COOKIE', 'HUDSON_SERVER_COOKIE']

const isSet = (env: Env, name: string): boolean => env[name] !== undefined && env[name] !== ''

const proxies = (env: Env): Finding[] => {
  const set = PROXIES.filter((name) => isSet(env, name))
  if (set.length === 0) return [finding('environment', 'ok', 'no proxy is set')]
  const except = (env['NO_PROXY'] ?? env['no_proxy'] ?? '').split(/[\s,]+/)
  const spares = except.includes('*') || ['localhost', '127.0.0.1'].every((host) => except.includes(host))
  const text = `${set.join(', ')} ${set.length === 1 ? 'is' : 'are'} set, NO_PROXY ${spares ? 'spares' : 'does not spare'} localhost and 127.0.0.1`
  return [finding('environment', spares ? 'ok' : 'note', text, { ...(spares ? {} : { advice: 'Health checks go past every proxy; your own clients of the server may not. Add localhost,127.0.0.1,::1 to NO_PROXY.' }), data: { proxies: set, spares } })]
}

const places = (env: Env): Finding[] => ['ONE_SERVER_STATE_DIR', 'XDG_STATE_HOME'].flatMap((name) => {
  const value = env[name]
  if (!value) return []
  if (!isAbsolute(value)) return [finding('environment', 'problem', `${name} is a relative path: ${value}`, { advice: 'A name then means another server in each working directory. Make it absolute.' })]
  return [finding('environment', 'note', `${name}=${value}`, { advice: 'Names are looked for there. A client without this variable means other servers by the same names.' })]
})

/** Option names only: a value may be anything. */
const nodeOptions = (env: Env): Finding[] => {
  if (!isSet(env, 'NODE_OPTIONS')) return []
  const names = [...new Set((env['NODE_OPTIONS']!.match(/(?:^|\s)(--?[a-z][\w-]*)/g) ?? []).map((name) => name.trim()))]
  return [finding('environment', 'note', `NODE_OPTIONS has ${names.length === 0 ? 'something' : names.join(', ')}`, { advice: 'The server inherits it, without debuggers and what editors and coverage preload. inheritEnv decides.', data: { nodeOptions: names } })]
}

const inside = (env: Env, { launches }: Recorded): Finding[] => {
  const id = env['ONE_SERVER_LAUNCH_ID']
  if (id === undefined) return []
  return launches.some((seen) => isLiving(seen) && seen.launch.id === id)
    ? [finding('environment', 'problem', 'this runs inside the very server that it asks about (ONE_SERVER_LAUNCH_ID)', { advice: 'A start from here fails at once with INVALID_OPTION, since it would wait for itself.' })]
    : [finding('environment', 'note', 'this runs inside a server that one-server has started (ONE_SERVER_LAUNCH_ID)', { advice: 'What is started from here without that variable removed is ended together with that server.' })]
}

const namesIn = (pid: number): string[] => {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').map((entry) => entry.split('=', 1)[0]!)
  } catch {
    return []
  }
}

const marks = (env: Env, { launches }: Recorded): Finding[] => {
  const here = MARKS.filter((name) => isSet(env, name))
  const found: Finding[] = []
  if (here.length > 0) found.push(finding('environment', 'note', `this is a job of a runner: ${here.join(', ')}`, { advice: 'At its end the runner ends what carries that, a server included that inherits it. inheritEnv decides.', data: { marks: here } }))
  for (const { launch: { leader } } of launches.filter(isLiving)) {
    const carried = namesIn(leader.pid).filter((name) => MARKS.includes(name))
    if (carried.length > 0) found.push(finding('environment', 'note', `the server, PID ${leader.pid}, carries ${carried.join(', ')}`, { advice: 'It goes with the job that started it. To outlive that, start it with an inheritEnv that has not these names.' }))
  }
  return found
}

const KNOWN = new Set(['ONE_SERVER_STATE_DIR', 'ONE_SERVER_LAUNCH_ID', 'ONE_SERVER_PID_FILE'])

const others = (env: Env): Finding[] => {
  const found: Finding[] = []
  const own = Object.keys(env).filter((name) => name.startsWith('ONE_SERVER_') && !KNOWN.has(name))
  if (own.length > 0) found.push(finding('environment', 'note', `also set: ${own.join(', ')}`, { advice: 'On the command line, those that are called like a flag count as that flag.' }))
  if (!programs.pathIn(env)) found.push(finding('environment', 'note', 'PATH is not set', { advice: 'A server whose program has no slash in its name is not found. Name it by an absolute path, or by serverScript (--script), which this Node runs.' }))
  if (isSet(env, 'NODE_USE_ENV_PROXY')) found.push(finding('environment', 'note', 'NODE_USE_ENV_PROXY is set', { advice: 'The requests of a newer Node go through the proxy that is set; health checks do not.' }))
  if (isSet(env, 'CI')) found.push(finding('environment', 'ok', 'CI is set: no progress is drawn'))
  return found
}

export const environment = (env: Env, recorded: Recorded): Finding[] =>
  [...proxies(env), ...places(env), ...nodeOptions(env), ...inside(env, recorded), ...marks(env, recorded), ...others(env)]

/**
 * The environment variables that change how calls and servers behave. A value can be secret (the address of a proxy may
 * hold a password), so names are printed, and values only of the two variables that name a folder.
 */
import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { programs } from '../system/platform/current.js'
import { finding, type Finding } from './finding.js'
import { isLiving, type Recorded } from './recorded.js'

type Env = Readonly<NodeJS.ProcessEnv>

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']

/** By these variables a CI runner finds the processes that it ends when a job is over. */
const MARKS = ['RUNNER_TRACKING_ID', 'JENKINS_NODE_COOKIE', 'JENKINS_SERVER_COOKIE', 'HUDSON_COOKIE', 'HUDSON_SERVER_COOKIE']

const isSet = (env: Env, name: string): boolean => env[name] !== undefined && env[name] !== ''

const proxies = (env: Env): Finding[] => {
  const set = PROXIES.filter((name) => isSet(env, name))
  if (set.length === 0) return [finding('environment', 'ok', 'no proxy is set')]
  const except = (env['NO_PROXY'] ?? env['no_proxy'] ?? '').split(/[\s,]+/)
  const spares = except.includes('*') || ['localhost', '127.0.0.1'].every((host) => except.includes(host))
  const are = set.length === 1 ? 'is' : 'are'
  const text = `${set.join(', ')} ${are} set, NO_PROXY ${spares ? 'spares' : 'does not spare'} localhost and 127.0.0.1`
  const data = { proxies: set, spares }
  if (spares) return [finding('environment', 'ok', text, { data })]
  return [finding('environment', 'note', text, {
    advice: 'Health checks use no proxy, but your own clients of the server may. Add localhost,127.0.0.1,::1 to NO_PROXY.', data,
  })]
}

const places = (env: Env): Finding[] => ['ONE_SERVER_STATE_DIR', 'XDG_STATE_HOME'].flatMap((name) => {
  const value = env[name]
  if (!value) return []
  if (!isAbsolute(value)) {
    return [finding('environment', 'problem', `${name} is a relative path: ${value}`, {
      advice: name === 'XDG_STATE_HOME'
        ? 'It is ignored, as the XDG specification says of a relative path. Make the path absolute.'
        : 'In each working directory a name then stands for another server. Make the path absolute.',
    })]
  }
  const isUsed = name === 'ONE_SERVER_STATE_DIR' || !isSet(env, 'ONE_SERVER_STATE_DIR')
  return [finding('environment', 'note', `${name}=${value}`, {
    advice: isUsed
      ? 'The state of named servers is kept there. A client without this variable does not find them, and starts servers of its own.'
      : 'It has no effect on one-server, since ONE_SERVER_STATE_DIR comes before it.',
  })]
})

/** Names of options only: a value may be anything. */
const nodeOptions = (env: Env): Finding[] => {
  if (!isSet(env, 'NODE_OPTIONS')) return []
  const names = [...new Set((env['NODE_OPTIONS']!.match(/(?:^|\s)(--?[a-z][\w-]*)/g) ?? []).map((name) => name.trim()))]
  return [finding('environment', 'note', `NODE_OPTIONS has ${names.length === 0 ? 'something' : names.join(', ')}`, {
    advice: 'The server inherits it, without debuggers and without what editors and coverage tools preload. ' +
      'The option inheritEnv can leave it out.',
    data: { nodeOptions: names },
  })]
}

const inside = (env: Env, { launches }: Recorded): Finding[] => {
  const id = env['ONE_SERVER_LAUNCH_ID']
  if (id === undefined) return []
  if (launches.some((seen) => isLiving(seen) && seen.launch.id === id)) {
    return [finding('environment', 'problem', 'this process runs inside the very server that it asks about (ONE_SERVER_LAUNCH_ID)', {
      advice: 'A start from here fails at once with INVALID_OPTION, since it would wait for itself.',
    })]
  }
  return [finding('environment', 'note', 'this process runs inside a server that one-server has started (ONE_SERVER_LAUNCH_ID)', {
    advice: 'A process that inherits this variable is ended together with that server. Unset it for a process that should outlive it.',
  })]
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
  if (here.length > 0) {
    found.push(finding('environment', 'note', `a CI runner has marked this process: ${here.join(', ')}`, {
      advice: 'When the job ends, the runner ends each process that carries the mark. ' +
        'A server inherits the mark unless inheritEnv leaves it out.',
      data: { marks: here },
    }))
  }
  for (const { launch: { leader } } of launches.filter(isLiving)) {
    const carried = namesIn(leader.pid).filter((name) => MARKS.includes(name))
    if (carried.length === 0) continue
    found.push(finding('environment', 'note', `the server, PID ${leader.pid}, carries ${carried.join(', ')}`, {
      advice: 'The runner ends it together with the job that started it. To let it outlive the job, leave these names out of inheritEnv.',
    }))
  }
  return found
}

const KNOWN = new Set(['ONE_SERVER_STATE_DIR', 'ONE_SERVER_LAUNCH_ID', 'ONE_SERVER_PID_FILE'])

const others = (env: Env): Finding[] => {
  const found: Finding[] = []
  const note = (text: string, advice: string): void => { found.push(finding('environment', 'note', text, { advice })) }
  const own = Object.keys(env).filter((name) => name.startsWith('ONE_SERVER_') && !KNOWN.has(name))
  if (own.length > 0) {
    const advice = 'On the command line, a variable named like a flag counts as that flag: ONE_SERVER_PORT as --port.'
    note(`also set: ${own.join(', ')}`, advice)
  }
  if (!programs.pathIn(env)) {
    note('PATH is not set', 'A program without a slash in its name is not found. Give its absolute path, or a serverScript (--script).')
  }
  if (isSet(env, 'NODE_USE_ENV_PROXY')) {
    note('NODE_USE_ENV_PROXY is set', 'A Node that knows this variable sends your own requests through the proxy. Health checks use none.')
  }
  if (isSet(env, 'CI')) found.push(finding('environment', 'ok', 'CI is set: no progress is drawn'))
  return found
}

export const environment = (env: Env, recorded: Recorded): Finding[] =>
  [...proxies(env), ...places(env), ...nodeOptions(env), ...inside(env, recorded), ...marks(env, recorded), ...others(env)]

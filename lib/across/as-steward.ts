/**
 * With a coordinator, what the local protocol launches is a steward in place of the server. Its identity stays the server's: what the
 * clients of this host compare is what their caller gave.
 */
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { invalidCombination, invalidOption } from '../errors.js'
import type { Context } from '../context.js'
import type { Coordination } from '../options/options.js'
import type { Settings } from '../options/settings.js'
import { etcdPlan, fromEnvironment, isEtcdPlan, NAME } from './etcd-url.js'
import { launching } from '../system/platform/current.js'
import { isUrl } from '../text/is-url.js'
import { libraryFolder } from '../this-copy.js'
import { CODE, packErrand, type Errand } from './settings.js'
import { stewardSource } from './steward-source.js'

/** ms of `ttl`. Below, a busy machine would lose its server; above, nobody would wait for a host that died. */
const TTL = { least: 5000, most: 600_000 }

/** ms beside its own `stopTimeout` in which a steward gives its claim back and ends. */
const STEWARD_STOPS = 3000

const LOADER = `eval(process.env.${CODE})`

/** Where a host listens on all of its addresses. No other host reaches it by that. */
const EVERYWHERE = ['0.0.0.0', '[::]']

/** Whether this host can tell others this name of itself: they make a URL of it. */
const isTold = (host: string): boolean => {
  const name = /^\[(.*)\]$/.exec(host)
  if (name !== null ? !isIPv6(name[1]!) : !NAME.test(host) || host.includes('..')) return false
  return isUrl(`http://${host}/`) && !EVERYWHERE.includes(new URL(`http://${host}/`).hostname)
}

/** `host[:port]`, with brackets around an IPv6 address. */
const parseAdvertise = (value: string | undefined): Errand['advertise'] => {
  if (value === undefined) return { host: undefined, port: 0 }
  const [, host = '', given = '0'] = /^(\[[^\]]*\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(value) ?? []
  const port = Number(given)
  if (!isTold(host) || port > 65535 || /^\d+$/.test(value)) {
    throw invalidOption('advertise', "a host that others reach, or 'host:port' (0.0.0.0 and [::] are for listen)", value)
  }
  return { host, port }
}

const assertTogether = ({ given, reuseExisting, ready, ttl }: Settings): void => {
  const exclude = (what: string, hint: string): Error => invalidCombination(`coordinator excludes ${what}`, hint)
  if (!launching.hasFuse) {
    const why = 'Windows: nothing there ends the server of a process that was frozen'
    throw exclude(why, 'Run the server on Linux or macOS, or leave the coordinator out.')
  }
  if (given.has('reuseExisting') && reuseExisting) {
    throw exclude('reuseExisting: true: nothing that one-server did not start is offered to other hosts', 'Leave out reuseExisting.')
  }
  if (ready?.kind === 'socket') {
    throw exclude("ready: 'socket:…': other hosts cannot reach a socket of this one", "Give a port: ready: 'tcp:{port}'.")
  }
  if (ttl < TTL.least || ttl > TTL.most) throw invalidOption('ttl', 'from 5s to 10m', `${ttl}ms`)
}

/** What the option says of itself comes before the environment. */
export const engineOf = (coordinator: NonNullable<Settings['coordinator']>, env: NodeJS.ProcessEnv): Coordination => {
  if (typeof coordinator === 'string') return etcdPlan(coordinator, fromEnvironment(env))
  if (isEtcdPlan(coordinator)) return coordinator
  throw invalidOption('coordinator', "a URL such as 'etcd://host:2379/prefix', or what etcd() returns", 'another object')
}

/** A config file names its servers, each with a PID file of its own; the folder differs between hosts and is no part of the name. */
export const nameOf = ({ configured, name }: Settings): string => {
  const found = configured?.name ?? name
  if (found !== undefined) return found
  const hint = 'Name the server: hosts know it by its name (name; on the command line the word after the command).'
  throw invalidCombination('coordinator needs name, and pidFile is none', hint)
}

/** What is launched for these settings. Throws INVALID_OPTION. */
export const asSteward = async (settings: Settings, env: NodeJS.ProcessEnv = process.env): Promise<Settings> => {
  const name = nameOf(settings)
  assertTogether(settings)
  const { advertise, listen, mayHost, ttl, inheritEnv } = settings
  const engine = engineOf(settings.coordinator!, env)
  const inherits = inheritEnv === true || (Array.isArray(inheritEnv) && inheritEnv.includes('NODE_OPTIONS'))
  const nodeOptions = settings.env['NODE_OPTIONS'] ?? (inherits ? env['NODE_OPTIONS'] : undefined)
  const bundledServer = join(libraryFolder, 'session-server.js')
  const errand = { engine, name, advertise: parseAdvertise(advertise), listen, mayHost, ttl, settings, nodeOptions, bundledServer }
  const isElectron = process.versions['electron'] !== undefined
  return {
    ...settings,
    asked: settings,
    command: [process.execPath, '-e', LOADER, '{port}'],
    serverScript: undefined,
    host: '127.0.0.1',
    port: { kind: 'auto' },
    healthPath: '/', healthUrl: undefined, healthMatch: undefined, healthStatus: undefined, healthHeaders: {}, ready: undefined,
    healthTimeout: settings.healthTimeout * 2,
    reuseExisting: false,
    env: {
      ...settings.env, NODE_OPTIONS: undefined, ...(isElectron ? { ELECTRON_RUN_AS_NODE: '1' } : {}),
      ...packErrand(errand), [CODE]: stewardSource,
    },
    // A silent owner is waited for beside the time that the server may take.
    startupTimeout: settings.startupTimeout + ttl,
    stopTimeout: settings.stopTimeout + STEWARD_STOPS,
  }
}

export const withSteward = async (context: Context): Promise<Context> => ({ ...context, settings: await asSteward(context.settings) })

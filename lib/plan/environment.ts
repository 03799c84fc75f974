/**
 * The environment of the server. The server serves every client, so what belongs to the launching client alone must not
 * reach it: a debugger would stop the shared server, an IPC channel has no descriptor there, an editor window has its own
 * handles. The README lists what is stripped.
 */
import type { Settings } from '../options/settings.js'
import { fill } from '../text/fill.js'

const CLIENT_ONLY = [
  /^NODE_CHANNEL_(FD|SERIALIZATION_MODE)$/, /^NODE_UNIQUE_ID$/, /^NODE_V8_COVERAGE$/,
  /^ELECTRON_(RUN_AS_NODE|NO_ATTACH_CONSOLE|NO_ASAR)$/, /^VSCODE_/, /^JB_(IDE|INTERPRETER)_/, /^NVIM$/, /^NVIM_LISTEN_ADDRESS$/,
  /^JEST_WORKER_ID$/, /^VITEST_(WORKER_ID|POOL_ID)$/, /^TAP(_|$)/,
  // A password is no server's business, and a server below it is no host's.
  /^ONE_SERVER_(COORDINATOR|ADVERTISE$|LISTEN$|MAY_HOST$|TTL$)/,
]

/** Options of Node that attach a debugger. Whole names: `--debug-arraybuffer-allocations` attaches none. */
const DEBUGGER = /^--(inspect(-brk|-port|-wait|-publish-uid)?|debug(-brk|-port)?|experimental-network-inspection)(=|$)/
/** Options whose value may be a word of its own. */
const PORT_FOLLOWS = /^--(inspect|debug)-port$/
const PRELOAD = /^(--require|-r|--import|--loader|--experimental-loader)$/

/**
 * Whether a preload is a debugger's, an editor's or a test runner's. A server may lie below a folder of any name (`JetBrainsProjects`,
 * a project `tap`), and without its own preload it finds no modules (Yarn PnP). So the file's name counts, with the folder that its
 * debugger has, or the package's.
 */
const isOfClient = (value: string): boolean => {
  const isUrl = value.startsWith('file:')
  const parts = value.replace(/^"(.*)"$/, '$1').replace(/\\(["\\])/g, '$1').split(isUrl ? '/' : /[\\/]/)
  const file = parts.at(-1) ?? ''
  if (/^debugConnector\.[cm]?js$/.test(file)) return true
  const folders = parts.slice(0, -1)
  const isBootloader = /^bootloader(\.bundle)?\.[cm]?js$/.test(file)
  if (isBootloader && folders.some((name) => /^((ms-vscode\.|vscode-)?js-debug)(-|$)/.test(name))) return true
  const isPackage = !isUrl && !/^(\.{1,2}|)$|^[A-Za-z]:$/.test(parts[0] ?? '')
  const [owner = ''] = isPackage ? parts : parts.slice(parts.lastIndexOf('node_modules') + 1 || parts.length)
  return ['@tapjs', '@jetbrains', 'tap'].includes(owner)
}

/** NODE_OPTIONS split as Node does: at spaces, with double quotes and backslashes inside them. */
const words = (options: string): string[] => (options.match(/(?:[^\s"]|"(?:\\.|[^"\\])*")+/g) ?? [])

const withoutDebugger = (options: string): { kept: string; left: string } => {
  const kept: string[] = []
  const left: string[] = []
  const all = words(options)
  for (let index = 0; index < all.length; index++) {
    const word = all[index]!
    const [name = '', inline] = word.split(/=(.*)/s)
    if (DEBUGGER.test(word)) {
      left.push(word)
      if (PORT_FOLLOWS.test(word)) left.push(all[++index] ?? '')
      continue
    }
    const value = inline ?? all[index + 1] ?? ''
    if (PRELOAD.test(name)) {
      if (inline === undefined) index++
      const target = isOfClient(value) ? left : kept
      target.push(...(inline === undefined ? [word, value] : [word]))
      continue
    }
    kept.push(word)
  }
  return { kept: kept.join(' '), left: left.join(' ').trim() }
}

/** What the server's NODE_OPTIONS lack of the caller's: a person who misses a preload must find out where it went. */
export const leftOut = ({ inheritEnv, env }: Settings, from: NodeJS.ProcessEnv = process.env): string | undefined => {
  const isInherited = inheritEnv === true || (Array.isArray(inheritEnv) && inheritEnv.includes('NODE_OPTIONS'))
  if (!isInherited || Object.hasOwn(env, 'NODE_OPTIONS')) return undefined
  return withoutDebugger(from['NODE_OPTIONS'] ?? '').left || undefined
}

const inherited = ({ inheritEnv }: Settings, from: NodeJS.ProcessEnv): Record<string, string> => {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(from)) {
    if (value === undefined) continue
    if (inheritEnv === false || (Array.isArray(inheritEnv) && !inheritEnv.includes(name))) continue
    if (CLIENT_ONLY.some((pattern) => pattern.test(name))) continue
    env[name] = value
  }
  const options = env['NODE_OPTIONS']
  if (options !== undefined) {
    const { kept } = withoutDebugger(options)
    if (kept === '') delete env['NODE_OPTIONS']
    else env['NODE_OPTIONS'] = kept
  }
  return env
}

/** The environment of the server: what it inherits, then what one-server adds, then `env`. */
export const environmentFor = (
  settings: Settings, port: number, isScript: boolean, from: NodeJS.ProcessEnv = process.env,
): Record<string, string> => {
  const own = inherited(settings, from)
  const env: Record<string, string> = {
    ...own,
    PORT: String(port),
    HOST: settings.host,
    SESSION_SERVER_PORT: String(port),
    // A default: a caller that says what it wants is not overruled.
    ...(isScript && own['NODE_ENV'] === undefined ? { NODE_ENV: 'production' } : {}),
    // Inside an editor, process.execPath is the editor: this makes it a Node.
    ...(isScript && process.versions['electron'] !== undefined ? { ELECTRON_RUN_AS_NODE: '1' } : {}),
  }
  for (const [name, value] of Object.entries(settings.env)) {
    if (value === undefined) delete env[name]
    else env[name] = fill(value, { host: settings.host, port })
  }
  return env
}

/** Adds the launch id and the PID file. The launch id shows later that a process belongs to the launch, so no option may override it. */
export const withLaunchId = (env: Readonly<Record<string, string>>, id: string, pidFile: string): Record<string, string> =>
  ({ ...env, ONE_SERVER_LAUNCH_ID: id, ONE_SERVER_PID_FILE: pidFile })

/**
 * The one funnel for options: what a caller hands in becomes a frozen object in which nothing is missing, or one
 * INVALID_OPTION that names the option, what it expects and what it got. Nobody below this file validates again,
 * and nothing is clamped in silence. The table says what each option is; here is only what lies between options.
 */
import { join } from 'node:path'
import { invalidCombination, invalidOption, underDeno } from '../errors.js'
import { defaultPidFile, stateDir } from '../paths.js'
import type { ClientProcessManagerOptions } from './options.js'
import { KINDS, parsePath, workingDirectory, type PortChoice, type Ready } from './parse.js'
import { RULES, type OptionName, type OPTIONS } from './table.js'

/** Which entry of a config file a server is, so that `list` can say so. Not part of the public interface. */
export interface Configured {
  readonly configured?: { readonly name: string; readonly folder: string }
}

/** Each option as its kind reads it; undefined where nobody gave it and the table has no default. */
type Parsed = {
  readonly [Name in OptionName]:
    | ReturnType<(typeof KINDS)[(typeof OPTIONS)[Name]['kind']]>
    | ((typeof OPTIONS)[Name] extends { default: unknown } ? never : undefined)
}

/** Options after the funnel. */
export interface Settings extends Omit<Parsed, 'pidFile' | 'cwd' | 'port' | 'ready' | 'logFile'>, Configured {
  /** Names of the options that the caller gave. */
  readonly given: ReadonlySet<string>
  /** Names in `env` that the caller's own environment has with the same value: `{ ...process.env, MODE: 'test' }` names one variable. */
  readonly spread: ReadonlySet<string>
  /** What the caller asked for, where a steward is launched in its place (across/as-steward.ts). */
  readonly asked?: Settings
  readonly pidFile: string
  readonly cwd: string
  readonly port: PortChoice
  readonly ready: Ready | undefined
  readonly logFile: string
}

/** Options that exclude each other are refused together, before any of them is judged alone. */
const assertTogether = ({ name, pidFile, command, serverScript, ready, healthUrl }: ClientProcessManagerOptions): void => {
  if (command !== undefined && serverScript !== undefined) {
    throw invalidCombination('command and serverScript exclude each other', 'Give the one that starts the server.')
  }
  if (command !== undefined && name === undefined && pidFile === undefined) {
    throw invalidCombination('command needs name or pidFile', 'Name the server, so that other clients can share it.')
  }
  if (name !== undefined && pidFile !== undefined) {
    throw invalidCombination('name and pidFile exclude each other', 'Give the one that names the server.')
  }
  if (ready !== undefined && healthUrl !== undefined) {
    throw invalidCombination('ready and healthUrl exclude each other', 'Give the one that tells when the server is ready.')
  }
}

/** Only TCP has a port in its readiness. A socket, a line of the log or a command says nothing about one, so any free port will do. */
const portFor = (ready: Parsed['ready']): PortChoice => {
  if (ready?.kind === 'tcp' && ready.port > 0) return { kind: 'fixed', port: ready.port }
  return ready === undefined || ['tcp', 'url'].includes(ready.kind) ? { kind: 'fixed', port: 3000 } : { kind: 'auto' }
}

/** Names in `env` that another environment has with the same value. */
export const spreadOf = (env: Settings['env'], from: NodeJS.ProcessEnv): ReadonlySet<string> =>
  new Set(Object.entries(env).filter(([name, value]) => value === from[name]).map(([name]) => name))

/** Validates, fills in the defaults and freezes. */
export const settingsFrom = (all: ClientProcessManagerOptions & Configured = {}, env: NodeJS.ProcessEnv = process.env): Settings => {
  if (process.versions['deno'] !== undefined) throw underDeno(process.versions['deno'])
  if (typeof all !== 'object' || all === null) throw invalidOption('options', 'an object', all)
  const { configured, ...options } = all
  const names = Object.keys(RULES) as OptionName[]
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(RULES, key)) continue
    throw invalidCombination(`unknown option ${JSON.stringify(key)}`, `The options are ${names.join(', ')}.`)
  }
  assertTogether(options)
  const parsed = Object.fromEntries(names.map((option) => {
    const { kind, least, default: fallback } = RULES[option]
    // `??` twice: null stands for a default where there is one, and is a wrong value where there is none.
    const value = options[option] ?? fallback ?? options[option]
    return [option, value === undefined ? undefined : KINDS[kind](option, value, least)]
  })) as unknown as Parsed
  const { ready, ...rest } = parsed
  const { name } = rest
  const pidFile = name === undefined
    ? rest.pidFile ?? parsePath('pidFile', defaultPidFile(env))
    : join(parsePath('the folder of names (ONE_SERVER_STATE_DIR)', stateDir(env)), `${name}.pid`)
  return Object.freeze({
    ...rest,
    given: new Set(Object.entries(options).filter(([, value]) => value !== undefined).map(([key]) => key)),
    spread: spreadOf(rest.env, env),
    ...(configured === undefined ? {} : { configured }),
    pidFile,
    cwd: rest.cwd ?? workingDirectory() ?? '(removed)',
    port: rest.port ?? Object.freeze(portFor(ready)),
    healthUrl: ready?.kind === 'url' ? ready.url : rest.healthUrl,
    ready: ready?.kind === 'url' ? undefined : ready,
    logFile: rest.logFile ?? pidFile.replace(/(\.pid)?$/, '.log'),
  })
}

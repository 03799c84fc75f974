/**
 * Every key that a server may have in a config file, once: the reader and the schema for editors go by this
 * table. A key is an option of the library of the same name unless `to` says otherwise, and its value is judged
 * by the library's own rules; the schema only describes them.
 */
import { resolve } from 'node:path'
import { LONGEST, parseHealth, type ClientProcessManagerOptions } from '../options.js'

type Schema = Readonly<Record<string, unknown>>

export interface Key {
  /** What an editor tells about it. */
  readonly text: string
  readonly schema: Schema
  /** What it means to the library. `folder` is that of the config file. */
  readonly to?: (value: unknown, folder: string) => Readonly<Record<string, unknown>>
}

const STRING: Schema = { type: 'string', minLength: 1 }
const PORT: Schema = { type: 'integer', minimum: 1, maximum: 65535 }

const duration = (least = 0): Schema => ({
  anyOf: [{ type: 'number', minimum: least, maximum: LONGEST }, { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?(ms|s|m|h)?\\s*$' }],
})

/** Relative to the file, wherever it is called from. What is no path is left for the library to refuse. */
const path = (option: keyof ClientProcessManagerOptions): Pick<Key, 'schema' | 'to'> => ({
  schema: STRING,
  to: (value, folder) => ({ [option]: typeof value === 'string' && value !== '' ? resolve(folder, value) : value }),
})

/** JSON has no undefined, by which the library removes a name. */
const withoutNull = (value: unknown): unknown =>
  typeof value !== 'object' || value === null || Array.isArray(value) ? value : Object.fromEntries(Object.entries(value).map(([name, item]) => [name, item ?? undefined]))

export const KEYS = {
  command: { text: 'The server: [program, ...args], run without a shell. {port} and {host} are filled in.', schema: { type: 'array', items: { type: 'string' }, minItems: 1 } },
  serverScript: { text: 'Instead of command: a script to run with Node (.ts: with tsx), relative to this file.', ...path('serverScript') },
  cwd: { text: "Working directory of the server, relative to this file. Default: this file's folder.", ...path('cwd') },
  env: {
    text: 'Environment variables, merged over what the server inherits. null removes one.',
    schema: { type: 'object', propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }, additionalProperties: { type: ['string', 'null'] } },
    to: (value) => ({ env: withoutNull(value) }),
  },
  inheritEnv: { text: 'What the server inherits of the environment: true, false, or a list of names. Default: true.', schema: { anyOf: [{ type: 'boolean' }, { type: 'array', items: { type: 'string' } }] } },
  port: {
    text: "A port, a list of candidates, or 'auto'. Default: 3000.",
    schema: { anyOf: [PORT, { type: 'array', items: PORT, minItems: 1 }, { enum: ['auto', 0] }, { type: 'string', pattern: '^\\d{1,5}(,\\d{1,5})*$' }] },
  },
  host: { text: 'The host to listen on. Default: localhost.', schema: { type: 'string', pattern: '^(\\[[A-Za-z0-9._:-]+\\]|[A-Za-z0-9._:-]+)$' } },
  health: {
    text: "The health check: a path, or a whole URL with {port} filled in. Default: '/api/health'.",
    schema: { type: 'string', pattern: '^(/\\S*|https?://.+)$' }, to: (value) => ({ ...parseHealth('health', value) }),
  },
  healthMatch: { text: 'What the body of a healthy answer must hold.', schema: STRING },
  ready: {
    text: "Instead of the health check: 'tcp:5432', 'tcp:{port}', 'socket:/path' (relative to this file), 'http-get://…', or { \"log\": \"text\" }, when its output holds that.",
    schema: { anyOf: [{ type: 'string', pattern: '^(tcp:.+|socket:.+|https?(-get)?://.+)$' }, { type: 'object', properties: { log: STRING }, required: ['log'], additionalProperties: false }] },
    to: (value, folder) => ({ ready: typeof value === 'string' ? value.replace(/^socket:(.+)$/s, (_, name: string) => `socket:${resolve(folder, name)}`) : value }),
  },
  reuseExisting: { text: 'Whether a healthy server that somebody ran by hand is used. Default: true.', schema: { type: 'boolean' } },
  version: { text: "The server's version that is wanted.", schema: STRING },
  onMismatch: { text: "When another command or version runs: 'error' (default), 'reuse' it, or 'restart' one of an older version or of none.", schema: { enum: ['error', 'reuse', 'restart'] } },
  healthHeaders: { text: 'Headers of the health check.', schema: { type: 'object', additionalProperties: { type: 'string' } } },
  startupTimeout: { text: "How long it may take until it is healthy. Default: '10s'.", schema: duration(1) },
  healthCheckInterval: { text: "Longest pause between two health checks. Default: '200ms'.", schema: duration(1) },
  healthTimeout: { text: "How long one health check may take. Default: '500ms'.", schema: duration(1) },
  stopSignal: { text: "The signal that asks it to stop. Default: 'SIGTERM'.", schema: { type: 'string', pattern: '^SIG[A-Z0-9]+$' } },
  stopTimeout: { text: "How long it may take to stop before SIGKILL. Default: '5s'.", schema: duration() },
  idleTimeout: { text: "How long it lives on after its last lease. Default: '30s'.", schema: duration() },
  logFile: { text: 'Its output, relative to this file. Default: beside the PID file.', ...path('logFile') },
  pidFile: { text: 'The PID file, relative to this file. Default: in the state folder, by name and folder.', ...path('pidFile') },
} as const satisfies Readonly<Record<string, Key>>

export const key = (name: string): Key | undefined => (Object.hasOwn(KEYS, name) ? KEYS[name as keyof typeof KEYS] : undefined)

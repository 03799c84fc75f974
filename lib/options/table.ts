/**
 * The one table of options. From a row come the option's default, its flag, its variable and its key, the words of
 * `--help`, the schema of a config file and, by a test, its line in the README; so an option cannot be one thing here
 * and another there. A flag or a variable may be given again, and the last one counts; a key may not (config/document.ts).
 *
 * A warm call takes only {@link RULES}, and the bundle leaves all other columns out of it (lib/bundle.mjs). So the
 * table holds plain data, which JSON can write down.
 */
import type { ClientProcessManagerOptions } from './options.js'
import { LONGEST, type Kind } from './parse.js'

export type OptionName = keyof ClientProcessManagerOptions

/** What a warm call knows of an option. */
export interface Rule {
  /** How a value is judged and read: a name in KINDS. */
  readonly kind: Kind
  /** The least value, of a duration. */
  readonly least?: number
  /** The value where nobody gives one. */
  readonly default?: string | boolean | Readonly<Record<string, never>>
  /** The flag of the command line, without its dashes. */
  readonly flag?: string
  /** The environment variable that counts where the flag is not given. */
  readonly variable?: `ONE_SERVER_${string}`
}

type Schema = Readonly<Record<string, unknown>>

export interface Row extends Rule {
  /** What the option is, for `--help` and for editors, which add the default. */
  readonly text: string
  /** The default for people, where it is no plain value. */
  readonly otherwise?: string
  /** How the help calls the flag's value. */
  readonly value?: string
  /** A value that the flag accepts, for the message when there is none. */
  readonly sample?: string
  /** Values, or how they begin, that a shell completes. */
  readonly values?: readonly string[]
  /** The key in a config file. Absent: the file cannot have it. */
  readonly key?: string
  /** What the key may hold. It only describes: the reader judges by `kind`. */
  readonly schema?: Schema
  /** `text` and `otherwise` of the key, where they differ from the flag's. */
  readonly inFile?: { readonly text: string; readonly otherwise?: string }
  /** Another option whose flag, variable and key stand for this one, too. */
  readonly with?: OptionName
}

const HOST: Schema = { type: 'string', pattern: '^(\\[[A-Za-z0-9._:-]+\\]|[A-Za-z0-9._:-]+)$' }
const STRING: Schema = { type: 'string', minLength: 1 }
const COMMAND: Schema = { type: 'array', items: { type: 'string' }, minItems: 1 }
const MISMATCH = ['error', 'reuse', 'restart'] as const
const PORT: Schema = { type: 'integer', minimum: 1, maximum: 65535 }

const STATUS: Schema = { type: 'integer', minimum: 200, maximum: 599 }
const STATUSES = '^\\s*[2-5]\\d\\d(-[2-5]\\d\\d)?\\s*(,\\s*[2-5]\\d\\d(-[2-5]\\d\\d)?\\s*)*$'

const duration = (least = 0): Schema => ({
  anyOf: [{ type: 'number', minimum: least, maximum: LONGEST }, { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?(ms|s|m|h)?\\s*$' }],
})

/** In the order of the help. */
export const OPTIONS = {
  name: { kind: 'name', text: 'a name instead of a PID file, which is then <state folder>/<name>.pid' },
  pidFile: {
    kind: 'path', flag: 'pid-file', value: 'PATH', sample: './web.pid', key: 'pidFile', schema: STRING,
    text: 'the PID file that names the server, instead of a name', otherwise: '~/.omega-session-server.pid',
    inFile: { text: 'the PID file, relative to this file', otherwise: 'in the state folder, by name and folder' },
  },
  serverScript: {
    kind: 'path', flag: 'script', value: 'PATH', sample: 'server.js', variable: 'ONE_SERVER_SCRIPT', key: 'serverScript', schema: STRING,
    text: 'a script for this Node; tsx runs a .ts', otherwise: 'the bundled session server',
    inFile: { text: 'instead of command: a script for Node, relative to this file; tsx runs a .ts' },
  },
  command: {
    kind: 'command', flag: 'server', value: 'COMMAND', sample: '"node server.js"', key: 'command',
    schema: COMMAND,
    text: "the server's command in one word, split at blanks; quotes and backslashes as in a shell, but none is run",
    inFile: { text: 'the server: [program, ...args], run without a shell. {port} and {host} are filled in' },
  },
  port: {
    kind: 'port', flag: 'port', value: 'PORT', sample: '3000', values: ['auto', '3000'], variable: 'ONE_SERVER_PORT', key: 'port',
    schema: {
      anyOf: [
        PORT, { type: 'array', items: PORT, minItems: 1 }, { enum: ['auto', 0] },
        { type: 'string', pattern: '^\\d{1,5}(,\\d{1,5})*$' },
      ],
    },
    text: "a port, a list such as 3000,3001, or 'auto'", otherwise: "3000; with ready the port that it names, or 'auto'",
    inFile: { text: "a port, a list of candidates, or 'auto'" },
  },
  host: {
    kind: 'host', default: 'localhost', flag: 'host', value: 'HOST', sample: 'localhost', values: ['localhost', '127.0.0.1', '0.0.0.0', '[::1]'], variable: 'ONE_SERVER_HOST', key: 'host',
    schema: HOST,
    text: 'the host to listen on',
  },
  healthPath: {
    kind: 'healthPath', default: '/api/health', flag: 'health', value: 'PATH|URL', sample: '/api/health', values: ['/api/health', '/health', '/'], variable: 'ONE_SERVER_HEALTH',
    key: 'health', schema: { type: 'string', pattern: '^(/\\S*|https?://.+)$' },
    text: 'the health check: a path, or a whole URL with {port} filled in',
  },
  healthUrl: { kind: 'healthUrl', with: 'healthPath', text: 'the whole URL of the health check' },
  healthMatch: {
    kind: 'match', flag: 'health-match', value: 'TEXT', sample: '"ok"', key: 'healthMatch', schema: STRING,
    text: 'what the body of a healthy answer must hold',
  },
  healthStatus: {
    kind: 'statuses', flag: 'health-status', value: 'STATUS', sample: '200-399', values: ['200-299', '200-399'], key: 'healthStatus',
    schema: {
      anyOf: [STATUS, { type: 'string', pattern: STATUSES }, { type: 'array', items: { anyOf: [STATUS, { type: 'string', pattern: STATUSES }] }, minItems: 1 }],
    },
    text: 'the statuses of a healthy answer: 401, 200-399, or a list such as 200-299,401', otherwise: '200-299',
    inFile: { text: "the statuses of a healthy answer: 401, '200-399', or a list of such" },
  },
  healthHeaders: {
    kind: 'headers', default: {}, key: 'healthHeaders', schema: { type: 'object', additionalProperties: { type: 'string' } },
    text: 'headers of the health check',
  },
  ready: {
    kind: 'ready', flag: 'ready', value: 'WHEN', sample: 'tcp:5432', values: ['tcp:{port}', 'tcp:', 'socket:', 'http-get://', 'log:', 'cmd:'], key: 'ready',
    schema: {
      anyOf: [
        { type: 'string', pattern: '^(tcp:.+|socket:.+|https?(-get)?://.+|log:.+|cmd:.+)$' },
        { type: 'object', properties: { log: STRING }, required: ['log'], additionalProperties: false },
        { type: 'object', properties: { command: COMMAND }, required: ['command'], additionalProperties: false },
      ],
    },
    text: 'ready when this answers, instead of the health check: tcp:5432, tcp:{port}, socket:/path, http-get://…, log:TEXT or log:/REGEXP/i, when its output holds that, or cmd:COMMAND, when that exits with 0',
    inFile: {
      text: "instead of the health check: 'tcp:5432', 'tcp:{port}', 'socket:/path' (relative to this file), 'http-get://…', or { \"log\": \"text\" } or \"/regexp/i\", when its output holds that, or { \"command\": [\"pg_isready\", \"-p\", \"{port}\"] }, when that exits with 0",
    },
  },
  reuseExisting: {
    kind: 'boolean', default: true, flag: 'no-reuse-existing', key: 'reuseExisting', schema: { type: 'boolean' },
    text: 'do not use a healthy server that one-server did not start',
    inFile: { text: 'whether a healthy server that somebody ran by hand is used' },
  },
  version: {
    kind: 'text', flag: 'server-version', value: 'VERSION', sample: '1.2.0', key: 'version', schema: STRING,
    text: 'the version of the server that is wanted',
  },
  onMismatch: {
    kind: 'mismatch', default: 'error', flag: 'on-mismatch', value: 'WHAT', sample: 'restart', values: MISMATCH, key: 'onMismatch',
    schema: { enum: MISMATCH },
    text: "when another command or version runs: 'error', 'reuse' it, or 'restart' one of an older version or of none",
  },
  startupTimeout: {
    kind: 'duration', least: 1, default: '10s', flag: 'timeout', value: 'TIME', sample: '30s', variable: 'ONE_SERVER_TIMEOUT',
    key: 'startupTimeout', schema: duration(1),
    text: 'how long this client waits until the server is healthy; the most patient client counts',
  },
  healthCheckInterval: {
    kind: 'duration', least: 1, default: '200ms', flag: 'interval', value: 'TIME', sample: '200ms', variable: 'ONE_SERVER_INTERVAL',
    key: 'healthCheckInterval', schema: duration(1),
    text: 'longest pause between two health checks',
  },
  healthTimeout: {
    kind: 'duration', least: 1, default: '500ms', flag: 'health-timeout', value: 'TIME', sample: '2s', variable: 'ONE_SERVER_HEALTH_TIMEOUT',
    key: 'healthTimeout', schema: duration(1),
    text: 'how long one health check may take',
  },
  stopSignal: {
    kind: 'signal', default: 'SIGTERM', key: 'stopSignal', schema: { type: 'string', pattern: '^SIG[A-Z0-9]+$' },
    text: 'the signal that asks the server to stop',
  },
  stopTimeout: {
    kind: 'duration', default: '5s', flag: 'stop-timeout', value: 'TIME', sample: '5s', variable: 'ONE_SERVER_STOP_TIMEOUT',
    key: 'stopTimeout', schema: duration(),
    text: 'how long the server may take to stop before SIGKILL',
  },
  idleTimeout: {
    kind: 'duration', default: '30s', flag: 'idle-timeout', value: 'TIME', sample: '30s', variable: 'ONE_SERVER_IDLE_TIMEOUT',
    key: 'idleTimeout', schema: duration(),
    text: 'how long the server lives on after its last lease',
  },
  logFile: {
    kind: 'path', flag: 'log-file', value: 'PATH', sample: './web.log', variable: 'ONE_SERVER_LOG_FILE', key: 'logFile', schema: STRING,
    text: "the server's output", otherwise: 'the PID file with .log',
    inFile: { text: "the server's output, relative to this file" },
  },
  cwd: {
    kind: 'path', flag: 'cwd', value: 'PATH', sample: '.', variable: 'ONE_SERVER_CWD', key: 'cwd', schema: STRING,
    text: 'working directory of the server', otherwise: "the client's",
    inFile: { text: 'working directory of the server, relative to this file', otherwise: "this file's folder" },
  },
  env: {
    kind: 'variables', default: {}, key: 'env',
    schema: { type: 'object', propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }, additionalProperties: { type: ['string', 'null'] } },
    text: 'environment variables, merged over what the server inherits. {port} and {host} are filled in; null removes one',
  },
  // Node 20 takes --env-file for its own, also behind the name of a script.
  envFile: {
    kind: 'paths', flag: 'server-env-file', value: 'PATH', sample: '.env', key: 'envFile',
    schema: { anyOf: [STRING, { type: 'array', items: STRING }] },
    text: 'a file of NAME=VALUE lines for the server; comes before the env of the config file, and may be given again',
    inFile: { text: 'a file of NAME=VALUE lines, or a list of such, relative to this file; env comes before it' },
  },
  inheritEnv: {
    kind: 'inherit', default: true, key: 'inheritEnv',
    schema: { anyOf: [{ type: 'boolean' }, { type: 'array', items: { type: 'string' } }] },
    text: 'what the server inherits of the environment: true, false, or a list of names',
  },
  coordinator: {
    kind: 'coordinator', flag: 'coordinator', value: 'URL', sample: 'etcd://etcd:2379/ci', values: ['etcd://', 'etcds://'], variable: 'ONE_SERVER_COORDINATOR', key: 'coordinator',
    schema: { type: 'string', pattern: '^etcds?://.+$' },
    text: 'share the server with other hosts, which agree in this etcd: etcd://host[:port][,…][/prefix], or etcds:// with TLS', otherwise: 'none',
  },
  advertise: {
    kind: 'text', flag: 'advertise', value: 'HOST[:PORT]', sample: '10.0.0.7', variable: 'ONE_SERVER_ADVERTISE', key: 'advertise', schema: STRING,
    text: 'with a coordinator: what this host tells other hosts', otherwise: 'the address by which this host reaches the coordinator, a free port',
  },
  listen: {
    kind: 'host', flag: 'listen', value: 'HOST', sample: '0.0.0.0', variable: 'ONE_SERVER_LISTEN', key: 'listen', schema: HOST,
    text: 'with a coordinator: where this host listens for others, behind a NAT', otherwise: 'as advertise',
  },
  mayHost: {
    kind: 'boolean', default: true, flag: 'no-host', variable: 'ONE_SERVER_MAY_HOST', key: 'mayHost', schema: { type: 'boolean' },
    text: 'with a coordinator: use the server of another host, and never start it on this one',
    inFile: { text: 'with a coordinator: whether the server may be started on this host' },
  },
  ttl: {
    kind: 'duration', least: 5000, default: '15s', flag: 'ttl', value: 'TIME', sample: '15s', variable: 'ONE_SERVER_TTL', key: 'ttl', schema: duration(5000),
    text: 'with a coordinator: how long to wait for a silent host, 10m at most; a host that reaches no coordinator for 0.6 of this ends its server',
  },
  onEvent: { kind: 'listener', text: 'receives each step as an event' },
} as const satisfies Readonly<Record<OptionName, Row>>

export const RULES: Readonly<Record<OptionName, Rule>> = OPTIONS

/** A default for people; undefined where an option is simply absent. */
export const defaultOf = ({ otherwise, default: fallback }: Row): string | undefined =>
  otherwise ?? (typeof fallback === 'object' ? undefined : fallback?.toString())

/**
 * What an editor is told about a config file agrees with what the reader takes: the same keys, and for each the
 * same values. The schema is judged here by as much of draft-07 as it uses.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { configured } from '../../lib/config/configured.js'
import { KEYS } from '../../lib/config/keys.js'
import { schema } from '../../lib/config/schema.js'
import { tempFolder } from '../support/temp-folder.js'

type Value = unknown
type Rule = Record<string, Value>

const TYPES: Record<string, (value: Value) => boolean> = {
  string: (value) => typeof value === 'string', number: (value) => typeof value === 'number', integer: Number.isInteger, boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null, array: Array.isArray, object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}

const root = schema() as Rule

const holds = (rule: Rule, value: Value): boolean => {
  const entries = TYPES['object']!(value) ? Object.entries(value as object) : []
  const CHECKS: Record<string, (wanted: never) => boolean> = {
    type: (wanted: string | string[]) => [wanted].flat().some((name) => TYPES[name]!(value)),
    enum: (wanted: Value[]) => wanted.includes(value),
    anyOf: (wanted: Rule[]) => wanted.some((one) => holds(one, value)),
    not: (wanted: Rule) => !holds(wanted, value),
    $ref: (wanted: string) => holds(wanted.split('/').slice(1).reduce((at, name) => at[name] as Rule, root), value),
    minLength: (wanted: number) => typeof value !== 'string' || value.length >= wanted,
    pattern: (wanted: string) => typeof value !== 'string' || new RegExp(wanted).test(value),
    minimum: (wanted: number) => typeof value !== 'number' || value >= wanted,
    maximum: (wanted: number) => typeof value !== 'number' || value <= wanted,
    minItems: (wanted: number) => !Array.isArray(value) || value.length >= wanted,
    items: (wanted: Rule) => !Array.isArray(value) || value.every((item) => holds(wanted, item)),
    required: (wanted: string[]) => wanted.every((name) => entries.some(([own]) => own === name)),
    propertyNames: (wanted: Rule) => entries.every(([name]) => holds(wanted, name)),
    properties: (wanted: Record<string, Rule>) => entries.every(([name, item]) => !Object.hasOwn(wanted, name) || holds(wanted[name]!, item)),
    additionalProperties: (wanted: Rule | false) =>
      entries.every(([name, item]) => Object.hasOwn((rule['properties'] ?? {}) as object, name) || (wanted !== false && holds(wanted, item))),
  }
  const SILENT = ['$schema', 'title', 'description', 'definitions', 'allowComments', 'allowTrailingCommas']
  return Object.entries(rule).every(([word, wanted]) => {
    if (SILENT.includes(word)) return true
    if (CHECKS[word] === undefined) throw new Error(`the schema uses ${word}, which this test does not know`)
    return CHECKS[word](wanted as never)
  })
}

/** Of each key what is right and what is wrong. A new key needs a line here, too. */
const duration = (least: number): [right: Value[], wrong: Value[]] => [[1, 1500.5, '30s', '500ms', '2m', ' 1.5h ', '250'], [-1, '', 'soon', '5d', true, null, [], 2 ** 31, ...(least > 0 ? [0] : [])]]
const path: [right: Value[], wrong: Value[]] = [['a', './a/b', '/a'], ['', 5, null, [], {}, true]]
const VALUES: Record<string, [right: Value[], wrong: Value[]]> = {
  command: [[['node'], ['node', 'a b', '']], [[], 'node a.js', [5], null, {}]],
  serverScript: path, cwd: path, logFile: path, pidFile: path,
  env: [[{}, { A: '1', _b: '' }, { A: null }], [{ 'a.b': '1' }, { A: 5 }, ['A=1'], 'A', null]],
  envFile: [['a', './a', ['a', 'a']], ['', 5, null, [5], {}, true]],
  healthStatus: [[200, 599, '401', '200-399', '200-299, 401', [200, '400-404']], [199, 600, 1.5, '', 'ok', '2xx', '20', [], ['x'], true, null, {}]],
  inheritEnv: [[true, false, [], ['PATH']], ['PATH', 1, [5], null]],
  port: [[1, 3000, 65_535, [3000, 3001], 'auto', 0, '3000', '3000,3001'], [-1, 65_536, 1.5, 'x', [], [0], '', true, null, {}]],
  host: [['localhost', '::1', '[::1]', '0.0.0.0', 'a.example'], ['', 'a b', 'http://x', 5, null]],
  health: [['/', '/health?x=1', 'http://localhost:{port}/h', 'https://x/'], ['', 'health', '/a b', 'ftp://x/', 5, null]],
  healthMatch: [['ok'], ['', 5, null, {}]],
  ready: [['tcp:5432', 'tcp:{port}', 'tcp:localhost:1', 'socket:./x.sock', 'http-get://localhost/', 'https://x/', { log: 'up' }, { command: ['a', ''] }, 'cmd:a "b c"'], ['', 'udp:1', { command: [] }, { command: 'a' }, { command: ['a'], log: 'up' }, 'file:x', 5, null, {}, { log: '' }, { log: 5 }, { log: 'up', more: 1 }]],
  reuseExisting: [[true, false], ['true', 0, null]], version: [['1.2.0', 'x'], ['', 1, null]], onMismatch: [['error', 'reuse', 'restart'], ['', 'kill', null, true]],
  healthHeaders: [[{}, { a: 'b' }], [{ a: 5 }, { a: null }, [], 'a', null]],
  startupTimeout: duration(1), healthCheckInterval: duration(1), healthTimeout: duration(1), stopTimeout: duration(0), idleTimeout: duration(0),
  coordinator: [['etcd://e', 'etcds://u:p@a:1,[::1]/ci/1'], ['', 5, null, true]], advertise: [['h', 'h:1'], ['', 5, null, {}]],
  listen: [['0.0.0.0', '::', '[::1]'], ['', 'a b', 5, null]], mayHost: [[true, false], ['no', 0, null]],
  ttl: [[5000, '20s', '10m'], [4999, 0, '', 'soon', true, null]],
  stopSignal: [['SIGTERM', 'SIGINT'], ['TERM', 'sigterm', 15, '', null]],
}

t.test('each key has the values that the reader takes', async (t) => {
  t.same(Object.keys(VALUES).toSorted(), [...KEYS.keys()].toSorted())
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'a'), 'A=1\n')
  const reads = (server: object): boolean => {
    writeFileSync(join(folder, 'one-server.config.json'), JSON.stringify({ servers: { api: server } }))
    try {
      configured('api', {}, folder)
      return true
    } catch {
      return false
    }
  }
  for (const [name, [right, wrong]] of Object.entries(VALUES)) {
    for (const [values, is] of [[right, true], [wrong, false]] as const) {
      for (const value of values) {
        const server = { [name]: value }
        t.same({ schema: holds(root, { servers: { api: server } }), reader: reads(server) }, { schema: is, reader: is }, JSON.stringify(server))
      }
    }
  }
  for (const server of [{ prot: 1 }, { command: ['x'], serverScript: 'y' }, [], null]) {
    t.same({ schema: holds(root, { servers: { api: server } }), reader: reads(server as object) }, { schema: false, reader: false }, JSON.stringify(server))
  }
})

t.test('the file as a whole', async (t) => {
  for (const right of [{ servers: {} }, { $schema: 'x', servers: { 'web-1.x': {} } }]) t.ok(holds(root, right), JSON.stringify(right))
  for (const wrong of [{}, [], { servers: [] }, { servers: { 'a b': {} } }, { servers: {}, server: {} }, { $schema: 5, servers: {} }]) t.notOk(holds(root, wrong), JSON.stringify(wrong))
})

t.test('each key is explained, and what is installed is made of the table', async (t) => {
  const { properties } = (root['definitions'] as { server: { properties: Record<string, { description: string }> } }).server
  for (const [name, { description }] of Object.entries(properties)) t.match(description, /^[A-Z].*[^.]\.$/, name)
  t.match(properties['cwd']!.description, "Working directory of the server, relative to this file. Default: this file's folder.")
  t.match(properties['startupTimeout']!.description, 'Default: 10s.')
  t.same(JSON.parse(readFileSync(new URL('../../../dist/schema.json', import.meta.url), 'utf8')), root)
})

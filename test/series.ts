/**
 * `npm run test:all`: what CI runs besides `npm test`: every test file, and the package in real Jests, which needs the network. A series
 * goes in here if it runs in minutes on a CI machine; so test:nodes for other Nodes, test:editor, soak and bench do not.
 */
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** Seconds: they show a hang, and not a slow machine. */
const LIMIT = 3 * 60 * 60

const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS$|_?TAP)/.test(name)))

/** Runs a compiled test program. tap's own spawn puts its loaders into NODE_OPTIONS, which env(1) takes out again. */
const spawn = (file: string, args: readonly string[], name: string): Promise<unknown> =>
  t.spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, fileURLToPath(new URL(file, import.meta.url)), ...args], {
    name, buffered: true, timeout: LIMIT * 1000, stdio: ['ignore', 'pipe', 'inherit'], env: { ...env, TAP: '1', TAP_TIMEOUT: String(LIMIT) },
  })

t.setTimeout(LIMIT * 1000)
await spawn('./all.js', ['--all'], 'every test file')
await spawn('./jest/jest.js', [], 'Jest')

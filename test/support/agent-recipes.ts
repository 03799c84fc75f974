/**
 * The recipes for agents, with stand-ins for what comes from npm: what one-server makes of their words. What the real programs make of
 * it is shown by agents/agents.ts.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Fates, Newcomer } from './newcomer.js'

interface Entry {
  readonly command: string
  readonly args: readonly string[]
}

/** A server that answers what the checks ask, on the port that its words or its environment name, and no other path. */
const SERVER = `#!${process.execPath}
const { argv, env } = process
const at = argv.indexOf('--port')
const statuses = { '/ping': 200, '/mcp': 400 }
require('node:http').createServer(({ url }, answer) => answer.writeHead(statuses[url] ?? 404).end()).listen(at < 0 ? env.PORT : argv[at + 1], 'localhost')`

/** A bridge that says where it would go to. */
const BRIDGE = `#!${process.execPath}
console.log(process.argv.slice(2).join(' '))`

const entryIn = (text: string, key: string): Entry => Object.values((JSON.parse(text) as Record<string, Record<string, Entry>>)[key]!)[0]!

/** Writes a program that is found before a real one: what a recipe names may be installed here, and its words are what counts. */
const put = ({ folder }: Newcomer, name: string, text: string): void =>
  writeFileSync(join(folder, 'node_modules/.bin', name), text, { mode: 0o755 })

const started = (t: Test, here: Newcomer, { command, args }: Entry, name: string, told: RegExp, cwd?: string): void => {
  for (const server of ['mcp-proxy', 'mcp-server-everything']) put(here, server, SERVER)
  put(here, 'mcp-remote', BRIDGE)
  const line = [command, ...args].map((word) => `'${word}'`).join(' ')
  const { status, stdout, stderr } = here.sh(line, {}, cwd)
  t.equal(status, 0, stderr)
  t.match(stdout, told, 'stdout has the words of the bridge alone')
  t.equal(here.sh(`one-server stop ${name}`, {}, cwd).status, 0)
}

const DOCS = /^http:\/\/localhost:\d+\/mcp\n$/
let project = ''

/** An entry of a host: all hosts start the same. */
const host = (key: string): Fates[string] => ({ run: async (t, text, here) => started(t, here, entryIn(text, key), 'docs', DOCS) })

export const agentRecipes: Fates = {
  'MCP servers sh 1': {
    run: async (t, text, here) => {
      put(here, 'mcp-proxy', SERVER)
      put(here, 'claude', `#!${process.execPath}\nconsole.log(process.env.ONE_SERVER_URL)`)
      t.match(here.sh(text), { status: 0, stdout: /^http:\/\/localhost:\d+\n$/ })
      t.equal(here.sh('one-server stop docs').status, 0)
    },
  },
  'MCP servers json 1': {
    run: async (t, text) => {
      t.same(JSON.parse(text), { mcpServers: { docs: { type: 'http', url: '${ONE_SERVER_URL}/mcp' } } })
    },
  },
  'MCP servers json 2': host('mcpServers'),
  'MCP servers json 3': host('servers'),
  'MCP servers json 4': host('context_servers'),
  'MCP servers json 5': { run: async (t, text, here) => started(t, here, entryIn(text, 'mcpServers'), 'everything', DOCS) },
  'Language servers json 1': {
    run: async (_, text, { folder }) => {
      project = join(folder, 'with-language-servers')
      mkdirSync(project, { recursive: true })
      writeFileSync(join(project, 'one-server.config.json'), text)
    },
  },
  'Language servers json 2': { run: async (t, text, here) => started(t, here, entryIn(text, 'mcpServers'), 'lsp', DOCS, project) },
  'Language servers json 3': {
    run: async (t, text, here) => {
      put(here, 'gopls', `#!${process.execPath}
        const [, , verb, flag, address] = process.argv
        if (verb === 'serve' && flag === '-listen') require('node:net').createServer().listen(Number(address.split(':')[1]), '127.0.0.1')`)
      put(here, 'nc', BRIDGE)
      const { go } = JSON.parse(text) as { go: Entry }
      started(t, here, go, 'gopls', /^-N 127\.0\.0\.1 \d+\n$/)
    },
  },
}

/** Agents that speak HTTP: the agent is the command of `run`, and its `.mcp.json` names the URL that `run` gives it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startSpeaking } from '../support/child.js'
import { measure, type Memory } from './memory.js'
import { CACHE, openHome, projectIn, putProgram } from './place.js'
import { blockOf } from './recipe.js'

/** In the place of Claude Code: it reads `.mcp.json`, fills in variables of its environment, and calls a tool for each line. */
const AGENT = `#!/usr/bin/env node
const load = require('node:module').createRequire(${JSON.stringify(join(CACHE, 'index.js'))})
const { Client, StreamableHTTPClientTransport } = load('@modelcontextprotocol/client')
const { mcpServers: { docs } } = JSON.parse(require('node:fs').readFileSync('.mcp.json', 'utf8'))
const url = docs.url.replace(/\\$\\{(\\w+)\\}/g, (_, name) => process.env[name])
const main = async () => {
  const client = new Client({ name: 'agent', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  for await (const message of require('node:readline').createInterface({ input: process.stdin })) {
    const { content: [{ text }] } = await client.callTool({ name: 'echo', arguments: { message } })
    console.log(text)
  }
  await client.close()
}
main()
`

export const overHttp = async (t: Test, node: string, rows?: Memory[]): Promise<void> => {
  const home = openHome(t, node, ['mcp-server-everything'])
  const project = projectIn(home, { '.mcp.json': blockOf('MCP servers json 1') })
  putProgram(home.folder, 'claude', AGENT)
  writeFileSync(join(home.folder, 'start.sh'), blockOf('MCP servers sh 1'))
  const agents = Array.from({ length: 6 }, () => startSpeaking(t, 'sh', [join(home.folder, 'start.sh')], { cwd: project, env: home.env }))
  const ask = (message: string, number: number): Promise<string> => {
    agents[number]!.child.stdin!.write(`${message}\n`)
    return agents[number]!.line()
  }
  const numbers = agents.map((_, number) => number)
  t.same(await Promise.all(numbers.map((number) => ask(`first ${number}`, number))), numbers.map((number) => `Echo: first ${number}`), 'own answers')
  t.equal(home.begun('mcp-server-everything'), 1, 'one server')
  rows?.push(measure('server-everything behind mcp-proxy, the agents speak HTTP', home.found(), ({ commandLine }) => /bin\/claude|start\.sh/.test(commandLine)))
  // What the host would kill is a shell here, which has one child: the agent, or (Node 20) `run`.
  const own = home.found().find(({ parent }) => parent === agents[0]!.child.pid)!
  process.kill(own.pid, 'SIGKILL')
  await new Promise((resolve) => { agents[0]!.child.once('exit', resolve) })
  const others = numbers.slice(1)
  t.same(await Promise.all(others.map((number) => ask(`then ${number}`, number))), others.map((number) => `Echo: then ${number}`), 'the others go on')
  for (const number of others) agents[number]!.child.stdin!.end()
  await home.empty('everything to end after the last agent')
  t.equal(home.begun('mcp-server-everything'), 1, 'no other server has begun')
}

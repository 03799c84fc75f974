/**
 * `npm run test:agents`: the recipes for MCP servers and language servers, with the real packages, read out of fixtures/README.md. Six
 * sessions at once share one server, each gets its own answers, one is killed, and all is gone after the last. Not part of `npm test`:
 * the packages come over the network.
 *
 *     npm run test:agents                   Node 24 and 20; at the end the table of the recipe, measured under 24
 *     npm run test:agents -- --only 24      one of them
 */
import { parseArgs } from 'node:util'
import t from 'tap'
import { missing } from '../servers/install.js'
import { installInto, installNode, packageOf } from '../nodes/install.js'
import { measuring } from './costs.js'
import { overHttp } from './http.js'
import { byAgents, byEditors } from './languages.js'
import { tableOf, type Memory } from './memory.js'
import { CACHE, PACKAGES, versions } from './place.js'
import { entryOf, blockOf } from './recipe.js'
import { endings, overStdio } from './stdio.js'

/** The Node of the table. */
const MEASURED = '24'

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: ['24', '20'] } } })

/** What the recipe for editors needs, and the packages of Debian that have it. */
const PROGRAMS = [['nc', 'netcat-openbsd'], ['go', 'golang-go'], ['gopls', 'gopls']] as const

/** Why the series cannot run here; undefined when it can. */
const reason = (): string | undefined => {
  const platform = missing({})
  if (platform !== undefined) return platform
  if (packageOf() === undefined) return `npm has no Node for ${process.platform} ${process.arch}`
  try {
    installInto(CACHE, PACKAGES)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

t.setTimeout(3_600_000)
const why = reason()
const rows: Memory[] = []
for (const version of values.only) {
  void t.test(`Node ${version}`, { timeout: 1_800_000, ...(why === undefined ? {} : { skip: why }) }, async (t) => {
    const node = installNode(packageOf()!, version)
    const into = version === MEASURED ? rows : undefined
    const docs = entryOf(blockOf('MCP servers json 2'))
    const everything = entryOf(blockOf('MCP servers json 5'))
    await t.test('a stdio server behind mcp-proxy', (t) => overStdio(t, node, docs, into))
    await t.test('a server that speaks HTTP itself', (t) => overStdio(t, node, everything, into))
    await t.test('sessions that end before they began', (t) => endings(t, node, docs))
    await t.test('agents that speak HTTP', (t) => overHttp(t, node, into))
    await t.test('language servers of an agent', (t) => byAgents(t, node, into))
    const lacks = PROGRAMS.map((program) => missing({ program })).find((one) => one !== undefined)
    await t.test('a language server of editors', lacks === undefined ? {} : { skip: lacks }, (t) => byEditors(t, node))
    if (version === MEASURED) await t.test('what sharing costs', (t) => measuring(t, node, rows))
  })
}
t.teardown(() => { if (rows.length > 0) console.error(`${versions().join(', ')}\n${tableOf(rows)}`) })

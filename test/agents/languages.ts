/** Language servers: six agents that ask by MCP, and six editors that share one which accepts connections. */
import type { Test } from 'tap'
import { openEditor } from './lsp.js'
import { measure, type Memory } from './memory.js'
import { openHome, projectIn } from './place.js'
import { blockOf, entryOf, type Entry } from './recipe.js'
import { openSessions, type Session } from './session.js'

const COUNT = 6
const NUMBERS = Array.from({ length: COUNT }, (_, number) => number)

/** A file for each session, so that an answer shows whose question it was for. */
export const typescript = (): Record<string, string> => ({
  'one-server.config.json': blockOf('Language servers json 1'),
  'cclsp.json': JSON.stringify({ servers: [{ extensions: ['ts'], command: ['typescript-language-server', '--stdio'] }] }),
  'tsconfig.json': '{}',
  ...Object.fromEntries(NUMBERS.map((number) => [`file${number}.ts`, `export const answer${number} = (): number => ${number}\n`])),
})

/** Each session asks for what is in its own file. */
export const definitions = async (t: Test, sessions: readonly Session[], project: string, what: string): Promise<void> => {
  const asked = sessions.map((session, at) => ({ session, number: COUNT - sessions.length + at }))
  const answers = await Promise.all(asked.map(({ session, number }) =>
    session.call('find_definition', { file_path: `${project}/file${number}.ts`, symbol_name: `answer${number}` })))
  for (const [at, { number }] of asked.entries()) t.match(answers[at], `file${number}.ts:1:14`, `${what}: session ${number}`)
}

export const byAgents = async (t: Test, node: string, rows?: Memory[]): Promise<void> => {
  const home = openHome(t, node, ['cclsp', 'typescript-language-server'])
  const project = projectIn(home, typescript())
  const sessions = await openSessions(home, entryOf(blockOf('Language servers json 2')), COUNT, project)
  await definitions(t, sessions, project, 'own answers')
  t.equal(home.begun('cclsp'), 1, 'one cclsp')
  rows?.push(measure('cclsp with TypeScript behind mcp-proxy, mcp-remote before it', home.found()))
  process.kill(sessions[0]!.pid, 'SIGKILL')
  await definitions(t, sessions.slice(1), project, 'the others go on')
  await Promise.all(sessions.slice(1).map((session) => session.close()))
  await home.empty('everything to end after the last session')
  t.equal(home.begun('cclsp'), 1, 'no other cclsp has begun')
}

export const byEditors = async (t: Test, node: string): Promise<void> => {
  const home = openHome(t, node, [])
  const functions = NUMBERS.map((number) => [`f${number}.go`, `package x\n\n// Answer${number} is one.\nfunc Answer${number}() int { return ${number} }\n`])
  const project = projectIn(home, { 'go.mod': 'module x\n\ngo 1.19\n', ...Object.fromEntries(functions) })
  const { go } = JSON.parse(blockOf('Language servers json 3')) as { go: Entry }
  const editors = await Promise.all(NUMBERS.map(() => openEditor(t, home, go, project)))
  const hovers = (numbers: readonly number[]): Promise<string[]> => Promise.all(numbers.map((number) => editors[number]!.hover(`f${number}.go`, 3, 6)))
  for (const [number, text] of (await hovers(NUMBERS)).entries()) t.match(text, `Answer${number} is one.`, `own answer of editor ${number}`)
  t.equal(home.found().filter(({ commandLine }) => /^(\S*\/)?gopls serve/.test(commandLine)).length, 1, 'one gopls')
  editors[0]!.kill()
  await editors[1]!.close()
  const others = NUMBERS.slice(2)
  for (const [at, text] of (await hovers(others)).entries()) t.match(text, `Answer${others[at]} is one.`, 'the others go on')
  await Promise.all(others.map((number) => editors[number]!.close()))
  await home.empty('everything to end after the last editor')
}

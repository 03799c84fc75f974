/** What is run, found before a process exists: each thing that can be wrong with a command has its own words. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { resolveCommand } from '../../lib/plan/command.js'
import { nodeSystem as system } from '../../lib/node-system.js'
import type { ClientProcessManagerOptions } from '../../lib/options/options.js'
import { settingsFrom } from '../../lib/options/settings.js'
import { tempFolder } from '../support/temp-folder.js'

const commandFor = (options: ClientProcessManagerOptions, env: Record<string, string> = {}) => resolveCommand(system, settingsFrom({ pidFile: '/s.pid', ...options }), 4000, env)

const program = (path: string, mode = 0o755): string => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '#!/bin/sh\n')
  chmodSync(path, mode)
  return path
}

const scriptIn = (t: Test, name: string): string => {
  const path = join(tempFolder(t), name)
  writeFileSync(path, '')
  return path
}

t.test('with nothing named it is the bundled server', async (t) => {
  t.same(await commandFor({}), { program: process.execPath, args: [fileURLToPath(new URL('../../lib/session-server.js', import.meta.url))], isScript: true })
})

t.test('a script is run by this Node', async (t) => {
  const path = scriptIn(t, 'a b.js')
  t.same(await commandFor({ serverScript: path }), { program: process.execPath, args: [path], isScript: true })
})

t.test('a script that is missing is said, with what was tried', async (t) => {
  const folder = tempFolder(t)
  const of = (name: string) => commandFor({ serverScript: join(folder, name) })
  await t.rejects(of('s.js'), { code: 'COMMAND_NOT_FOUND', message: `The server script does not exist: ${folder}/s.js (nor ${folder}/s.ts)` })
  await t.rejects(of('s.mjs'), { code: 'COMMAND_NOT_FOUND', message: `The server script does not exist: ${folder}/s.mjs` })
  mkdirSync(join(folder, 'd.js'))
  await t.rejects(of('d.js'), { code: 'COMMAND_NOT_FOUND' }, 'a folder is no script')
})

t.test('for a .js that is missing the .ts of the same name is run, by the tsx that lies there', async (t) => {
  const path = scriptIn(t, 's.ts')
  const tsx = join(dirname(path), 'node_modules', 'tsx')
  mkdirSync(tsx, { recursive: true })
  writeFileSync(join(tsx, 'package.json'), JSON.stringify({ name: 'tsx', exports: './it.mjs' }))
  writeFileSync(join(tsx, 'it.mjs'), '')
  const expected = { program: process.execPath, args: ['--import', pathToFileURL(join(tsx, 'it.mjs')).href, path], isScript: true }
  t.same(await commandFor({ serverScript: path }), expected)
  t.same(await commandFor({ serverScript: path.replace(/ts$/, 'js') }), expected)
  writeFileSync(path.replace(/ts$/, 'js'), '')
  t.same((await commandFor({ serverScript: path.replace(/ts$/, 'js') })).args, [path.replace(/ts$/, 'js')], 'the .js comes first')
})

t.test('a .ts where there is no tsx says how to get it', async (t) => {
  const path = scriptIn(t, 's.ts')
  await t.rejects(commandFor({ serverScript: path }), {
    code: 'COMMAND_NOT_FOUND', message: `The server script ${path} is TypeScript, and tsx is not installed where it lies.`, hint: /npm install --save-dev tsx/,
  })
})

t.test('a program is looked up as a shell does', async (t) => {
  const folder = tempFolder(t)
  const [first, second] = [join(folder, '1'), join(folder, '2')]
  program(join(first, 'srv'), 0o644)
  mkdirSync(join(first, 'tool'), { recursive: true })
  const tool = program(join(second, 'tool'))
  const srv = program(join(second, 'srv'))
  const env = { PATH: `${join(folder, 'missing')}:${first}:${second}` }
  t.equal((await commandFor({ command: ['srv'] }, env)).program, srv, 'what may not be executed is passed over')
  t.equal((await commandFor({ command: ['tool'] }, env)).program, tool, 'and so is a folder')
  t.equal((await commandFor({ command: ['./2/srv'], cwd: folder }, env)).program, srv, 'from the folder of the server')
  t.equal((await commandFor({ command: [srv] }, {})).program, srv)
  t.equal((await commandFor({ command: ['srv'], cwd: folder }, { PATH: '2' })).program, srv, 'also in PATH')
  symlinkSync(srv, join(folder, 'link'))
  t.equal((await commandFor({ command: ['./link'], cwd: folder }, {})).program, join(folder, 'link'), 'a link keeps its name, which it may go by')
})

t.test('a program that is not there, or may not be run, is said', async (t) => {
  const folder = tempFolder(t)
  program(join(folder, 'plain'), 0o644)
  await t.rejects(commandFor({ command: ['nope'] }, { PATH: folder }), { code: 'COMMAND_NOT_FOUND', message: "The server's program was not found: nope", hint: /PATH/ })
  await t.rejects(commandFor({ command: ['./nope'], cwd: folder }), { code: 'COMMAND_NOT_FOUND', message: "The server's program was not found: ./nope" })
  await t.rejects(commandFor({ command: ['./plain'], cwd: folder }), { code: 'COMMAND_NOT_FOUND', message: "The server's program may not be executed: ./plain", hint: /chmod \+x/ })
  await t.rejects(commandFor({ command: ['node server.js'] }, { PATH: folder }), { code: 'COMMAND_NOT_FOUND', hint: /No shell is run/ })
})

t.test('port and host are filled in wherever they stand', async (t) => {
  const folder = tempFolder(t)
  const srv = program(join(folder, 'srv-4000'))
  t.same(await commandFor({ command: [join(folder, 'srv-{port}'), '--on={host}:{port}', '{port}{port}', '{PORT} {x}'], host: '::1' }), { program: srv, args: ['--on=::1:4000', '40004000', '{PORT} {x}'], isScript: false })
})

t.test('a working directory that is not there is said first', async (t) => {
  const path = scriptIn(t, 's.js')
  for (const cwd of [join(dirname(path), 'missing'), path]) {
    await t.rejects(commandFor({ serverScript: path, cwd }), { code: 'COMMAND_NOT_FOUND', message: `The working directory of the server does not exist: ${cwd}`, hint: /--cwd/ })
  }
})

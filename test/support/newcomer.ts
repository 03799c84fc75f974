/**
 * A newcomer's place: an empty home, with the package as it would be published and the command in PATH. What stands on a
 * page is run here as it is printed.
 */
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import type { Test } from 'tap'
import { bareEnv, run } from './child.js'
import { ROOT } from './pages.js'
import { allProcesses } from './processes.js'
import { tempFolder } from './temp-folder.js'

export interface Newcomer {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  /** Runs a command in a shell, with nothing on stdin. */
  sh(command: string, more?: Readonly<Record<string, string>>, cwd?: string): SpawnSyncReturns<string>
  /** Runs a module, as an extension or a script has it, and returns what it prints. */
  module(t: Test, name: string, text: string): Promise<string>
  /** Writes a program that the shell finds, unless there is a real one: what it is started with is what counts. */
  standIn(name: string, text: string): void
}

/** What becomes of one block of a page: it is run, or it says why not. */
export type Fate = { readonly why: string } | { readonly run: (t: Test, text: string, here: Newcomer) => Promise<void> }

export type Fates = Readonly<Record<string, Fate>>

const install = (folder: string): void => {
  const { stdout, stderr } = spawnSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: ROOT, encoding: 'utf8', env: bareEnv() })
  const [{ filename }] = JSON.parse(stdout || stderr) as [{ filename: string }]
  // By hand, since a registry that is slow just now says nothing about a page.
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) if (!name.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', modules])
  renameSync(join(modules, 'package'), join(modules, 'one-server'))
  const { bin } = JSON.parse(readFileSync(join(modules, 'one-server/package.json'), 'utf8')) as { bin: Record<string, string> }
  symlinkSync(join('../one-server', bin['one-server']!), join(modules, '.bin/one-server'))
}

/** The watchdogs of the examples sleep out their idle time before they see that there is nothing to guard. */
const endAllBelow = (folder: string): void => {
  for (const { pid, command } of allProcesses()) {
    try {
      if (command.includes(` ${folder}/`)) process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended just now, or belongs to another user.
    }
  }
}

export const newcomer = (t: Test): Newcomer => {
  const folder = tempFolder(t)
  // What npm has to say of itself, of the settings of a CI machine for example, concerns no page.
  const env = { ...bareEnv(), npm_config_loglevel: 'error', HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state'), PATH: `${join(folder, 'node_modules/.bin')}:${process.env['PATH']}` }
  t.teardown(() => endAllBelow(folder))
  install(folder)
  return {
    folder, env,
    sh: (command, more = {}, cwd = folder) => spawnSync('/bin/sh', ['-c', command], { cwd, env: { ...env, ...more }, encoding: 'utf8', input: '' }),
    module: async (test, name, text) => {
      const file = join(folder, name)
      // What this Node does not know yet is translated.
      writeFileSync(file, transformSync(text, { format: 'esm', target: 'node20', loader: 'js' }).code)
      const { code, stdout, stderr } = await run(test, process.execPath, [file], { cwd: folder, env })
      if (code !== 0) throw new Error(`${stderr}\n${text}`)
      return stdout
    },
    standIn: (name, text) => {
      if (spawnSync('/bin/sh', ['-c', `command -v ${name}`], { env }).status !== 0) writeFileSync(join(folder, 'node_modules/.bin', name), text, { mode: 0o755 })
    },
  }
}

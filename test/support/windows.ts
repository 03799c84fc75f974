/**
 * Linux as one-server takes it for Windows (fixtures/as-windows.mjs): a folder with what stands in for the programs of Windows, each of
 * which writes down that it was asked.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { bareEnv, fixture, run, type Ended } from './child.js'
import { tempFolder } from './temp-folder.js'

export const AS_WINDOWS = ['--import', fixture('as-windows.mjs')]

/** A program by its text, for /bin/sh unless its first line says otherwise. */
export const program = (path: string, text: string): string => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text.startsWith('#!') ? text : `#!/bin/sh\n${text}`)
  chmodSync(path, 0o755)
  return path
}

/** Ends a tree of processes: its leaves first, as a child of what has ended has another parent. */
const TREE = 'tree() { for child in $(cat /proc/$2/task/*/children 2>/dev/null); do tree $1 $child; done; kill -$1 $2; }'

/** Reads a command line as cmd.exe does: outside of quotes a caret takes the next character for itself. A batch file has `%*` read again. */
const CMD = `#!${process.execPath}
const { readFileSync } = require('node:fs'), { spawnSync } = require('node:child_process')
const line = process.argv[5]
const read = (text) => {
  let out = '', quoted = false
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') quoted = !quoted
    if (text[at] === '^' && !quoted) at++
    else if (/[&|<>]/.test(text[at]) && !quoted) { console.error('cmd.exe would run another command: ' + text.slice(at)); process.exit(9) }
    out += text[at] ?? ''
  }
  return out
}
const split = (text) => {
  const words = []
  let word, quoted = false
  for (let at = 0; at < text.length; at++) {
    const slashes = /^\\\\*/.exec(text.slice(at))[0].length
    if (slashes > 0 && text[at + slashes] === '"') {
      word = (word ?? '') + '\\\\'.repeat(slashes >> 1)
      at += slashes - (slashes % 2 === 0 ? 1 : 0)
      if (slashes % 2 === 1) word += '"'
    }
    else if (text[at] === '"') { quoted = !quoted; word ??= '' }
    else if (text[at] === ' ' && !quoted) { if (word !== undefined) words.push(word); word = undefined }
    else word = (word ?? '') + text[at]
  }
  return word === undefined ? words : [...words, word]
}
const once = read(line.slice(1, -1))
const file = once.split(' ')[0].replaceAll('\\\\', '/')
const twice = readFileSync(file, 'utf8').includes('%*')
const rest = once.slice(once.indexOf(' ') + 1)
const words = once.includes(' ') ? split(twice ? read(rest) : rest) : []
const { status } = spawnSync('/bin/sh', [file, ...words], { stdio: 'inherit' })
process.exit(status)
`

export interface Windows {
  readonly env: Record<string, string>
  readonly root: string
  /** This Node, by a name that Windows runs. */
  readonly node: string
  /** What was asked of a program of Windows, in its order. */
  questions(): string[]
  /** The names of the processes that are known to one-server. */
  identities(): string[]
  /** Runs a module's text as on Windows. */
  runs(text: string, env?: Record<string, string>): Promise<Ended>
}

/** @param slow Seconds that each question takes. */
export const aWindows = (t: Test, { slow = 0, canAsk = true }: { slow?: number; canAsk?: boolean } = {}): Windows => {
  const home = tempFolder(t)
  const root = join(home, 'Windows')
  const asked = join(home, 'asked')
  const system = (...path: string[]): string => join(root, 'System32', ...path)
  const note = `echo "\${0##*/} $1 $2" >>'${asked}'; sleep ${slow}`
  program(system('taskkill.exe'), `${note}; ${TREE}; test -d /proc/$2 || exit 128; tree 9 $2`)
  if (canAsk) {
    const pid = 'pid=${4##*AttachConsole(}; pid=${pid%%)*}'
    program(system('WindowsPowerShell', 'v1.0', 'powershell.exe'), `${note}; ${TREE}; ${pid}; tree 15 $pid; exit 10`)
  }
  program(system('cmd.exe'), CMD)
  const node = join(root, 'node.exe')
  symlinkSync(process.execPath, node)
  const { ComSpec: _, ...bare } = bareEnv()
  const env = { ...bare, SystemRoot: root, WINDOWS_HOME: home, ComSpec: system('cmd.exe') }
  const processes = join(home, '.one-server', 'processes')
  return {
    env, root, node,
    questions: () => (existsSync(asked) ? readFileSync(asked, 'utf8').split('\n').slice(0, -1) : []),
    identities: () => (existsSync(processes) ? readdirSync(processes).flatMap((host) => readdirSync(join(processes, host))) : []),
    runs: (text, more = {}) => run(t, process.execPath, [...AS_WINDOWS, '--input-type=module', '--eval', text], { env: { ...env, ...more } }),
  }
}

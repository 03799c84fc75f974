/**
 * How Windows finds and runs a program: by PATH and by the extension of its file. npm, npx and what npm installs are batch files, which
 * Node does not run by itself (CVE-2024-27980): cmd.exe would read a word of theirs as a command. So cmd.exe gets each word quoted and
 * escaped, and no word that cannot be.
 *
 * Source: cmd /?; "Everyone quotes command line arguments the wrong way" (Microsoft's blog); cross-spawn has the same rules.
 */
import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Programs } from './platform.js'

const RUNNABLE = ['.com', '.exe', '.bat', '.cmd']

const isBatch = (file: string): boolean => /\.(?:bat|cmd)$/i.test(file)

/** Windows calls it `Path`, and of two that differ in case Node gives the first to a child. */
const valueIn = (env: Readonly<Record<string, string | undefined>>, wanted: string): string | undefined => {
  const name = Object.keys(env).toSorted().find((one) => one.toUpperCase() === wanted)
  return name === undefined ? undefined : env[name]
}

/** Whether cmd.exe reads the words twice: a batch file that passes on `%*`, as npm's do, has them read again. */
const readsTwice = (file: string): boolean => {
  try {
    return readFileSync(file, 'latin1').includes('%*')
  } catch {
    return false
  }
}

const escape = (text: string): string => text.replace(/[()\][%!^"`<>&|;, *?]/g, '^$&')

/** A word as the program's own runtime splits it: backslashes count before a quote only. */
const quote = (word: string): string => `"${word.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\*)$/, '$1$1')}"`

const commandLine = (file: string, args: readonly string[]): string => {
  const twice = readsTwice(file)
  const words = args.map(quote).map(escape).map((word) => (twice ? escape(word) : word))
  return `"${[escape(file.replaceAll('/', '\\')), ...words].join(' ')}"`
}

const INTERPRETERS: Readonly<Record<string, string>> = {
  js: 'node', mjs: 'node', cjs: 'node', ts: 'npx tsx', mts: 'npx tsx', py: 'python', rb: 'ruby', sh: 'sh', pl: 'perl',
  ps1: 'powershell -ExecutionPolicy Bypass -File',
}

export const windowsPrograms: Programs = {
  // An empty entry is no folder here, and cmd.exe takes the quotes off one with a blank.
  pathIn: (env) => {
    const folders = valueIn(env, 'PATH')?.split(delimiter).filter((folder) => folder !== '')
    return folders?.map((folder) => folder.replace(/^"(.*)"$/, '$1')).join(delimiter)
  },
  filesOf: (program, env) => {
    const named = RUNNABLE.some((extension) => program.toLowerCase().endsWith(extension)) ? [program] : []
    const tried = (valueIn(env, 'PATHEXT') ?? '').toLowerCase().split(';').filter((extension) => RUNNABLE.includes(extension))
    return [...named, ...(tried.length > 0 ? tried : RUNNABLE).map((extension) => program + extension)]
  },
  onlyInPath: false,
  invoke: (file, args) => {
    if (!isBatch(file)) return { program: file, args }
    const shell = process.env['ComSpec'] ?? join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'cmd.exe')
    return { program: shell, args: ['/d', '/s', '/c', commandLine(file, args)], verbatim: true }
  },
  whyNot: (file, args) => {
    const cut = isBatch(file) ? args.find((word) => /[\r\n]/.test(word)) : undefined
    if (cut !== undefined) {
      const why = `cmd.exe runs it, and would cut the word ${JSON.stringify(cut)} at its line break`
      return { why, hint: 'Pass it in a variable or a file.' }
    }
    if (RUNNABLE.some((extension) => file.toLowerCase().endsWith(extension))) return undefined
    const interpreter = INTERPRETERS[/\.(\w+)$/.exec(file)?.[1]?.toLowerCase() ?? ''] ?? 'node'
    return { why: 'it is a script, and Windows runs no script by itself', hint: `Name what runs it: ${interpreter} ${file}` }
  },
}

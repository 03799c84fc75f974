/**
 * A Node by which `run` becomes its command: this one, where it has execve(2), or one that `npm run test:nodes` has installed. Tests of
 * what `run` is then are skipped with a reason where there is none: nothing else shows it.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { folderOf, packageOf } from '../nodes/install.js'

const installed = (): string | undefined => {
  const name = packageOf()
  const paths = name === undefined ? [] : ['26', '24', '22'].map((version) => join(folderOf(version), 'node_modules', name, 'bin', 'node'))
  return paths.find((path) => existsSync(path))
}

/** Whether this Node has it. */
export const hasExecve = process.platform !== 'win32' && 'execve' in process

const found = process.platform === 'win32' ? undefined : hasExecve ? process.execPath : installed()

export const execveNode: string = found ?? process.execPath

/** For the options of a test. */
export const withExecve = found === undefined ? { skip: 'no Node here has process.execve (npm run test:nodes installs one)' } : {}

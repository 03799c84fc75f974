/** The package as npm installs it: packed, and unpacked into a folder's node_modules beside its dependencies. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bareEnv } from './child.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Installs it without a registry: one that is slow says nothing about the package. */
export const installPackage = (folder: string): void => {
  const packing = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
  const { stdout, stderr } = spawnSync('npm', packing, { cwd: ROOT, encoding: 'utf8', env: bareEnv() })
  const [{ filename }] = JSON.parse(stdout || stderr) as [{ filename: string }]
  const modules = join(folder, 'node_modules')
  mkdirSync(modules, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', modules])
  renameSync(join(modules, 'package'), join(modules, 'one-server'))
  const manifest = JSON.parse(readFileSync(join(modules, 'one-server/package.json'), 'utf8')) as { dependencies: Record<string, string> }
  for (const name of Object.keys(manifest.dependencies)) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
}

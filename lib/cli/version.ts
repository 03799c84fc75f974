/**
 * The version, from the package itself, so that a release raises it in one place.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const version = (): string => {
  // By the package's own name: the path is another one where this file is bundled.
  const manifest = JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('one-server/package.json')), 'utf8')) as { version: string }
  return manifest.version
}

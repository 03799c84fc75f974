/**
 * The version, read from the package itself, so that there is one place to raise it.
 */
import { readFileSync } from 'node:fs'

export const version = (): string => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}

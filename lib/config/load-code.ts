/**
 * A configuration that is code: `one-server.config.ts`, `.mjs` or `.js`, run by Node's own import, which strips the types of a .ts. To
 * run code of a checkout is a decision: so only a call that starts servers comes here, and `status`, `stop` and the like find a
 * server by its name and its folder.
 */
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { OneServerError } from '../errors.js'
import type { Found } from './locate.js'
import { runningCode } from './running-code.js'
import { plainCopy } from './value-part.js'

const HINT = 'Correct the file and call again.'

/** The first line of the stack of a syntax error is its place; of another error it is the first frame in the file. */
const lineIn = (file: string, error: unknown): string => {
  const { href } = pathToFileURL(file)
  const stack = String((error as Error | undefined)?.stack)
  const rest = [href, file].map((name) => stack.split(name)[1]).find((text) => text !== undefined)
  const line = /^(?:\?[^:\s]*)?:(\d+)/.exec(rest ?? '')?.[1]
  return line === undefined ? '' : `:${line}`
}

const wrong = (file: string, error: unknown): OneServerError => {
  const { code, message = String(error) } = (error ?? {}) as NodeJS.ErrnoException
  if (file.endsWith('.ts') && (code === 'ERR_UNKNOWN_FILE_EXTENSION' || code === 'ERR_NO_TYPESCRIPT')) {
    return new OneServerError(
      'INVALID_OPTION', `${file}: this Node (${process.version}) does not run TypeScript; Node 22.18, 23.6 and newer do`,
      'Use such a Node, or write the configuration as one-server.config.mjs or .json.', {}, error,
    )
  }
  return new OneServerError('INVALID_OPTION', `${file}${lineIn(file, error)}: it cannot be run: ${message}`, HINT, {}, error)
}

/** A loader that knows CommonJS only, such as Jest's, has no import(): there Node's require takes both kinds of modules. */
const load = async (file: string): Promise<unknown> => {
  if (import.meta.url.endsWith('.cjs')) return createRequire(file)(file)
  // By its time of change: an editor lives for days, and a file that was corrected must be run again.
  return import(`${pathToFileURL(file).href}?changed=${statSync(file).mtimeMs}`)
}

/** Runs a config file that is code, for what it exports. Any other is returned as it is. */
export const loaded = async (found: Found): Promise<Found> => {
  if (!found.isCode) return found
  const { file } = found
  try {
    const value = await runningCode(file, async () => {
      const { default: exported } = (await load(file)) as { default?: unknown }
      // Read to its last key: a getter is code, too.
      return plainCopy(await exported)
    })
    return { ...found, value }
  } catch (error) {
    throw wrong(file, error)
  }
}

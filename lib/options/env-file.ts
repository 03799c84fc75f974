/**
 * The variables of `envFile`, by Node's own parser, so that a file means here what it means to `node --env-file`. A server that began
 * without its secrets would fail later, and elsewhere: so a file that is missing is an error. The path may come from a foreign checkout,
 * and a FIFO there must not hold a call: so only plain files are read. Few callers have such a file, so only a call that reads one loads
 * this.
 */
import { invalidOption } from '../errors.js'
import { systemReason } from '../text/system-reason.js'
import { readPlainFile } from '../plain-file.js'
import { KINDS } from './parse.js'
import { spreadOf, type Settings } from './settings.js'

/** Bytes: a larger one is no list of variables. */
const LARGEST = 1024 * 1024

const read = (file: string): string => {
  const found = readPlainFile(file, LARGEST)
  if ('refused' in found) throw new Error(`it ${found.refused}`)
  return found.text
}

/** Of two files with one name the later one counts. `option` is the name that the caller used. */
export const variablesIn = (option: string, files: readonly string[]): Readonly<Record<string, string>> =>
  Object.assign({}, ...files.map((file) => {
    let text: string
    try {
      text = read(file)
    } catch (error) {
      throw invalidOption(option, `a file that can be read (${systemReason(error)})`, file)
    }
    return KINDS.variables(`${option} ${file}`, process.getBuiltinModule('node:util').parseEnv(text))
  }))

/** The same settings with the variables of the files below those of `env`. A call reads the files each time: they may have changed. */
export const withEnvFile = (settings: Settings, from: NodeJS.ProcessEnv = process.env): Settings => {
  const env = { ...variablesIn('envFile', settings.envFile ?? []), ...settings.env }
  return Object.freeze({ ...settings, env, spread: spreadOf(env, from) })
}

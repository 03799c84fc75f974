/**
 * Runs the test files that it is given in one process. To load tap costs a fifth of a second of processor time, which is more than
 * most tests of one source file take. all.ts gives it the files that start no process, so that no test meets another's.
 */
import { fileURLToPath, pathToFileURL } from 'node:url'
import { join } from 'node:path'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))

for (const file of process.argv.slice(2)) await import(pathToFileURL(join(FOLDER, file)).href)

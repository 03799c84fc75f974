/**
 * Workers of Playwright and Jest inherit the environment of the runner's main process, as it is when they are started. So a global setup
 * writes there where the servers are, under the names that `one-server run` gives to its command; a test that runs under either finds
 * them alike. What stood there before comes back, since a runner with a window (Playwright's UI, an editor) lives on.
 */
import { invalidCombination } from '../errors.js'
import { variableOf } from '../text/fill.js'

/** Sets variables; what it returns takes them back. */
export const lend = (variables: Readonly<Record<string, string>>): (() => void) => {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, variables)
  return () => {
    for (const [name, value] of before) {
      // Another setup may have written there since.
      if (process.env[name] !== variables[name]) continue
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

/**
 * The URL of a server of this test run.
 *
 * @param name Which server, where the run has several. @default the first one
 * @throws OneServerError `INVALID_OPTION`: this run has no such server.
 */
export const serverUrl = (name?: string): string => {
  const variable = name === undefined ? 'ONE_SERVER_URL' : variableOf(name)
  const url = process.env[variable]
  if (url !== undefined && url !== '') return url
  const which = name === undefined ? 'no server' : `no server ${JSON.stringify(name)}`
  const hint = 'Name it in the configuration of the test runner: oneServer(…), or use one-server run.'
  throw invalidCombination(`this test run has ${which}: ${variable} is not set`, hint)
}

/**
 * Which servers a test run asks for, as the configuration of a test runner says it. A runner takes its global setup by the name of a file
 * and hands no options to it, so the configuration leaves them where that file finds them: in the process, and not in the environment,
 * which workers and servers inherit. The runner loads the two on ways of its own, even once as an ES module and once as CommonJS, so a
 * variable of this module would be two.
 */
import { invalidCombination, invalidOption } from '../errors.js'
import type { FromConfigOptions } from '../from-config.js'
import type { ClientProcessManagerOptions } from '../options/options.js'

/** Options of the servers of a test run. What an option names by a relative path is looked up from the working directory. */
export interface TestRunOptions extends Omit<ClientProcessManagerOptions, 'name'> {
  /** The folder in which the search for the config file begins. @default the folder of the test runner's own configuration */
  from?: FromConfigOptions['from']
}

/** A server without an entry in a config file. */
export interface TestServerOptions extends TestRunOptions {
  /** All test runs with this name share one server. */
  name?: string
}

export interface Asked {
  /** None: the options alone say which server it is. */
  readonly names: readonly string[]
  readonly options: ClientProcessManagerOptions
  readonly from: string | undefined
}

/** One server or several by their names, or one by its options. */
export type Which = string | readonly string[] | TestServerOptions

const EXPECTED = "the name of a server, a list of names, or a server's options"

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Throws INVALID_OPTION for what is none of these, so that the runner refuses its configuration. */
export const asking = (which: Which, more: TestRunOptions = {}): Asked => {
  if (!isObject(more)) throw invalidOption('options', 'an object', more)
  if (isObject(which)) {
    if (Object.keys(more).length > 0) throw invalidCombination('options stand beside options', 'Give one object, or a name and an object.')
    const { name, from, ...options } = which as TestServerOptions
    return { names: name === undefined ? [] : [name], options, from }
  }
  const names: readonly string[] = typeof which === 'string' ? [which] : which
  if (!Array.isArray(names) || names.length === 0 || names.some((name) => typeof name !== 'string')) {
    throw invalidOption('server', EXPECTED, which)
  }
  if ('name' in more) throw invalidCombination('a name stands beside options with a name', 'Give one of the two.')
  const { from, ...options } = more
  return { names: [...new Set(names)], options, from }
}

/** A lease of this process on the servers that a test run asked for. */
export interface Held {
  end(): Promise<void>
}

interface InProcess {
  /** What the configuration asks for. */
  asked?: Asked
  /** A run has ended since, so another configuration may come. */
  isOver?: boolean
  /** What each part of a configuration asks for, where a runner has several. */
  readonly all: Map<string, Asked>
  readonly held: Map<Asked, Held>
}

const KEY = Symbol.for('one-server/runners')

export const inProcess = (): InProcess =>
  ((globalThis as { [KEY]?: InProcess })[KEY] ??= { all: new Map(), held: new Map() })

/** As a person reads it. Functions differ each time that a file is read. */
const written = ({ names, options, from }: Asked): string => JSON.stringify([names, options, from])

/**
 * Keeps what a configuration asks for. A runner has one global setup, so of two different calls one would be lost, and tests would run
 * against a server that they do not mean: so the second is refused. A runner may read the same file again.
 */
export const keep = (asked: Asked): void => {
  const here = inProcess()
  const { asked: before, isOver = false } = here
  if (before !== undefined && !isOver && written(before) !== written(asked)) {
    const [first, second] = [before, asked].map(({ names }) => (names.length === 0 ? 'a server by its options' : names.join(', ')))
    const how = "Name all servers in one call, oneServer(['web', 'db']), and in each project the same."
    // A runner shows no hint.
    throw invalidCombination(
      `oneServer stands twice in this configuration (${first}; ${second}), and the whole test run has one global setup. ${how}`, how,
    )
  }
  Object.assign(here, { asked, isOver: false })
}

/** What the configuration asks for; a runner that was given the file alone has nothing to go by. */
export const askedBefore = (asked: Asked | undefined, how: string): Asked => {
  if (asked === undefined) throw invalidCombination('the configuration of the test runner names no server', how)
  return asked
}

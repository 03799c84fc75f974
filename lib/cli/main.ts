/**
 * From words to an exit code. Loops and hooks run a warm `start`, which should cost little more than its one request:
 * so this file finds the command and loads only what that command needs. It never exits, and touches nothing but what it
 * is given.
 */
import { mentions, read, usage } from './arguments.js'
import { COMMANDS, commandCalled, type Command } from './commands.js'
import { Output, type Io } from './output.js'

const USAGE = 2

/** A command to run with the rest of the words, or a text that is the whole answer. */
type Plan = { command: Command } | { text: string; to: 'stdout' | 'stderr' }

const unknownWord = async (word: string): Promise<Error> => {
  if (word.startsWith('-')) return usage(`the command comes first: one-server start [options], got ${word}`)
  const { didYouMean } = await import('../text/did-you-mean.js')
  return usage(`unknown command ${JSON.stringify(word)}; ${didYouMean(word, Object.keys(COMMANDS))}`)
}

const plan = async ([word, about]: readonly string[]): Promise<Plan> => {
  if (word === '--version' || word === '-v') return { text: `${(await import('./version.js')).version()}\n`, to: 'stdout' }
  const asked = word === undefined || word === 'help' || word === '--help' || word === '-h'
  const name = asked ? (word === 'help' ? about : undefined) : word
  if (name === undefined || name.startsWith('-') && asked) {
    const { overview } = await import('./help.js')
    return { text: overview(), to: word === undefined ? 'stderr' : 'stdout' }
  }
  const command = commandCalled(name)
  if (command === undefined) throw await unknownWord(name)
  return asked ? { text: (await import('./help.js')).helpFor(command), to: 'stdout' } : { command }
}

export const main = async (argv: readonly string[], io: Io): Promise<number> => {
  const alwaysJson = argv[0] !== undefined && commandCalled(argv[0])?.alwaysJson === true
  const output = new Output(io, { json: alwaysJson || mentions(argv, 'json'), quiet: mentions(argv, 'quiet') })
  let isUsage = true
  try {
    const planned = await plan(argv)
    if ('text' in planned) {
      if (planned.to === 'stdout') await output.result(planned.text)
      else output.complain(planned.text.trimEnd())
      return planned.to === 'stdout' ? 0 : USAGE
    }
    const { command } = planned
    const request = await read(argv.slice(1), command, io.env)
    if (request.help) {
      await output.result((await import('./help.js')).helpFor(command))
      return 0
    }
    isUsage = false
    if (request.doubt !== undefined) output.note(request.doubt)
    const { run } = await command.load()
    const code = await run(request, output, io.signal, io)
    return io.signal.aborted ? (await import('./failure.js')).exitCodeOfSignal(io.signal) : code
  } catch (error) {
    const { fail } = await import('./failure.js')
    return fail(error, output, io.signal, isUsage)
  }
}

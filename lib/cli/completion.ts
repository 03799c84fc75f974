/**
 * `completion bash|zsh|fish` prints a script; what that script then asks at each Tab comes here as well, with the words so far. A Tab
 * must leave the line as it is where something is wrong, so the answer is then no suggestion, and no word on a terminal.
 */
import { usage, type Accepts, type Request } from './arguments.js'
import type { Io, Output } from './output.js'
import type { Shell } from './shell-scripts.js'

/** `commandCalled` finds a command by its word; this file is one of those that the table of commands loads, and cannot load it. */
export const completing = (commandCalled: (word: string) => Accepts | undefined) => async (
  { words }: Request, output: Output, _: AbortSignal, { env }: Io,
): Promise<number> => {
  const { choices = [] } = commandCalled('completion') ?? {}
  const [shell, ...asked] = words
  if (shell === undefined) throw usage(`completion needs a shell: ${choices.join(', ')}`)
  if (!choices.includes(shell)) throw usage(`completion knows ${choices.join(', ')}, got ${JSON.stringify(shell)}`)
  const { encode, scriptFor } = await import('./shell-scripts.js')
  if (asked.length === 0) {
    await output.raw(scriptFor(shell as Shell))
    return 0
  }
  try {
    const [{ suggest }, { knownNames }] = await Promise.all([import('./suggest.js'), import('./known-names.js')])
    const suggestions = await suggest(asked.slice(0, -1), asked.at(-1)!, commandCalled, () => knownNames(env))
    await output.raw(encode(shell as Shell, suggestions))
  } catch {}
  return 0
}

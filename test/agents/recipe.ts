/** The JSON of fixtures/README.md, as an agent or an editor reads it: the page itself is what the series tests. */
import { read } from '../support/pages.js'

/** How a host starts one server that speaks stdio. */
export interface Entry {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** The text of a block, by its section, its language and its number. */
export const blockOf = (name: string): string => {
  const block = read('fixtures/README.md').blocks.find((one) => one.name === name)
  if (block === undefined) throw new Error(`fixtures/README.md has no block ${name}`)
  return block.text
}

/** The one server of a file that lists servers below one key: `mcpServers`, `servers`, `context_servers`. */
export const entryOf = (text: string, key = 'mcpServers'): Entry => {
  const servers = (JSON.parse(text) as Readonly<Record<string, Readonly<Record<string, Entry>>>>)[key]
  const [entry, ...more] = Object.values(servers ?? {})
  if (entry === undefined || more.length > 0) throw new Error(`${key} must have one server: ${text}`)
  return entry
}

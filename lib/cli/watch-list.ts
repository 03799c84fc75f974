/**
 * `list --watch`: the list goes on. A person at a terminal sees one table that is drawn again in place; a file or a pipe gets a line for
 * each change, since a table for each second would hide what changed. With --json it is a document for each change.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Output } from './output.js'

/** ms between two looks: each look checks the health of every server. */
const PAUSE = 1000

/** Wrapped, a line would take two rows, and the next drawing would begin in the wrong one. */
const [NO_WRAP, WRAP] = ['\u001B[?7l', '\u001B[?7h']

export interface Watched<Entry> {
  readonly look: () => Promise<readonly Entry[]>
  /** A line for each entry, with their ends. */
  readonly table: (entries: readonly Entry[]) => string
  /** What tells an entry from others. */
  readonly id: (entry: Entry) => string
  /** All of an entry that is worth a line when it changes; the time that is left to it is not. */
  readonly seen: (entry: Entry) => string
  /** The line for an entry that has gone. */
  readonly gone: (entry: Entry) => string
}

/** The rows that fit, so that the first one is never scrolled out of reach. */
const fitting = (text: string, rows: number): string => {
  const lines = text.split('\n').slice(0, -1)
  const room = Math.max(2, rows - 1)
  if (lines.length <= room) return text
  return [...lines.slice(0, room - 1), `… and ${lines.length - room + 1} more`, ''].join('\n')
}

const draw = async (text: string, drawn: number, output: Output): Promise<number> => {
  const shown = fitting(text === '' ? 'no servers\n' : text, output.rows)
  await output.raw(`${NO_WRAP}\r${drawn === 0 ? '' : `\u001B[${drawn}A`}\u001B[J`)
  await output.result(shown)
  await output.raw(WRAP)
  return shown.split('\n').length - 1
}

export const watchList = async <Entry>(
  { look, table, id, seen, gone }: Watched<Entry>, output: Output, signal: AbortSignal,
): Promise<void> => {
  const until = AbortSignal.any([signal, output.closed])
  let before = new Map<string, Entry>()
  let isFirst = true
  for (let drawn = 0; !until.aborted;) {
    const entries = await look()
    const changed = entries.filter((entry) => {
      const old = before.get(id(entry))
      return old === undefined || seen(old) !== seen(entry)
    })
    const now = new Map(entries.map((entry) => [id(entry), entry]))
    const left = [...before].filter(([key]) => !now.has(key)).map(([, entry]) => entry)
    if (output.json) {
      if (isFirst || changed.length + left.length > 0) await output.document({ servers: entries })
    } else if (output.isTerminal) drawn = await draw(table(entries), drawn, output)
    else if (changed.length + left.length > 0) await output.result(table(changed) + left.map((entry) => `${gone(entry)}\n`).join(''))
    before = now
    isFirst = false
    await pause(PAUSE, undefined, { signal: until }).catch(() => {})
  }
}

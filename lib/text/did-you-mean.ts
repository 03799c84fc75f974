/**
 * The word that a mistyped one was most likely meant to be. It only ever suggests: nothing is run that
 * was not asked for by its name. Loaded when a word is unknown.
 */

/** Edits between two words: insert, delete, replace, or swap two neighbours. */
const distance = (from: string, to: string): number => {
  let before: number[] = []
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1]
      let least = Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      if (swapped) least = Math.min(least, (before[j - 2] as number) + 1)
      next.push(least)
    }
    before = row
    row = next
  }
  return row[to.length] as number
}

/** Undefined when nothing is close enough to be worth saying. */
export const closestMatch = (word: string, known: readonly string[]): string | undefined => {
  const letters = (text: string): string => text.replace(/^-+/, '').toLowerCase()
  const asked = letters(word)
  // A beginning that fits only one word is no doubt about it: --stop for --stop-timeout.
  const begins = known.filter((item) => asked.length > 1 && letters(item).startsWith(asked))
  if (begins.length === 1) return begins[0]
  const [best] = known.map((item) => ({ item, edits: distance(asked, letters(item)) })).sort((a, b) => a.edits - b.edits)
  return best !== undefined && best.edits <= Math.max(1, Math.floor(asked.length / 3)) ? best.item : undefined
}

/** What is told of a word that is none of those that are known. */
export const didYouMean = (word: string, known: readonly string[]): string => {
  const near = closestMatch(word, known)
  return near === undefined ? `expected ${known.slice(0, -1).join(', ')} or ${known.at(-1)}` : `did you mean ${near}?`
}

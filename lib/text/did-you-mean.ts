/**
 * The word that a user may have misspelt. It only suggests: one-server runs nothing that nobody asked for by its name. A call
 * loads this file for an unknown word only. Slips of the fingers swap letters, so the distance is Damerau's: a swap is one edit.
 */
import levenshtein from 'damerau-levenshtein'

const letters = (text: string): string => text.replace(/^-+/, '').toLowerCase()

/** Undefined when no word is close enough to be worth a suggestion. */
export const closestMatch = (word: string, known: readonly string[]): string | undefined => {
  const asked = letters(word)
  // A beginning that fits only one word leaves no doubt: --stop for --stop-timeout.
  const begins = known.filter((item) => asked.length > 1 && letters(item).startsWith(asked))
  if (begins.length === 1) return begins[0]
  const [best] = known.map((item) => ({ item, edits: levenshtein(asked, letters(item)).steps })).sort((a, b) => a.edits - b.edits)
  return best !== undefined && best.edits <= Math.max(1, Math.floor(asked.length / 3)) ? best.item : undefined
}

/** Advice for a word that is none of the known ones. */
export const didYouMean = (word: string, known: readonly string[]): string => {
  const near = closestMatch(word, known)
  return near === undefined ? `expected ${known.slice(0, -1).join(', ')} or ${known.at(-1)}` : `did you mean ${near}?`
}

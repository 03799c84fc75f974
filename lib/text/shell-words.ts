/**
 * One text as the words of a command, split as a POSIX shell splits it, but run without a shell. Only quotes are the shell's:
 * there are no variables, patterns, operators or comments, so `$HOME`, `*`, `|` and `#` stand for themselves.
 *
 * By hand, since of the packages string-argv knows no backslash, shell-quote expands, and shlex leaves `"\$"` as it is.
 *
 * The rules are those of XCU 2.2, Quoting (POSIX.1-2017, Shell Command Language):
 * 2.2.1  a backslash keeps the next character as it is; before a newline, both go;
 * 2.2.2  single quotes keep everything between them as it is;
 * 2.2.3  double quotes do so, too, but for a backslash before $ ` " \ or a newline.
 * Words end at blanks and newlines (2.3). Quotes may begin and end within a word, and make a word of nothing.
 */

/** The characters that a backslash quotes between double quotes. */
const ESCAPED = new Set(['$', '`', '"', '\\', '\n'])

/** Words, or why the text has none. */
export type Split = { readonly words: readonly string[] } | { readonly malformed: string }

export const splitWords = (text: string): Split => {
  const words: string[] = []
  // Undefined between two words: an empty word is one.
  let word: string | undefined
  let quote: '"' | "'" | undefined
  const add = (part: string): void => {
    word = (word ?? '') + part
  }
  const characters = [...text]
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string
    if (character === '\\' && quote !== "'") {
      const next = characters[++at]
      if (next === undefined) return { malformed: quote === undefined ? 'it ends in a backslash' : `${quote} is not closed` }
      if (quote === '"' && !ESCAPED.has(next)) add(`\\${next}`)
      else if (next !== '\n') add(next)
    } else if (character === quote) quote = undefined
    else if (quote !== undefined) add(character)
    else if (character === '"' || character === "'") {
      quote = character
      add('')
    } else if (character === ' ' || character === '\t' || character === '\n') {
      if (word !== undefined) words.push(word)
      word = undefined
    } else add(character)
  }
  if (quote !== undefined) return { malformed: `${quote} is not closed` }
  if (word !== undefined) words.push(word)
  return { words }
}

/** The way back, for people: a text that splits into these words again. */
export const joinWords = (words: readonly string[]): string =>
  words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)).join(' ')

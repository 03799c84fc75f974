/**
 * Lines that fit the terminal. A path or a command must stay whole to be copied, so a line breaks between words only,
 * even where one word alone is longer than the line. wrap-ansi measures columns: a wide letter takes two.
 */
import wrapAnsi from 'wrap-ansi'

/** `first` stands before the first line, and `rest`, which is no longer, before the others. */
export const wrap = (text: string, width: number, first: string, rest: string): string => {
  // wrap-ansi knows no hanging indent: a word of dashes, glued to the text, holds the place of what `first` is longer.
  const place = '-'.repeat(first.length - rest.length)
  const [head = '', ...lines] = wrapAnsi(`${place}${text}`, width - rest.length, { hard: false }).split('\n')
  return [`${first}${head.slice(place.length)}`, ...lines.map((line) => `${rest}${line}`)].join('\n')
}

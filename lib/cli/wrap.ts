/**
 * Lines that fit: text is broken between words only, so that a path or a command can still be copied
 * as a whole, even where it alone is longer than the line.
 */
export const wrap = (text: string, width: number, first: string, rest: string): string => {
  const lines: string[] = []
  let line = first
  let empty = true
  for (const word of text.split(' ')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line)
      line = rest
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line].join('\n')
}

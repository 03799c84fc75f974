/**
 * The line of a log as one text has it: `/ready in \d+ ms/i` is a regular expression, as it is in JavaScript; anything else is itself.
 * Taken for a text in silence, a regular expression never matches, and its server is ended after its whole time. So what looks like
 * one and is none is an error.
 */
import { invalidOption } from '../errors.js'

/** The flags that JavaScript knows. Other letters after the last slash belong to a path: `/usr/bin`. */
const PATTERN = /^\/(.+)\/([dgimsuvy]*)$/s

export const logPattern = (option: string, text: string): string | RegExp => {
  const [, source, flags] = PATTERN.exec(text) ?? []
  if (source === undefined) return text
  try {
    return new RegExp(source, flags)
  } catch (error) {
    const expected = `a text or a regular expression such as /ready in \\d+ ms/ (${(error as Error).message})`
    throw invalidOption(option, expected, text)
  }
}

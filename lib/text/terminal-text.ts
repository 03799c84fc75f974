/**
 * Text of others (a log, a path, a config file) as a terminal may get it. A control character in it could set the title, clear the
 * screen, write to the clipboard or turn the reading order around, and so show a person what is not so. What is printed
 * for people passes through here (cli/output.ts); JSON and the fields of errors keep every character.
 *
 * Sequences as ECMA-48 has them: control sequences (5.4), command strings (5.6), escape sequences (5.3). Each part excludes the characters
 * by which a sequence begins, so that no text costs more than its length.
 */
/* oxlint-disable no-control-regex -- control characters are what this file is about */
const SEQUENCES =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\n\x80-\x9f]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]/g

/**
 * A log as its words: without colours and other sequences. A carriage return ends a line, as it does for the eye: a program writes the
 * next state of its progress over the last one.
 */
export const withoutSequences = (text: string): string =>
  /[\x1b\r\x80-\x9f]/.test(text) ? text.replace(SEQUENCES, '').replace(/\r+\n?/g, '\n') : text

/** Each character that acts on a terminal, as a question mark; so a path shows that something is in it. Lines and tabs stay. */
export const printable = (text: string): string =>
  text.replace(/\r\n/g, '\n').replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, '?')

/** The same on one line: a line break in a name would look like another row. */
export const onOneLine = (text: string): string => printable(text).replace(/[\n\t]/g, '?')

/** What may be the beginning of a sequence, of a line break or of a colour, at the end of a piece. */
const CUT_SHORT =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*$|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\n\x80-\x9f]*\x1b?$|\x1b[ -/]*$|\r+$/

/** Characters of a sequence that are waited for. */
const LONGEST = 8192

/**
 * A log for a person at a terminal, piece by piece: colours stay, since they harm nobody and people know their log by them; all
 * else that acts is taken out. `next` returns what can be printed, `end` the rest.
 */
export const terminalLog = (): { readonly next: (data: Uint8Array) => string; readonly end: () => string } => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let rest = ''
  let isColoured = false
  const shown = (text: string): string => {
    const parts = text.replace(SEQUENCES, (sequence) => (/^\x1b\[[0-9;:]*m$/.test(sequence) ? sequence : '')).split(/(\x1b\[[0-9;:]*m)/)
    isColoured ||= parts.length > 1
    return parts.map((part, at) => (at % 2 === 1 ? part : printable(part.replace(/\r+\n?/g, '\n')))).join('')
  }
  return {
    next: (data) => {
      const text = rest + decoder.decode(data, { stream: true })
      const [cut = ''] = CUT_SHORT.exec(text.slice(-LONGEST)) ?? []
      rest = cut
      return shown(text.slice(0, text.length - cut.length))
    },
    end: () => `${shown(rest + decoder.decode())}${isColoured ? '\x1b[0m' : ''}`,
  }
}

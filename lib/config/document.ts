/**
 * A JSON text whose parts know their lines, so that an error can name the line of a mistake. People write a config file by
 * hand, so it may have comments and trailing commas; a package.json may not.
 */
import { getNodeValue, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser'
import { OneServerError } from '../errors.js'

/** A value of the text. */
export interface Part {
  readonly value: unknown
  /** `servers.api.port` */
  readonly path: string
  /** The parts of an object, by their keys. Throws where a key stands twice: one of the two is a mistake. */
  readonly entries: () => ReadonlyMap<string, Part>
  readonly isObject: boolean
  /** An error about it, or about a part below it that the message is about. */
  readonly wrong: (message: string, below?: string) => OneServerError
}

const HINT = 'Correct the file and call again.'

/** The parser's codes in words for the author of the file. */
const REASONS: Readonly<Record<string, string>> = {
  InvalidSymbol: 'there is a word that is neither a string in double quotes, a number, true, false nor null',
  InvalidNumberFormat: 'expected a number', PropertyNameExpected: 'expected a key in double quotes', ValueExpected: 'expected a value',
  ColonExpected: "expected ':'", CommaExpected: "expected ','", CloseBraceExpected: "expected '}'", CloseBracketExpected: "expected ']'",
  EndOfFileExpected: 'expected the end of the file', InvalidCommentToken: 'comments are not allowed here',
  UnexpectedEndOfComment: 'a comment has no end', UnexpectedEndOfString: 'a string has no end',
  UnexpectedEndOfNumber: 'a number has no end', InvalidUnicode: 'there is an invalid unicode escape',
  InvalidEscapeCharacter: 'there is an invalid escape in a string', InvalidCharacter: 'there is an invalid character in a string',
}

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length

/** Parses the text of `file`; `strict` as package.json is. */
export const parse = (file: string, text: string, strict: boolean): Part => {
  const source = text.replace(/^\uFEFF/, '')
  const wrong = (offset: number, message: string): OneServerError =>
    new OneServerError('INVALID_OPTION', `${file}:${lineAt(source, offset)}: ${message}`, HINT)

  const part = (node: Node, path: string, at: number): Part => {
    const entriesOf = (): Map<string, Part> => {
      const entries = new Map<string, Part>()
      for (const { offset, children = [] } of node.type === 'object' ? node.children ?? [] : []) {
        const [key, value] = children
        if (key === undefined || value === undefined) continue
        const name = key.value as string
        const below = path === '' ? name : `${path}.${name}`
        if (entries.has(name)) throw wrong(offset, `${below}: stands here a second time`)
        entries.set(name, part(value, below, offset))
      }
      return entries
    }
    return {
      value: getNodeValue(node), path, isObject: node.type === 'object', entries: entriesOf,
      wrong: (message, below) => {
        const inside = below === undefined ? undefined : entriesOf().get(below)
        if (inside !== undefined) return inside.wrong(message)
        return wrong(at, path === '' ? message : `${path}: ${message}`)
      },
    }
  }

  const errors: ParseError[] = []
  const root = parseTree(source, errors, { disallowComments: strict, allowTrailingComma: !strict })
  const [first] = errors
  if (first !== undefined) {
    const code = printParseErrorCode(first.error)
    throw wrong(first.offset, REASONS[code] ?? code)
  }
  if (root === undefined) throw wrong(0, 'expected a value')
  return part(root, '', root.offset)
}

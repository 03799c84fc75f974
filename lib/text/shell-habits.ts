/**
 * What a shell would act on and nobody acts on here: no shell runs a command, so `npm run build && npm start` would hand `&&` to
 * npm as an argument, in silence. So it is an error, with the ways out.
 *
 * In a text (`--server`) the author writes as for a shell, and each character counts that a shell would act on there: an operator
 * outside quotes, an assignment before the program, `~` at the beginning of a word, a `$` outside single quotes. Words of a list
 * (after `--`, in a config file) were split before, and a character within one is as somebody wanted it: only a word that is nothing
 * but an operator or a variable counts, and a first word that is an assignment. What a command gives to a shell of its own,
 * as `sh -c '…'`, is that shell's.
 */
import { splitWords } from './shell-words.js'

const ASSIGNMENT = /^[A-Za-z_]\w*\+?=/
const OPERATOR = /^(?:&&|\|\||[|;&]|\|&|\d*(?:>>?|<<?|>\||<>)(?:&\d*-?)?|&>>?)$/
const VARIABLE = /^\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})$/

const SHELLS = new Set(['sh', 'bash', 'dash', 'zsh', 'ksh', 'mksh', 'fish', 'ash', 'cmd', 'cmd.exe', 'powershell', 'pwsh'])

const isShell = (word: string): boolean => SHELLS.has(word.replace(/^.*[\\/]/, ''))

const ofOperator = (operator: string): string => {
  const other = /[<>]/.test(operator) ? '; output goes to the log (--log-file), stdin stays silent' : ''
  return `no shell runs the command, so ${operator} does nothing in it; call one: sh -c '…'${other}; or quote it if it is an argument`
}

const ofAssignment = (word: string): string =>
  `${word} comes before the program, and no shell sets it; write env ${word} …, sh -c '${word} …', or "env" in a config file`

const ofVariable = (variable: string): string => {
  const name = variable.replace(/[${}]/g, '')
  const own = name === 'PORT' || name === 'HOST' ? `write {${name.toLowerCase()}}, or ` : ''
  return `no shell fills in ${variable}; ${own}call one: sh -c '…'; or put it between single quotes if it is an argument`
}

const ofTilde = (word: string): string => `no shell fills in ~ in ${word}; write the whole path, or call a shell: sh -c '…'`

/** The characters of a text that a shell would act on, where it would. */
const inText = (text: string, hasShell: boolean): string | undefined => {
  let quote: string | undefined
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '\\' && quote !== "'") at++
    else if (character === quote) quote = undefined
    else if (quote === undefined && (character === '"' || character === "'")) quote = character
    else if (quote === undefined && /[|;&<>]/.test(character)) {
      return ofOperator(/^(?:&&|\|\||>>|<<|[|;&<>])/.exec(text.slice(at))![0])
    } else if (quote === undefined && character === '~' && /(?:^|\s)$/.test(text.slice(0, at))) {
      const word = /^~[\w.-]*(?=\/|\s|$)\S*/.exec(text.slice(at))?.[0]
      if (word !== undefined) return ofTilde(word)
    } else if (quote !== "'" && (character === '$' || character === '`') && !(hasShell && quote !== undefined)) {
      const found = /^(?:\$[A-Za-z_]\w*|\$\{[^}]*\}|\$\([^)]*\)?|`[^`]*`?)/.exec(text.slice(at))?.[0]
      if (found !== undefined) return ofVariable(found)
    }
  }
  return undefined
}

/** Why a text needs a shell. Undefined: it needs none. */
export const shellHabitIn = (text: string): string | undefined => {
  const split = splitWords(text)
  const words = 'words' in split ? split.words : []
  // An assignment whose name is quoted is a word like others.
  const [assignment] = /^\s*[A-Za-z_]\w*\+?=/.test(text) ? words : []
  return assignment === undefined ? inText(text, words.some(isShell)) : ofAssignment(assignment)
}

/** Why words of a list need a shell. `isClients`: of a client's command, whose words may be anything but the clearest mistakes. */
export const shellHabitOf = (words: readonly string[], isClients = false): string | undefined => {
  const [first = ''] = words
  if (ASSIGNMENT.test(first)) return ofAssignment(first)
  if (words.some(isShell)) return undefined
  const operator = words.slice(1).find((word) => (isClients ? word === '&&' || word === '||' : OPERATOR.test(word)))
  if (operator !== undefined) return ofOperator(operator)
  const variable = isClients ? undefined : words.find((word) => VARIABLE.test(word))
  return variable === undefined ? undefined : ofVariable(variable)
}

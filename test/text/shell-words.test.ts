/** A text becomes the words that a POSIX shell would make of it, and nothing that only a shell does is done. */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { joinWords, splitWords } from '../../lib/text/shell-words.js'

/** What a shell makes the same of. */
const QUOTED: [text: string, words: string[]][] = [
  ['', []],
  [' \t\n ', []],
  ['node server.js', ['node', 'server.js']],
  ['  node\t server.js --port  80 ', ['node', 'server.js', '--port', '80']],
  // 2.2.1
  ['a\\ b', ['a b']],
  ['\\"a\\\'', ['"a\'']],
  ['\\\\', ['\\']],
  ['\\n', ['n']],
  ['a\\\nb', ['ab']],
  ['a \\\n b', ['a', 'b']],
  // 2.2.2
  ["'a b'", ['a b']],
  ["'a\\b'", ['a\\b']],
  ["'a\\'", ['a\\']],
  ["'\"'", ['"']],
  ["'a\nb'", ['a\nb']],
  ["'$HOME `id` *'", ['$HOME `id` *']],
  // 2.2.3
  ['"a b"', ['a b']],
  ['"a\'b"', ["a'b"]],
  ['"\\$ \\` \\" \\\\"', ['$ ` " \\']],
  ['"\\a\\n\\ "', ['\\a\\n\\ ']],
  ['"a\\\nb"', ['ab']],
  // Quotes within words, and words of nothing.
  ["''", ['']],
  ['"" a \'\'', ['', 'a', '']],
  ['a""b', ['ab']],
  ["--name='a b'\"c d\"\\ e", ['--name=a bc d e']],
  ["'it'\\''s'", ["it's"]],
  ['日本 "ü ß"', ['日本', 'ü ß']],
]

/** What a shell would do more with. */
const LITERAL: [text: string, words: string[]][] = [
  ['node server.js\n--port 80\n', ['node', 'server.js', '--port', '80']],
  ['echo $HOME "$HOME" `id` $(id)', ['echo', '$HOME', '$HOME', '`id`', '$(id)']],
  ['a | b && c > d; e &', ['a', '|', 'b', '&&', 'c', '>', 'd;', 'e', '&']],
  ['* ? [a] {a,b} ~ # !', ['*', '?', '[a]', '{a,b}', '~', '#', '!']],
  ['A=1 b', ['A=1', 'b']],
]

const MALFORMED: [text: string, why: string][] = [
  ["node 'a", "' is not closed"],
  ['node "a', '" is not closed'],
  ['"a\'', '" is not closed'],
  ["'a\"", "' is not closed"],
  ["'it''s' 'it's'", "' is not closed"],
  ['"a\\"', '" is not closed'],
  ['"a\\', '" is not closed'],
  ['node \\', 'it ends in a backslash'],
]

for (const [text, words] of [...QUOTED, ...LITERAL]) t.same(splitWords(text), { words }, JSON.stringify(text))

t.test('as the shell of this system does', { skip: process.platform === 'win32' && 'there is none' }, async (t) => {
  // Each text is one line of a program, so that one shell tells of all.
  const program = QUOTED.map(([text]) => `set -- ${text}\nprintf '<%s>' "$@"; echo '#'`).join('\n')
  const told = execFileSync('/bin/sh', ['-c', program], { encoding: 'utf8' }).split('#\n')
  for (const [index, [text, words]] of QUOTED.entries()) {
    t.equal(told[index], words.map((word) => `<${word}>`).join('') || '<>', JSON.stringify(text))
  }
})

for (const [text, malformed] of MALFORMED) t.same(splitWords(text), { malformed }, JSON.stringify(text))

for (const [text, words] of [...QUOTED, ...LITERAL]) t.same(splitWords(joinWords(words)), { words }, `joined again: ${JSON.stringify(text)}`)

t.test('joined words are readable', async (t) => {
  t.equal(joinWords(['npm', 'test', '--', '--port=80', 'a b', "it's", '', '$x']), `npm test -- --port=80 'a b' 'it'\\''s' '' '$x'`)
})

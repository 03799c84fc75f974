/** The kind: characters that act on a terminal. No text costs more than its length, however many sequences begin in it. */
/* oxlint-disable no-control-regex -- control characters are what this file is about */
import t from 'tap'
import { onOneLine, printable, terminalLog, withoutSequences } from '../../lib/text/terminal-text.js'

const ACTS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/

t.test('a log as its words', async (t) => {
  for (const [raw, words] of [
    ['\x1b[32m➜\x1b[39m  \x1b[1mLocal\x1b[22m: http', '➜  Local: http'], ['\x1b[38;2;1;2;3mred\x1b[0;1m', 'red'], ['\x9b31mred', 'red'],
    ['\x1b]0;title\x07a', 'a'], ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'], ['\x1bP1$r\x1b\\b', 'b'], ['\x1b_x\x9cc', 'c'], ['\x1b(Bd\x1b7\x1b=', 'd'],
    ['ready\r\n', 'ready\n'], ['10%\r20%\rready', '10%\n20%\nready'], ['a\r\r\nb', 'a\nb'], ['\x1b[2K\x1b[1Gx', 'x'], ['as it is\n', 'as it is\n'],
    ['\x1b]0;without an end\nready', '0;without an end\nready'],
  ] as const) t.equal(withoutSequences(raw), words, JSON.stringify(raw))
})

t.test('text for people has no character that acts, and shows where one was', async (t) => {
  const hostile = '\x1b]52;c;aGk=\x07\x1b[2J\x9b1m\u202etxt\u2066\x7f\b\0\u2028'
  t.notMatch(printable(hostile), ACTS)
  t.equal(printable(hostile).length, hostile.length)
  t.equal(printable('a\tb\nc\r\nd é 漢 👩‍👩‍👧'), 'a\tb\nc\nd é 漢 👩‍👩‍👧')
  t.equal(onOneLine('a\nb\tc'), 'a?b?c')
})

t.test('a log at a terminal keeps its colours, wherever it is cut into pieces', async (t) => {
  const log = Buffer.from('\x1b[31mé漢\x1b[0m\r\n50%\r100%\r\n\x1b]52;c;aGk=\x07\x1b[2Jx\u202e\x1b]0;t\x1b\\y\x1b')
  const shown = '\x1b[31mé漢\x1b[0m\n50%\n100%\nx?y?\x1b[0m'
  for (const size of [1, 2, 3, 5, 7, 1000]) {
    const { next, end } = terminalLog()
    let text = ''
    for (let at = 0; at < log.length; at += size) text += next(log.subarray(at, at + size))
    t.equal(text + end(), shown, `pieces of ${size}`)
  }
  const plain = terminalLog()
  t.equal(plain.next(Buffer.from('a\n')) + plain.end(), 'a\n', 'and without a colour nothing is added')
})

t.test('beginnings without an end cost no more than their length', async (t) => {
  // Each of these would take hours if a beginning were searched to the end of the text.
  for (const beginning of ['\x1b]', '\x9d', '\x1b[', '\x9b0', '\x1bP;', '\x1b ', '\r']) {
    const text = beginning.repeat(1_000_000)
    withoutSequences(text)
    printable(text)
    const { next, end } = terminalLog()
    next(Buffer.from(text))
    end()
  }
  t.pass()
})

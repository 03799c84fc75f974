/** Lines fit where they can, and no word is ever cut. */
import t from 'tap'
import { wrap } from '../../lib/text/wrap.js'

t.test('breaks between words, with its own beginning for the lines that follow', async (t) => {
  t.equal(wrap('aa bb cc dd', 8, '> ', '  '), '> aa bb\n  cc dd')
  t.equal(wrap('aa bb', 7, '> ', '  '), '> aa bb', 'as wide as allowed')
})

t.test('a word that is too long stands whole', async (t) => {
  t.equal(wrap('in /a/very/long/path now', 10, '', ''), 'in\n/a/very/long/path\nnow')
})

t.test('a wide letter takes two columns', async (t) => {
  t.equal(wrap('日本 日本', 8, '', ''), '日本\n日本')
})

t.test('spaces within the text are kept', async (t) => {
  t.equal(wrap('a  b', 10, '', ''), 'a  b')
})

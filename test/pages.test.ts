/**
 * The pages hang together: a link leads somewhere, an anchor is there, a map has all rooms, and no page outgrows the time
 * of its reader. What the blocks of code do is shown by readme.test.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import t from 'tap'
import { isThere, PAGES, parse, read, ROOT, type Page } from './support/pages.js'

/** Code on a page is as wide as code elsewhere. */
const CODE_WIDTH = 140

const SKIPPED = new Set(['node_modules', 'dist', 'build', '.git', '.tap'])

const markdown = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name)
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : markdown(path)
    return entry.name.endsWith('.md') ? [path] : []
  })

/** Where a link of a page leads to nothing. */
const broken = (page: string, { links, anchors }: Page): string[] =>
  links.flatMap((link) => {
    if (link.startsWith('https:')) return []
    const [path = '', anchor] = link.split('#')
    const target = posix.normalize(posix.join(dirname(page), path))
    if (path !== '' && (target.startsWith('..') || !existsSync(join(ROOT, target)))) return [`${link}: there is no ${target}`]
    if (anchor === undefined) return []
    if (path !== '' && statSync(join(ROOT, target)).isDirectory()) return [`${link}: a folder has no anchors`]
    return (path === '' ? anchors : read(target).anchors).has(anchor) ? [] : [`${link}: there is no such heading`]
  })

t.test('each page is known, and each known page is there', async (t) => {
  t.same(markdown('.').filter((path) => path !== 'CHANGELOG.md').toSorted(), Object.keys(PAGES).toSorted())
})

for (const [page, { lines, columns }] of Object.entries(PAGES).filter(([name]) => isThere(name))) {
  t.test(page, async (t) => {
    const read_ = read(page)
    t.same(broken(page, read_), [], 'each link leads somewhere')
    t.same(read_.blocks.filter(({ language }) => language === '').map(({ name }) => name), [], 'each block says what it is')
    t.ok(read_.lines.length <= lines, `${read_.lines.length} lines of at most ${lines}`)
    // A row of a table and a picture cannot be broken.
    t.same(read_.prose.filter((line) => line.length > columns && !/^(\||!\[)/.test(line)), [], `no line has more than ${columns} columns`)
    t.same(read_.blocks.flatMap(({ text }) => text.split('\n')).filter((line) => line.length > CODE_WIDTH), [], `nor code more than ${CODE_WIDTH}`)
  })
}

t.test('the map of lib/ has every room, and that of test/ every folder', async (t) => {
  const rooms = read('lib/README.md').lines.join('\n').split('\n## The rooms\n')[1] ?? ''
  const names = readdirSync(join(ROOT, 'lib'), { withFileTypes: true }).map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
  t.same(names.filter((name) => name !== 'README.md' && !rooms.includes(`\`${name}\``)), [])
  const folders = read('test/README.md').lines.join('\n')
  const named = readdirSync(join(ROOT, 'test'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  t.same(named.filter((name) => !folders.includes(`\`${name}/`)), [])
})

t.test('the checks can fail', async (t) => {
  const page = parse('# A `b` & c\n\n## Why?\n\n[x](#a-b--c) [y](#why) `[no](link)`\n\n```sh\n# no heading, [no](link)\n```\n\n## Why?\n\n[z](#why-1)\n\n```sh\n2\n```\n')
  t.same([...page.anchors], ['a-b--c', 'why', 'why-1'])
  t.same(page.blocks.map(({ name, text }) => [name, text]), [['Why? sh 1', '# no heading, [no](link)\n'], ['Why? sh 2', '2\n']])
  t.same(broken('lib/README.md', page), [])
  t.throws(() => parse('```sh\nx'), /does not end/)
  const wrong = ['#nowhere', 'nowhere.md', '../README.md#nowhere', '../../x', 'cli#x', 'http://example.com']
  t.same(broken('lib/README.md', { ...page, links: wrong }).map((line) => line.split(': ')[0]), wrong.filter((link) => !link.startsWith('https:')))
})

/**
 * The pages of this repository, as their tests read them: headings with the anchors that GitHub makes of them, links,
 * and blocks of code. Read line by line, because a comment in a block of shell looks like a heading.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** How long a page may be, in lines and in columns of its prose: as much as its reader has time for. */
export interface Room {
  readonly lines: number
  readonly columns: number
}

export const PAGES: Readonly<Record<string, Room>> = {
  'README.md': { lines: 330, columns: 120 },
  'lib/README.md': { lines: 152, columns: 120 },
  'lib/config/README.md': { lines: 60, columns: 120 },
  // For maintainers, whose editors show the code beside it.
  'lib/across/README.md': { lines: 150, columns: 170 },
  'lib/protocol/README.md': { lines: 295, columns: 170 },
  'fixtures/README.md': { lines: 550, columns: 120 },
  'test/README.md': { lines: 265, columns: 120 },
  '.github/CONTRIBUTING.md': { lines: 60, columns: 120 },
  '.github/SECURITY.md': { lines: 25, columns: 120 },
}

export interface Block {
  /** The section, the language and a number: `Install sh 1`. */
  readonly name: string
  readonly language: string
  readonly text: string
}

export interface Page {
  readonly lines: readonly string[]
  /** The lines outside of blocks. */
  readonly prose: readonly string[]
  readonly anchors: ReadonlySet<string>
  readonly links: readonly string[]
  readonly blocks: readonly Block[]
}

/** What GitHub makes of a heading: letters, digits, hyphens and underscores stay, a blank becomes a hyphen. */
const anchorOf = (heading: string): string => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')

const numbered = (counts: Map<string, number>, kind: string): number => {
  const count = (counts.get(kind) ?? 0) + 1
  counts.set(kind, count)
  return count
}

export const parse = (text: string): Page => {
  const lines = text.replace(/\n$/, '').split('\n')
  const [anchors, prose, links, blocks] = [new Set<string>(), [] as string[], [] as string[], [] as Block[]]
  const [anchorCounts, blockCounts] = [new Map<string, number>(), new Map<string, number>()]
  let section = ''
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!
    const fence = /^(`{3,})(\w*)/.exec(line)
    if (fence !== null) {
      const [, ticks, language] = fence as unknown as [string, string, string]
      const end = lines.indexOf(ticks, at + 1)
      if (end < 0) throw new Error(`line ${at + 1}: this block does not end`)
      const kind = `${section} ${language}`
      blocks.push({ name: `${kind} ${numbered(blockCounts, kind)}`, language, text: `${lines.slice(at + 1, end).join('\n')}\n` })
      at = end
      continue
    }
    prose.push(line)
    const heading = /^(#+) (.*)$/.exec(line)
    if (heading !== null) {
      const [, depth, words] = heading as unknown as [string, string, string]
      if (depth === '##') section = words
      const anchor = anchorOf(words)
      const count = numbered(anchorCounts, anchor)
      anchors.add(count === 1 ? anchor : `${anchor}-${count - 1}`)
    }
    for (const [, target] of line.replace(/`[^`]*`/g, '').matchAll(/\]\(([^)]*)\)/g)) links.push(target!)
  }
  return { lines, prose, anchors, links, blocks }
}

export const isThere = (page: string): boolean => existsSync(join(ROOT, page))

export const read = (page: string): Page => parse(readFileSync(join(ROOT, page), 'utf8'))

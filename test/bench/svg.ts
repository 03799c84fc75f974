/**
 * What the pictures of the bench have in common: SVG as text. A picture is white below, so it can be read on a dark page as well, and a
 * line bears its name at its end, so it can be told from the others without colour.
 */
export const WIDTH = 780

export const GREY = '#6b7280'

export const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`

export const line = (x1: number, y1: number, x2: number, y2: number, stroke = '#e5e7eb', more = ''): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${stroke}" ${more}/>`

const LOOK = 'fill="#111827" role="img"'

export const picture = (height: number, title: string, parts: readonly string[]): string => [
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" ${LOOK}>`,
  `<title>${title}</title>`, `<rect width="${WIDTH}" height="${height}" rx="6" fill="#fff"/>`,
  text(16, 24, title, 'font-size="14" font-weight="600"'), ...parts, '</svg>', '',
].join('\n')

/** Points joined by a line, each marked. */
export const curve = (points: readonly (readonly [x: number, y: number])[], colour: string): string => {
  const marks = points.map(([x, y]) => [x.toFixed(1), y.toFixed(1)] as const)
  return `<polyline points="${marks.map((mark) => mark.join()).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>` +
    marks.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`).join('')
}

/** The end of a curve. */
export interface End {
  readonly name: string
  readonly at: number
  readonly colour: string
}

/** Names at the ends of curves, moved apart where they would lie on each other: up from the lowest, and down again from `top`. */
export const names = (x: number, top: number, ends: readonly End[], size = 12): string[] => {
  const step = size + 4
  let above = Infinity
  const placed = ends.toSorted((one, other) => other.at - one.at).map((end) => {
    above = Math.min(end.at, above - step)
    return { ...end, at: above }
  })
  let below = top - step
  return placed.toReversed().map(({ name, at, colour }) => {
    below = Math.max(at, below + step)
    return text(x, below + 4, name, `fill="${colour}" font-weight="600" font-size="${size}"`)
  })
}

/**
 * Which of two versions of a server is the newer one. Apart from `fingerprint.ts`, since only a client whose version differs asks, and
 * a warm call would compile it.
 */
const VERSION = /^v?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$/

/**
 * Semantic Versioning 2.0.0, item 11: numbers by their value, numbers before words, fewer before more; undefined
 * where one is no version.
 */
const compare = (one: string, other: string): number | undefined => {
  const [left, right] = [VERSION.exec(one), VERSION.exec(other)]
  if (left === null || right === null) return undefined
  const byPart = (a: readonly string[], b: readonly string[], missing: string | undefined): number => {
    for (let at = 0; at < Math.max(a.length, b.length); at++) {
      const [x, y] = [a[at] ?? missing, b[at] ?? missing]
      if (x === y) continue
      if (x === undefined || y === undefined) return x === undefined ? -1 : 1
      const [isX, isY] = [/^\d+$/.test(x), /^\d+$/.test(y)]
      if (isX && isY && Number(x) !== Number(y)) return Number(x) - Number(y)
      if (isX !== isY) return isX ? -1 : 1
      if (!isX) return x < y ? -1 : 1
    }
    return 0
  }
  const release = byPart(left[1]!.split('.'), right[1]!.split('.'), '0')
  if (release !== 0 || left[2] === right[2]) return release
  if (left[2] === undefined || right[2] === undefined) return left[2] === undefined ? 1 : -1
  return byPart(left[2].split('.'), right[2].split('.'), undefined)
}

interface Versioned {
  readonly version?: string | undefined
}

/**
 * Whether this client wants a newer version than runs. Two windows of different versions would fight, so only an
 * older server is ever replaced.
 */
export const isNewer = ({ version }: Versioned, running: Versioned): boolean => {
  if (version === undefined) return false
  if (running.version === undefined) return true
  const order = compare(version, running.version)
  return order !== undefined && order > 0
}

/**
 * How long something has lasted or will last, for people: `3 d 4 h`, `12 s`.
 */
const UNITS = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]] as const

/** The two largest units of so many ms. */
export const formatDuration = (ms: number): string => {
  let seconds = Math.max(0, Math.round(ms / 1000))
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0 || (unit === 's' && parts.length === 0)) parts.push(`${count} ${unit}`)
    else if (parts.length > 0) break
  }
  return parts.slice(0, 2).join(' ')
}

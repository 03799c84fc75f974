/**
 * The table of the bench. A median alone hides how far its rounds lie apart, so each row says the quartiles and how many rounds there were,
 * and compares a round with the floor of the same round only.
 */
export interface Verdict {
  readonly what: string
  /** By round, as `ours`. */
  readonly floor?: readonly number[]
  readonly ours: readonly number[]
  /** By round, NaN where one was left out. */
  readonly others: ReadonlyMap<string, readonly number[]>
  /** Our processor time by that of the floor, of all rounds. */
  readonly cpu?: number
  /** Unit of `ours`, and of the target. */
  readonly as: 'ratio' | 'ms more' | 'ms' | '% of a core' | 'requests'
  readonly target?: number
}

/** Ratios to the floor on Node 20 are reported only: that line of Node is past its end. */
const OLDEST_WITH_TARGETS = 22

export const figure = (value: number, as: Verdict['as']): string => {
  if (as === 'ratio') return `${value.toFixed(2)} ×`
  if (as === 'ms more') return `${value >= 0 ? '+' : ''}${value.toFixed(0)} ms`
  return as === 'ms' ? `${value.toFixed(0)} ms` : `${value.toFixed(2)} ${as}`
}

/** What a side was measured at. */
export const measured = (values: readonly number[]): number[] => values.filter((value) => !Number.isNaN(value))

/** The value below which a share of all lies. */
const quantile = (values: readonly number[], share: number): number => {
  const sorted = measured(values).toSorted((one, other) => one - other)
  const at = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return low + (high - low) * (at - Math.floor(at))
}

/** What is compared: each round with the floor of the same round. */
const compared = (own: readonly number[], { floor, as }: Verdict): readonly number[] =>
  own.map((value, at) => (floor === undefined ? value : as === 'ratio' ? value / floor[at]! : value - floor[at]!))

export const HEAD =
  '| case | rounds | floor | one-server, median (half of the rounds) | processor time | target | instead |\n|---|---|---|---|---|---|---|'

export const rowOf = (verdict: Verdict, major: number): string => {
  const { what, floor, as, target, others, cpu } = verdict
  const own = compared(verdict.ours, verdict)
  const at = (share: number): string => figure(quantile(own, share), as)
  const bound = target === undefined ? '–' : `≤ ${as === 'ms more' ? '+' : ''}${figure(target, as).replace('+', '')}`
  const isMissed = target !== undefined && major >= OLDEST_WITH_TARGETS && quantile(own, 0.5) > target
  const beside = [...others].map(([name, values]) => `${name} ${figure(quantile(compared(values, verdict), 0.5), as)}`).join(', ')
  const cells = [
    what, measured(own).length, floor === undefined ? '–' : `${quantile(floor, 0.5).toFixed(0)} ms`,
    `${at(0.5)} (${at(0.25)} to ${at(0.75)})`, cpu === undefined || Number.isNaN(cpu) ? '–' : `${cpu.toFixed(2)} ×`,
    `${bound}${isMissed ? ' **missed**' : ''}`, beside || '–',
  ]
  return `| ${cells.join(' | ')} |`
}

/**
 * Lays one set of options over another. A client that says `--script` would fail if the file's command stayed beside it, so
 * of options that exclude each other, one above takes the place of the other below.
 */
import type { ClientProcessManagerOptions } from '../options/options.js'

const EXCLUSIVE: readonly (readonly (keyof ClientProcessManagerOptions)[])[] = [
  ['command', 'serverScript'], ['healthPath', 'healthUrl', 'ready'], ['name', 'pidFile'],
]

/** Each entry of these stands for itself, so those of both sets count. */
const MAPS = ['env', 'healthHeaders'] as const

export const override = <Lower extends ClientProcessManagerOptions>(lower: Lower, upper: ClientProcessManagerOptions): Lower => {
  const given = Object.fromEntries(Object.entries(upper).filter(([, value]) => value !== undefined)) as ClientProcessManagerOptions
  const gone = EXCLUSIVE.filter((names) => names.some((name) => name in given)).flat() as string[]
  const merged = Object.assign(Object.fromEntries(Object.entries(lower).filter(([name]) => !gone.includes(name))), given) as Lower
  for (const name of MAPS) {
    if (isMap(lower[name]) && isMap(given[name])) Object.assign(merged, { [name]: { ...lower[name], ...given[name] } })
  }
  return merged
}

const isMap = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a call asks the machine, counted: a number that is the same on any machine, at any speed. */
import { nodeSystem } from '../../lib/node-system.js'
import type { System } from '../../lib/system/system.js'

/** A machine that counts what it is asked, as another process than this one: it shares no watchdog with it. */
export const counting = (): { system: System; asked: Record<string, number> } => {
  const asked: Record<string, number> = {}
  const count = (name: string, ask: (...args: unknown[]) => unknown) => (...args: unknown[]) => {
    asked[name] = (asked[name] ?? 0) + 1
    return ask(...args)
  }
  const entries = Object.entries(nodeSystem).map(([name, ask]) => [name, typeof ask === 'function' ? count(name, ask as never) : ask])
  return { system: Object.fromEntries(entries) as unknown as System, asked }
}

/** What the machine was asked meanwhile. */
export const during = async (asked: Record<string, number>, work: () => Promise<unknown>): Promise<Record<string, number>> => {
  const before = { ...asked }
  await work()
  // A clock is read as often as a check takes its time.
  const differences = Object.entries(asked).map(([name, times]) => [name, times - (before[name] ?? 0)] as const)
  return Object.fromEntries(differences.filter(([name, times]) => times > 0 && name !== 'now'))
}

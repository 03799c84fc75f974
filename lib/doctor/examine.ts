/**
 * Everything that `doctor` looks at, in the order in which it is told. It only looks: what it finds it leaves as
 * it is, since whoever asks may want to report it; and nothing that it finds ends it.
 */
import { contextOf, type Context } from '../context.js'
import { nodeSystem } from '../node-system.js'
import type { Settings } from '../options.js'
import { alive } from './alive.js'
import { environment } from './environment.js'
import { examined, failed, finding, type Finding } from './finding.js'
import { folder } from './folder.js'
import { lock } from './lock.js'
import { log } from './log.js'
import { machine } from './machine.js'
import { recorded, type Recorded } from './recorded.js'

export interface Surroundings {
  /** Of this package. */
  readonly version: string
  readonly env: NodeJS.ProcessEnv
}

const NOTHING: Recorded = { pidFile: undefined, listing: undefined, launches: [], findings: [] }

export const examine = async (settings: Settings, { version, env }: Surroundings): Promise<readonly Finding[]> => {
  const found: Finding[] = [...(await examined('versions', async () => machine(version, env)))]
  let context: Context | undefined
  try {
    context = contextOf(settings, nodeSystem)
    found.push(finding('host', 'ok', `this boot and these namespaces are ${nodeSystem.host()}`, { data: { host: nodeSystem.host() } }))
  } catch (error) {
    // Without it no claim can be judged; the rest can still be looked at.
    found.push(failed('host', error))
  }
  found.push(...(await examined('folder', async () => folder(context?.paths.pidFile ?? settings.pidFile))))
  let seen = NOTHING
  if (context !== undefined) {
    const here = context
    seen = await recorded(here)
    found.push(...seen.findings)
    for (const [topic, look] of [['processes', () => alive(here, seen)], ['lock', () => lock(here, seen.listing)], ['log', () => log(here, seen)]] as const) found.push(...(await examined(topic, look)))
  }
  found.push(...(await examined('environment', async () => environment(env, seen))))
  return found
}

/**
 * Everything that `doctor` looks at, in the order in which it is printed. A look changes nothing, since the finding may
 * have to be reported as it is; and a look that fails is a finding, so that it does not hide the others.
 */
import { contextOf, type Context } from '../context.js'
import { nodeSystem } from '../node-system.js'
import type { Settings } from '../options/settings.js'
import { alive } from './alive.js'
import { environment } from './environment.js'
import { examined, failed, finding, type Finding } from './finding.js'
import { folder } from './folder.js'
import { lock } from './lock.js'
import { log } from './log.js'
import { machine } from './machine.js'
import { recorded, type Recorded } from './recorded.js'

export interface Surroundings {
  /** Version of this package. */
  readonly version: string
  readonly env: NodeJS.ProcessEnv
}

const NOTHING: Recorded = { pidFile: undefined, listing: undefined, launches: [], findings: [] }

export const examine = async (settings: Settings, { version, env }: Surroundings): Promise<readonly Finding[]> => {
  const found: Finding[] = [...(await examined('versions', async () => machine(version, env)))]
  let context: Context | undefined
  try {
    context = await contextOf(settings, nodeSystem)
    const { hostName: host } = context.paths
    found.push(finding('host', 'ok', `this boot and these namespaces are ${host}`, { data: { host } }))
  } catch (error) {
    // Without the host's name no claim can be judged. Folder and environment can still be looked at.
    found.push(failed('host', error))
  }
  found.push(...(await examined('folder', async () => folder(context?.paths.pidFile ?? settings.pidFile))))
  let seen = NOTHING
  if (context !== undefined) {
    const here = context
    seen = await recorded(here)
    found.push(...seen.findings)
    found.push(...(await examined('processes', () => alive(here, seen))))
    found.push(...(await examined('lock', () => lock(here, seen.listing))))
    found.push(...(await examined('log', () => log(here, seen))))
  }
  const isShared = settings.coordinator !== undefined || seen.launches.some(({ record }) => record?.identity.coordinator !== undefined)
  if (isShared) {
    found.push(...(await examined('coordinator', async () => (await import('./across.js')).across(settings, context, seen, env))))
  }
  found.push(...(await examined('environment', async () => environment(env, seen))))
  return found
}

/** The URL that the `.ready` mark of a launch bears: the one at which its health check answered first, and everyone's from then on. */
import { FORMAT } from '../state/launch-record.js'
import { markPath } from './claims.js'
import type { Context } from './context.js'

/** The URL at which a launch was found ready. */
export const readyUrl = async ({ system, paths }: Context, id: string): Promise<string | undefined> => {
  const found = await system.read(markPath(paths, id, 'ready'))
  if (found.kind !== 'file') return undefined
  try {
    const { format, url } = JSON.parse(found.text) as { format: unknown; url: unknown }
    return format === FORMAT && typeof url === 'string' && URL.canParse(url) ? url : undefined
  } catch {
    return undefined
  }
}

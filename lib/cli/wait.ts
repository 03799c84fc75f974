/** `wait`: until a server is ready that somebody else starts, and its URL on stdout as from `start`. */
import { bringUp } from '../bring-up.js'
import { contextOf } from '../context.js'
import { Deadline } from '../deadline.js'
import { nodeSystem } from '../node-system.js'
import { settingsFrom } from '../options/settings.js'
import { awaitServer } from '../protocol/await-server.js'
import type { ServerInfo } from '../server-info.js'
import type { Request } from './arguments.js'
import type { Output } from './output.js'
import { Progress } from './progress.js'
import { nameAmong } from './start.js'

export const run = async ({ servers, names }: Request, output: Output, signal: AbortSignal): Promise<number> => {
  const progress = new Progress(output)
  const one = async (server: Request['servers'][number], until: AbortSignal): Promise<ServerInfo> => {
    const settings = settingsFrom({ ...server.options, onEvent: progress.of(nameAmong(servers, server)) })
    return awaitServer(await contextOf(settings, nodeSystem), new Deadline(nodeSystem, settings.startupTimeout, until))
  }
  const asked = names.length === 0 ? servers : names.map((name) => servers.find((server) => server.name === name)!)
  try {
    const up = await bringUp(asked.map((server) => ({ ...server, needs: [] })), {
      begin: async (server, _, until) => ({ server: await one(server, until) }), letGo: async () => {},
    }, signal)
    progress.end()
    const found = [...up].map(([name, { server }]) => ({ name, ...server }))
    if (output.json) await output.document(found.length > 1 ? { servers: found } : [...up.values()][0]!.server)
    else await output.result(found.map(({ url }) => `${url}\n`).join(''))
    return 0
  } finally {
    progress.end()
  }
}

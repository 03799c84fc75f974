/** What a client of this host asks the steward of its launch, at its address on the loopback interface. */
import type { Context } from '../context.js'
import { baseUrl, endpointOf } from '../health/address.js'
import type { ReadyMark } from '../state/claim.js'
import type { LaunchRecord } from '../state/launch-record.js'
import { clientFor } from '../health/get.js'
import { startTimer } from '../timer.js'

/** The header in which a steward says where its server is: URL, host, epoch, PID, and `own` or `other`. */
export const AT_HEADER = 'x-one-server-at'

const headerOf = (url: string, timeout: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const call = clientFor('http:').get(url, { agent: false }, (response) => {
      response.resume()
      end(String(response.headers[AT_HEADER] ?? '') || undefined)
    })
    const end = (header: string | undefined): void => {
      endTimer()
      resolve(header)
      call.destroy()
    }
    const endTimer = startTimer(timeout, () => end(undefined))
    call.on('error', () => end(undefined))
  })

/** The mark of a launch that is a steward. Undefined: it has no server to point to any more. */
export const markOf = async ({ settings }: Context, { healthTimeout }: LaunchRecord, url: string): Promise<ReadyMark | undefined> => {
  const [base, host, epoch, pid, whose] = (await headerOf(url, Math.max(healthTimeout, settings.healthTimeout)))?.split(' ') ?? []
  if (base === undefined || host === undefined || !URL.canParse(base)) return undefined
  const at = { address: baseUrl(base), port: endpointOf(base)!.port, host, epoch: Number(epoch), pid: Number(pid) }
  return { url, base: baseUrl(base), at, isElsewhere: whose !== 'own' }
}

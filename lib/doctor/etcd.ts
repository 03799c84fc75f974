/**
 * One look at each endpoint of an etcd, beside the client that stewards use: the client goes on to the next endpoint in silence, and a
 * person wants to know which one is away. What is sent and shown holds no secret but the login itself.
 */
import type { RequestOptions } from 'node:https'
import { endpointText, type EtcdEndpoint, type EtcdPlan } from '../across/etcd-url.js'
import { FULL, judge, judgeFailure, notEtcd, Trouble, type Answer } from '../across/etcd-words.js'
import { startTimer } from '../timer.js'
import { formatDuration } from '../text/duration.js'
import { examined, finding, type Finding } from './finding.js'

/** ms that one request may take. */
const TIMEOUT = 5000

/** Revisions after which an etcd that compacts itself each hour, or keeps a thousand of them, has done so. */
const MANY = 20_000

/** ms by which two clocks may differ before a reader of times on both should know. */
const CLOCKS = 2000

/** Characters of an answer. */
const LARGEST = 65_536

const COMPACT = 'Run etcd with --auto-compaction-retention=1. Without it etcd keeps each renewal, and a full one refuses all writes.'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

interface Timed extends Answer {
  /** ms */
  readonly took: number
  readonly date: string | undefined
}

/** Asks one endpoint over one connection. Rejects with Trouble or Refused. */
const asker = ({ secure, ca, cert, key }: EtcdPlan, { host, port }: EtcdEndpoint) => {
  const client = process.getBuiltinModule(secure ? 'node:https' : 'node:http')
  const agent = new client.Agent({ keepAlive: true, maxSockets: 1, ...(secure && { ca, cert, key, rejectUnauthorized: true }) })
  const ask = (path: string, body?: object, token = ''): Promise<Timed> =>
    new Promise((resolve, reject) => {
      const began = performance.now()
      const fail = (error: Error): void => {
        cancel()
        reject(error)
      }
      const cancel = startTimer(TIMEOUT, () => {
        fail(new Trouble(`no answer within ${TIMEOUT} ms`, true))
        agent.destroy()
      })
      const options: RequestOptions = {
        agent, host, port, path, method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json', ...(token !== '' && { authorization: token }) },
      }
      try {
        const request = client.request(options, (response) => {
          let text = ''
          response.on('error', (error) => fail(judgeFailure(error, true)))
          response.setEncoding('utf8').on('data', (piece: string) => { text = (text + piece).slice(0, LARGEST) })
          response.once('end', () => {
            cancel()
            resolve({ status: response.statusCode!, text, took: performance.now() - began, date: response.headers.date })
          })
        })
        request.on('error', (error) => fail(judgeFailure(error, true))).end(body === undefined ? undefined : JSON.stringify(body))
      } catch (error) {
        // A key that does not fit its certificate.
        fail(judgeFailure(error, false))
      }
    })
  return { ask, end: () => agent.destroy() }
}

const versionIn = ({ status, text }: Answer): string => {
  try {
    const { etcdserver } = JSON.parse(text) as { etcdserver?: unknown }
    if (status === 200 && typeof etcdserver === 'string' && /^[\w.+-]{1,40}$/.test(etcdserver)) return etcdserver
  } catch {
    // Said below.
  }
  throw notEtcd(`HTTP ${status} without a version`)
}

const isTooOld = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < 3 || (major === 3 && minor < 4)
}

type Ask = ReturnType<typeof asker>['ask']

/** Empty where nobody logs in, or the login fails, of which the look at the keys tells. */
const tokenOf = async (ask: Ask, { prefix, user, password }: EtcdPlan): Promise<string> => {
  if (user === undefined) return ''
  const verdict = judge(await ask('/v3/auth/authenticate', { name: user, password }), prefix)
  return 'fields' in verdict && typeof verdict.fields['token'] === 'string' ? verdict.fields['token'] : ''
}

interface Status {
  readonly revision?: number
  readonly dbSize?: number
  readonly alarms: string
}

const numberIn = (name: string, value: unknown): object => (/^\d+$/.test(String(value)) ? { [name]: Number(value) } : {})

const statusIn = ({ status, text }: Answer): Status => {
  const { header, dbSize, errors = [] } = status === 200 ? (JSON.parse(text) as Record<string, unknown>) : {}
  const { revision } = (header ?? {}) as Record<string, unknown>
  return { ...numberIn('revision', revision), ...numberIn('dbSize', dbSize), alarms: JSON.stringify(errors) }
}

/** etcd 3.5.30 shows its status to no other user, where there are users; 3.4 and 3.5.16 show it to everybody. */
const ROOT_ALONE = '; its size and its alarms it shows to its user root alone'

const isRefused = ({ status }: Answer): boolean => [400, 401, 403].includes(status)

interface History {
  /** Whether the endpoint has ever done so. Undefined: it does not say. Whether it does so by itself, no answer tells. */
  readonly hasCompacted?: boolean
  readonly revision?: number | undefined
}

/** What each user is shown who may read below the prefix. */
const historyOf = async (ask: Ask, { prefix }: EtcdPlan, token: string): Promise<History> => {
  const range = { key: base64(`${prefix}/`), revision: '1', count_only: true, serializable: true }
  const answer = await ask('/v3/kv/range', range, token)
  if (answer.status === 200) return { hasCompacted: false, revision: statusIn(answer).revision }
  return /has been compacted/.test(answer.text) ? { hasCompacted: true } : {}
}

const ofEndpoint = async (plan: EtcdPlan, endpoint: EtcdEndpoint): Promise<Finding[]> => {
  const at = endpointText(endpoint)
  const { ask, end } = asker(plan, endpoint)
  try {
    const told = await ask('/version')
    const version = versionIn(told)
    if (isTooOld(version)) {
      const data = { endpoint: at, version }
      return [finding('coordinator', 'problem', `${at} is etcd ${version}`, { advice: 'one-server needs etcd 3.4 or newer.', data })]
    }
    // What is refused here is refused to the next look as well, which says so.
    const token = await tokenOf(ask, plan).catch(() => '')
    const status = await ask('/v3/maintenance/status', {}, token)
    const { alarms, dbSize, ...own } = statusIn(status)
    const { hasCompacted, revision = own.revision } = await historyOf(ask, plan, token).catch((): History => ({}))
    const data = { endpoint: at, version, roundTrip: Math.round(status.took * 10) / 10, revision, dbSize }
    const size = dbSize === undefined ? '' : `, ${Math.ceil(dbSize / 1024)} kB`
    const holds = `${size}${revision === undefined ? '' : `, revision ${revision}`}${isRefused(status) ? ROOT_ALONE : ''}`
    const took = `${status.took.toFixed(1)} ms`
    const found = [finding('coordinator', 'ok', `${at} is etcd ${version}; an answer takes ${took}${holds}`, { data })]
    const alarm = (text: string, advice: string): void => {
      found.push(finding('coordinator', 'problem', `${at} has the alarm ${text}`, { advice }))
    }
    if (alarms.includes('NOSPACE')) alarm('NOSPACE and refuses all writes', FULL)
    else if (alarms.includes('CORRUPT')) alarm('CORRUPT', 'See its log, and restore the member.')
    if (hasCompacted === false && revision !== undefined && revision > MANY) {
      found.push(finding('coordinator', 'note', `${at} keeps all ${revision} revisions: nothing was ever compacted`, { advice: COMPACT }))
    } else if (hasCompacted === false) {
      found.push(finding('coordinator', 'ok', `${at} has compacted nothing yet; whether it will, its API does not tell`))
    }
    const apart = Date.parse(status.date ?? '') - Date.now()
    // The header has whole seconds.
    if (Math.abs(apart) > CLOCKS) {
      found.push(finding('coordinator', 'note', `the clocks of this host and of ${at} differ by ${formatDuration(Math.abs(apart))}`, {
        advice: 'Nothing is decided by a clock of another host. Times that hosts write down differ by as much.',
      }))
    }
    return found
  } finally {
    end()
  }
}

/** `isReached`: whether one of them answers as an etcd. */
export const endpoints = async (plan: EtcdPlan): Promise<{ found: Finding[]; isReached: boolean }> => {
  const all = await Promise.all(plan.endpoints.map(async (endpoint) => {
    const found = await examined('coordinator', () => ofEndpoint(plan, endpoint).catch((error: Error & { hint?: string }) => {
      // Of both kinds the words are ours, and of no line of a log.
      if (error instanceof Trouble) {
        return [finding('coordinator', 'problem', `${endpointText(endpoint)} cannot be reached: ${error.message}`, {
          advice: 'See that it runs, and that this host reaches it: host, port, firewall.',
        })]
      }
      const { message, hint: advice } = error
      return [finding('coordinator', 'problem', `${endpointText(endpoint)} refuses: ${message}`, advice === undefined ? {} : { advice })]
    }))
    return { found, isReached: found[0]?.level === 'ok' }
  }))
  const isReached = all.some((one) => one.isReached)
  // One of three may be away: the others have the majority.
  const found = all.flatMap((one) =>
    one.isReached || !isReached ? one.found : one.found.map((each) => ({ ...each, level: 'note' as const })))
  return { found, isReached }
}

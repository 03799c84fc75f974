/**
 * etcd v3 as the engine that several hosts share, through its JSON gateway (etcd.io/docs: "gRPC gateway", "API guarantees"): reads are
 * linearizable by default, and a transaction compares and writes in one step. A version is the revision of the whole store at which the
 * entry was last written: revisions only grow, and none comes back, not even for a key that was removed.
 *
 * A write that may have been carried out is never sent twice: the second one would find the version of the first and report "lost" for
 * what was won. So only a request that was certainly not sent goes on to the next endpoint; reads always do.
 *
 * No decision rests on etcd's leases, which a frozen leader was seen to revoke early (etcd-io/etcd#15247). Writes carry one for a single
 * purpose: what dead pipelines leave behind goes away after an hour.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Refused, Unreachable, type Coordinator, type Entry } from './coordinator.js'
import { etcdHttp } from './etcd-http.js'
import { endpointText, type EtcdEndpoint, type EtcdPlan } from './etcd-url.js'
import { judge, needsLogin, notEtcd, Trouble, type Fields } from './etcd-words.js'

/** Seconds. */
const LEASE = 3600

/** ms before a watch that has ended starts again: the first time, and at most. */
const PAUSE = { first: 100, most: 5000 }

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const fromBase64 = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : '', 'base64').toString()

/** All keys that begin with `under`: up to the first that does not. In UTF-8 no text ends with the byte 255, which has no successor. */
const rangeUnder = (under: string) => {
  const end = Buffer.from(under)
  if (end.length === 0) return { key: base64('\0'), range_end: base64('\0') }
  end[end.length - 1]! += 1
  return { key: base64(under), range_end: end.toString('base64') }
}

/** `expected` as a comparison. A key that does not exist was created at revision 0. */
const comparison = (key: string, expected: string | undefined) =>
  expected === undefined
    ? { key: base64(key), target: 'CREATE', result: 'EQUAL', create_revision: '0' }
    : { key: base64(key), target: 'MOD', result: 'EQUAL', mod_revision: expected }

const isNumber = (value: unknown): value is string => typeof value === 'string' && /^\d+$/.test(value)

const revisionOf = ({ header }: Fields): string => {
  const { revision } = header as Fields
  if (!isNumber(revision)) throw notEtcd('an answer without a revision')
  return revision
}

const entriesOf = ({ kvs = [] }: Fields): Entry[] => {
  if (!Array.isArray(kvs)) throw notEtcd('entries that are no list')
  return (kvs as Fields[]).map(({ key, value, mod_revision: version }) => {
    if (!isNumber(version)) throw notEtcd('an entry without a revision')
    return { key: fromBase64(key), value: fromBase64(value), version }
  })
}

interface Lease {
  readonly id: Promise<string>
  readonly monotonic: number
  readonly wall: number
}

/** `timeout`: ms that one attempt at one endpoint may take. A call makes one attempt at each endpoint at most, and logs in besides. */
export const etcdCoordinator = (plan: EtcdPlan, { timeout }: { timeout: number }): Coordinator => {
  const { endpoints, prefix, user, password } = plan
  const http = etcdHttp(plan, timeout)
  const watches = new Set<() => void>()
  let isClosed = false
  /** The endpoint that answered last: one that gives no answer hands on to the next. */
  let current = 0
  let token: Promise<string> | undefined
  let lease: Lease | undefined

  /** A token for the header: etcd's own form has no `Bearer` before it. Empty where etcd asks nobody who it is. */
  const login = (endpoint: EtcdEndpoint): Promise<string> => {
    if (user === undefined) return Promise.resolve('')
    const get = async (): Promise<string> => {
      const verdict = judge(await http.post(endpoint, '/v3/auth/authenticate', { name: user, password }, ''), prefix)
      if ('noLogin' in verdict) return ''
      const found = 'fields' in verdict ? verdict.fields['token'] : undefined
      if (typeof found !== 'string' || !/^[\x21-\x7e]+$/.test(found)) throw notEtcd('a login without a token')
      return found
    }
    if (token !== undefined) return token
    const got = get().catch((error: unknown) => {
      if (token === got) token = undefined
      throw error instanceof Trouble ? new Trouble(error.message, false) : error
    })
    token = got
    return got
  }

  /** Asks one endpoint. A token ends after five idle minutes, and with a restart; what was refused for it was not carried out. */
  const askOne = async (endpoint: EtcdEndpoint, path: string, body: object): Promise<Fields | undefined> => {
    for (const isLast of [false, true]) {
      const mine = login(endpoint)
      const verdict = judge(await http.post(endpoint, path, body, await mine), prefix)
      if ('fields' in verdict) {
        // What an answer leaves out says something, as that there is no entry. So half an answer is none.
        if (path.startsWith('/v3/kv/')) revisionOf(verdict.fields)
        return verdict.fields
      }
      if ('noLogin' in verdict) throw notEtcd('a word about logins')
      if (verdict.again === 'lease') return undefined
      if (user === undefined) throw needsLogin()
      // Another call may have got a new one meanwhile.
      if (token === mine) token = undefined
      if (isLast) break
    }
    throw new Trouble('it does not accept the token that it gave', false)
  }

  /** Returns undefined where the lease of a write is gone. Throws Unreachable or Refused, with the endpoints by their names. */
  const ask = async (path: string, body: object, isWrite = false): Promise<Fields | undefined> => {
    const reasons: string[] = []
    const first = current
    for (let tries = 0; tries < endpoints.length; tries++) {
      const at = (first + tries) % endpoints.length
      try {
        return await askOne(endpoints[at]!, path, body)
      } catch (error) {
        const reason = `${endpointText(endpoints[at]!)}: ${(error as Error).message}`
        if (error instanceof Refused) throw new Refused(reason, error.hint)
        if (!(error instanceof Trouble)) throw error
        reasons.push(reason)
        if (current === at) current = (at + 1) % endpoints.length
        if (isWrite && error.sent) throw new Unreachable(reasons.join('; '), { sent: true })
      }
    }
    throw new Unreachable(reasons.join('; '), { sent: false })
  }

  const known = (fields: Fields | undefined): Fields => {
    if (fields === undefined) throw notEtcd('a word about leases')
    return fields
  }

  const grant = async (): Promise<string> => {
    const { ID } = known(await ask('/v3/lease/grant', { TTL: String(LEASE) }))
    if (!isNumber(ID)) throw notEtcd('a lease without a number')
    return ID
  }

  /**
   * A lease that has run out right after a write would take the entry with it, and an absent claim is free at once: so none is used after
   * half its time. A suspended machine stops the monotonic clock and a person sets the other, so each of them counts, in both directions.
   */
  const leaseFor = (): Lease => {
    const [monotonic, wall] = [performance.now(), Date.now()]
    const age = lease === undefined ? Infinity : Math.max(monotonic - lease.monotonic, Math.abs(wall - lease.wall))
    if (lease !== undefined && age < LEASE * 500) return lease
    const made: Lease = { id: grant(), monotonic, wall }
    made.id.catch(() => { if (lease === made) lease = undefined })
    lease = made
    return made
  }

  const isDone = ({ succeeded }: Fields): boolean => succeeded === true

  const write: Coordinator['write'] = async (key, value, expected) => {
    const compare = expected === 'any' ? [] : [comparison(key, expected)]
    for (const isLast of [false, true]) {
      const used = leaseFor()
      const put = { key: base64(key), value: base64(value), lease: await used.id }
      const fields = await ask('/v3/kv/txn', { compare, success: [{ request_put: put }] }, true)
      if (fields !== undefined) return isDone(fields) ? revisionOf(fields) : undefined
      // etcd checks the lease before it writes.
      if (lease === used) lease = undefined
      if (isLast) break
    }
    throw new Unreachable('the lease that etcd gave is gone at once', { sent: false })
  }

  const remove: Coordinator['remove'] = async (key, expected) => {
    const exists = { key: base64(key), target: 'CREATE', result: 'GREATER', create_revision: '0' }
    const compare = [expected === undefined ? exists : comparison(key, expected)]
    return isDone(known(await ask('/v3/kv/txn', { compare, success: [{ request_delete_range: { key: base64(key) } }] }, true)))
  }

  const watch = (under: string, onChange: () => void): (() => void) => {
    let request: ClientRequest | undefined
    let timer: NodeJS.Timeout | undefined
    let pause = PAUSE.first
    let at = current
    const begin = async (): Promise<void> => {
      let on: number | undefined
      const withToken = await login(endpoints[at]!)
      if (!watches.has(end)) return
      const own = http.send(endpoints[at]!, '/v3/watch', { create_request: rangeUnder(under) }, withToken)
      request = own
      // The watch is a hint, which is no reason for a process to live.
      own.once('socket', (socket) => { socket.unref() })
      await new Promise<void>((resolve) => {
        own.on('error', () => {}).once('close', resolve).once('response', (response: IncomingMessage) => {
          response.on('error', () => {}).on('data', (chunk: Buffer) => {
            // Where etcd refuses a watch, a piece says so and the stream stays open; values are in base64, which has no quotes.
            if (response.statusCode !== 200 || chunk.includes('"canceled":true')) {
              token = undefined
              own.destroy()
              return
            }
            // The first piece says that the watch is on. What changed before was missed, so it is a hint as well.
            on ??= performance.now()
            onChange()
          })
        })
      })
      // What cuts each watch soon, such as a proxy, must not make many hints of it.
      if (on !== undefined && performance.now() - on >= PAUSE.most) pause = PAUSE.first
    }
    const again = (): void => {
      if (!watches.has(end)) return
      timer = setTimeout(run, pause).unref()
      pause = Math.min(pause * 2, PAUSE.most)
      at = (at + 1) % endpoints.length
    }
    const run = (): void => { begin().then(again, again) }
    const end = (): void => {
      watches.delete(end)
      clearTimeout(timer)
      request?.destroy()
    }
    if (isClosed) return end
    watches.add(end)
    run()
    return end
  }

  return {
    read: async (key) => entriesOf(known(await ask('/v3/kv/range', { key: base64(key) })))[0],
    list: async (under) => entriesOf(known(await ask('/v3/kv/range', rangeUnder(under)))),
    write, remove, watch,
    localAddress: http.localAddress,
    close: () => {
      isClosed = true
      for (const end of watches) end()
      http.close()
    },
  }
}

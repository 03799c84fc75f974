/**
 * What shows of a server that several hosts share: the engine, the claim in it, the address for others, and the steward of this host. Of
 * all commands this one alone talks to the engine. It writes one key there, `doctor` below those of the server, and removes it.
 */
import { keysOf, parseClaim, parseUse, type Claim, type Keys } from '../across/claim.js'
import { Refused, Unreachable, type Coordinator, type Entry } from '../across/coordinator.js'
import { reachHint } from '../across/errors.js'
import { etcdCoordinator } from '../across/etcd.js'
import { describe } from '../across/etcd-url.js'
import { toldBy } from '../across/ask.js'
import { unpackErrand, type Errand } from '../across/settings.js'
import { SHARE } from '../across/term.js'
import type { Context } from '../context.js'
import { connects } from '../health/connect.js'
import type { Settings } from '../options/settings.js'
import { formatDuration } from '../text/duration.js'
import { advertised } from './address.js'
import { endpoints } from './etcd.js'
import { examined, finding, type Finding } from './finding.js'
import { isLiving, type Recorded, type Seen } from './recorded.js'

/** ms for which a look at a claim may last: at the default `ttl` an owner renews each 3 s. */
const LONGEST = 4000
const PAUSE = 100

/** ms that one request may take. */
const TIMEOUT = 5000

const inWords = (error: unknown): Finding => {
  if (error instanceof Refused) return finding('coordinator', 'problem', `it refuses: ${error.message}`, { advice: error.hint })
  if (!(error instanceof Unreachable)) throw error
  return finding('coordinator', 'problem', `it gives no answer that counts: ${error.message}`, {
    advice: 'An etcd that has lost the majority of its members answers like this. See its log.',
  })
}

/** A look at the engine. What it does not answer or refuses is a finding. */
const looked = (look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> =>
  examined('coordinator', () => look().catch((error: unknown) => [inWords(error)]))

const mayWrite = async (engine: Coordinator, { under }: Keys): Promise<Finding[]> => {
  const key = `${under}doctor`
  const before = await engine.read(key)
  const version = await engine.write(key, 'one-server doctor looks whether it may write', before?.version)
  const isGone = version !== undefined && (await engine.remove(key, version))
  if (isGone) return [finding('coordinator', 'ok', `this host may read and write below ${under}`)]
  return [finding('coordinator', 'ok', `this host may write below ${under}, and another doctor did so just now`)]
}

/** Looks until the claim changes, or for as long as an owner needs at most from one renewal to the next. */
const watch = async (engine: Coordinator, { claim }: Keys, entry: Entry, ttl: number): Promise<{ renewed: boolean; after: number }> => {
  const began = performance.now()
  const longest = Math.min(LONGEST, SHARE.renew * ttl + 500)
  for (;;) {
    const now = await engine.read(claim)
    const after = performance.now() - began
    if (now?.version !== entry.version) return { renewed: true, after }
    if (after >= longest) return { renewed: false, after }
    await new Promise((resolve) => { setTimeout(resolve, PAUSE) })
  }
}

const ofUsers = async (engine: Coordinator, keys: Keys, { launch }: Claim): Promise<Finding[]> => {
  const uses = (await engine.list(keys.users)).map(({ value }) => parseUse(value))
  const hosts = uses.flatMap((use) => {
    if (use === 'newer') return ['a host with a newer one-server']
    return use === 'foreign' || use.of !== launch ? [] : [use.host]
  })
  const text = hosts.length === 0 ? 'no other host says that it uses it'
    : `used by ${hosts.join(', ')}, as far as they have not gone without a word`
  return [finding('owner', 'ok', text, { data: { hosts } })]
}

const ofUrl = async ({ host, url, state }: Claim, isHere: boolean): Promise<Finding[]> => {
  if (state !== 'ready' || url === undefined) return []
  const answer = await connects(new URL(url), TIMEOUT)
  if (answer.healthy) return [finding('owner', 'ok', `${url} accepts connections from this host`, { data: { url } })]
  return [finding('owner', 'problem', `${url} accepts no connection from this host: ${answer.reason}`, {
    advice: isHere ? 'See one-server logs.' : reachHint(host), data: { url },
  })]
}

const ofClaim = async (engine: Coordinator, keys: Keys, settings: Settings, context: Context | undefined): Promise<Finding[]> => {
  const entry = await engine.read(keys.claim)
  if (entry === undefined) return [finding('owner', 'ok', `no host runs it: there is no ${keys.claim}`)]
  const claim = parseClaim(entry.value)
  if (claim === 'newer') {
    return [finding('owner', 'problem', `${keys.claim} is of a newer one-server`, { advice: 'Use that version on all hosts.' })]
  }
  if (claim === 'foreign') {
    return [finding('owner', 'problem', `${keys.claim} holds something that one-server did not write`, {
      advice: 'Choose another prefix, or remove that key.',
    })]
  }
  const { host, state, epoch, ttl, since, beat } = claim
  if (state === 'over') return [finding('owner', 'ok', `no host runs it: ${host} has given it back`, { data: { host, state } })]
  const isHere = context !== undefined && claim.where === context.paths.hostName
  const { renewed, after } = await watch(engine, keys, entry, ttl)
  const [whole, each, soFar] = [formatDuration(ttl), formatDuration(SHARE.renew * ttl), formatDuration(after)]
  const what = `${host}${isHere ? ', this host,' : ''} has it (${state}, epoch ${epoch ?? 'unknown'}, ttl ${whole}, since ${since})`
  const data = { host, isHere, state, epoch, ttl, since, beat, url: claim.url, renewed }
  const found: Finding[] = []
  if (renewed) found.push(finding('owner', 'ok', `${what}, and has renewed its claim while this looked`, { data }))
  else if (after < SHARE.renew * ttl) {
    found.push(finding('owner', 'ok', `${what}; it renews each ${each}, and this looked for ${soFar} only`, { data }))
  } else {
    found.push(finding('owner', 'note', `${what}, and has been silent for the ${soFar} of this look`, {
      advice: `It renews each ${each}. If it stays silent, another host may start the server ${whole} after its last renewal.`, data,
    }))
  }
  if (ttl !== settings.ttl) {
    found.push(finding('owner', 'note', `${host} has a ttl of ${whole}, and this host has one of ${formatDuration(settings.ttl)}`, {
      advice: "The owner's counts. Give all hosts the same: --ttl (ONE_SERVER_TTL).", data: { owner: ttl, here: settings.ttl },
    }))
  }
  return [...found, ...(await ofUrl(claim, isHere)), ...(await ofUsers(engine, keys, claim))]
}

/** ms by which a clock is set without a word: NTP does so. */
const STEP = 1000

/** What the steward of this host says. */
const ofSteward = async ({ record }: Seen): Promise<Finding[]> => {
  const told = await toldBy(record!)
  if (told === undefined) {
    return [finding('steward', 'problem', 'the steward of this host does not answer', {
      advice: 'It may be frozen (SIGSTOP, a debugger). Its server cannot be reached then, and ends by itself. one-server stop removes it.',
    })]
  }
  const { role, host, trouble, why, jumped, under, silentFor } = told
  const what = role === 'owner' ? 'this host runs the server for all hosts'
    : role === 'follower' ? `this host uses the server of ${host}` : 'this host looks for the server'
  const heard = silentFor === undefined ? '' : `; the claim was renewed ${formatDuration(silentFor)} ago`
  const found = [finding('steward', 'ok', `${what} (${under})${heard}`, { data: { role, host, under, silentFor } })]
  const amiss = why ?? trouble
  if (amiss !== undefined) {
    found.push(finding('steward', 'problem', amiss, role === 'follower' && trouble === undefined ? { advice: reachHint(host!) } : {}))
  }
  if (Math.abs(jumped) > STEP) {
    const by = formatDuration(Math.abs(jumped))
    found.push(finding('steward', 'note', `the clock of this host was set by ${by} since the steward began`, {
      advice: 'A clock that is set forward looks like a sleep: a host that runs the server lets nobody reach it until the next renewal.',
      data: { jumped },
    }))
  }
  return found
}

/** What a steward would be given. Throws INVALID_OPTION. */
const errandOf = async (settings: Settings, env: NodeJS.ProcessEnv): Promise<Errand> =>
  unpackErrand((await (await import('../across/as-steward.js')).asSteward(settings, env)).env)

const ofEngine = async (settings: Settings, errand: Errand, context: Context | undefined, env: NodeJS.ProcessEnv): Promise<Finding[]> => {
  const { name, advertise, listen, mayHost } = errand
  const plan = errand.engine
  const { found, isReached } = await endpoints(plan)
  const engine = etcdCoordinator(plan, { timeout: TIMEOUT })
  const keys = keysOf(plan.prefix, name)
  try {
    if (isReached) {
      const written = await looked(() => mayWrite(engine, keys))
      const seen = await looked(() => ofClaim(engine, keys, settings, context))
      // A wrong password fails both with the same words.
      found.push(...written, ...seen.filter(({ text }) => !written.some((one) => one.text === text)))
    }
    if (!mayHost) found.push(finding('address', 'ok', 'this host may not run the server, so it tells others nothing (--no-host)'))
    else if (isReached || advertise.host !== undefined) {
      found.push(...(await examined('address', () => advertised(advertise.host, listen, engine.localAddress(), env))))
    }
    return found
  } finally {
    engine.close()
  }
}

export const across = async (
  settings: Settings, context: Context | undefined, { launches }: Recorded, env: NodeJS.ProcessEnv,
): Promise<Finding[]> => {
  const shared = launches.filter((seen) => isLiving(seen) && seen.record?.identity.coordinator !== undefined)
  const found: Finding[] = []
  for (const seen of shared) found.push(...(await examined('steward', () => ofSteward(seen))))
  if (settings.coordinator === undefined) {
    if (shared.length === 0) return found
    const what = 'the server that lives here is shared with other hosts, and no coordinator was named to look at'
    return [...found, finding('coordinator', 'note', what, {
      advice: 'Name it as at the start: --coordinator, or ONE_SERVER_COORDINATOR.',
    })]
  }
  return [...found, ...(await examined('coordinator', async () => {
    const errand = await errandOf(settings, env)
    const { name } = errand
    const plan = errand.engine
    const { prefix, secure, user, cert } = plan
    const login = user === undefined ? 'no user' : 'a user and a password'
    const how = [secure ? 'TLS' : 'no TLS', login, ...(cert === undefined ? [] : ['a certificate'])]
    const data = { endpoints: plan.endpoints, prefix, secure, hasUser: user !== undefined, hasCertificate: cert !== undefined }
    const seen = finding('coordinator', 'ok', `${describe(plan)}, keys below ${prefix}/${name}/, with ${how.join(', ')}`, { data })
    return [seen, ...(await ofEngine(settings, errand, context, env))]
  }))]
}

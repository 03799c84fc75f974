/**
 * A real etcd for tests: one member or three on free ports of 127.0.0.1, its data in a temporary folder, with users, TLS or a small quota.
 * It is set up through its own JSON gateway, by requests that know nothing of the client under test.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request as http } from 'node:http'
import { request as https } from 'node:https'
import { join } from 'node:path'
import getPort from 'get-port'
import type { Test } from 'tap'
import type { EtcdPlan } from '../../lib/across/etcd-url.js'
import { stateOf } from '../support/processes.js'
import { tempFolder } from '../support/temp-folder.js'
import { until } from '../support/until.js'

const isThere = (program: string, argument: string): boolean => spawnSync(program, [argument], { stdio: 'ignore' }).error === undefined

/** For `skip`: the reason, where there is no etcd. */
export const noEtcd: string | false = isThere('etcd', '--version') ? false : 'there is no etcd in the PATH (apt-get install etcd-server)'
export const noTls: string | false = noEtcd === false && !isThere('openssl', 'version') ? 'there is no openssl in the PATH' : noEtcd

/** What the gateway says whose certificate etcd does not take: of 3.4, and of 3.5. */
const NO_GATEWAY = /^connection closed$|^connection error: .*bad certificate/

/** Runs etcd, says its PID, and kills it when this process closes the pipe or dies. */
const GUARDED = 'etcd "$@" </dev/null >/dev/null 2>&1 & echo $!; read _; kill -9 $!; wait $!'

export interface Certificates {
  readonly ca: string
  /** A client's. */
  readonly cert: string
  readonly key: string
  /** An authority that signed nothing here. */
  readonly otherCa: string
  /** Of etcd. */
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string }
}

/** An authority, and certificates of a client and of an etcd on 127.0.0.1, whose gateway is a client of itself. */
export const makeCertificates = (t: Pick<Test, 'teardown'>, extendedKeyUsage = 'serverAuth,clientAuth'): Certificates => {
  const folder = tempFolder(t)
  const at = (name: string): string => join(folder, name)
  const make = (name: string, subject: string, ...more: string[]): void => {
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', subject]
    const { status, stderr } = spawnSync('openssl', [...args, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`), ...more], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl: ${stderr}`)
  }
  make('ca', '/CN=an authority')
  make('other', '/CN=another authority')
  const signed = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'subjectAltName=IP:127.0.0.1']
  make('etcd', '/CN=etcd', ...signed, '-addext', `extendedKeyUsage=${extendedKeyUsage}`)
  make('client', '/CN=client', ...signed, '-addext', 'extendedKeyUsage=clientAuth')
  const read = (name: string): string => readFileSync(at(name), 'utf8')
  const files = { ca: at('ca.pem'), cert: at('etcd.pem'), key: at('etcd.key') }
  return { ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key'), otherCa: read('other.pem'), files }
}

export interface Settings {
  readonly members?: 1 | 3
  readonly tls?: Certificates
  /** Whether clients must show a certificate. */
  readonly clientCertificates?: boolean
  /** More arguments of each member. */
  readonly args?: readonly string[]
}

export interface Member {
  readonly port: number
  /** Returns when it has stopped: a busy machine lets its threads run on for a while after SIGSTOP was sent, and carry out what comes then. */
  freeze(): Promise<void>
  thaw(): void
  /** Ends it at once, and returns when it is gone. */
  kill(): Promise<void>
  /** Starts it, after a kill over the same data, and returns when it answers. */
  start(): Promise<void>
}

export interface Etcd {
  readonly members: readonly Member[]
  /** A plan for a client, with this prefix. */
  plan(more?: Partial<EtcdPlan>): EtcdPlan
  /** A request to the gateway of a member. */
  call(path: string, body: object, token?: string, member?: number): Promise<{ status: number; fields: Record<string, unknown> }>
  /** Which member leads. */
  leader(): Promise<number>
}

export const startEtcd = async (t: Pick<Test, 'teardown'>, { members: count = 1, tls, clientCertificates = false, args = [] }: Settings = {}): Promise<Etcd> => {
  const folder = tempFolder(t)
  const scheme = tls === undefined ? 'http' : 'https'
  const ports: { client: number; peer: number }[] = []
  while (ports.length < count) ports.push({ client: await getPort({ host: '127.0.0.1' }), peer: await getPort({ host: '127.0.0.1' }) })
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD_')))

  const call: Etcd['call'] = (path, body, token, member = 0) =>
    new Promise((resolve, reject) => {
      const request = (tls === undefined ? http : https)({
        host: '127.0.0.1', port: ports[member]!.client, path, method: 'POST', agent: false,
        headers: token === undefined ? {} : { authorization: token },
        ...(tls === undefined ? {} : { ca: tls.ca, cert: tls.cert, key: tls.key }),
      }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (data: string) => { text += data }).once('end', () => {
          try {
            resolve({ status: response.statusCode!, fields: JSON.parse(text) as Record<string, unknown> })
          } catch (error) {
            reject(error as Error)
          }
        }).once('error', reject)
      })
      request.once('error', reject).end(JSON.stringify(body))
    })

  /** Whether it answers a linearizable read, which shows that there is a leader; or its gateway shall not get in. */
  const answers = (member: number): Promise<boolean> =>
    call('/v3/kv/range', { key: 'YQ==' }, undefined, member).then(({ fields }) => 'header' in fields || fields['code'] === 3 || NO_GATEWAY.test(String(fields['message'])), () => false)

  const members = ports.map(({ client, peer }, index): Member => {
    const url = (port: number): string => `${scheme}://127.0.0.1:${port}`
    const peerUrl = (port: number): string => `http://127.0.0.1:${port}`
    const files = tls === undefined ? [] : [
      '--cert-file', tls.files.cert, '--key-file', tls.files.key, ...(clientCertificates ? ['--trusted-ca-file', tls.files.ca, '--client-cert-auth'] : []),
    ]
    let guard: ChildProcess | undefined
    let etcd = 0
    let gone: Promise<unknown> = Promise.resolve()
    const launch = async (): Promise<void> => {
      guard = spawn('/bin/sh', ['-c', GUARDED, 'sh',
        '--name', `m${index}`, '--data-dir', join(folder, `m${index}`), '--log-level', 'error',
        '--listen-client-urls', url(client), '--advertise-client-urls', url(client), '--listen-peer-urls', peerUrl(peer), '--initial-advertise-peer-urls', peerUrl(peer),
        '--initial-cluster', ports.map((one, at) => `m${at}=${peerUrl(one.peer)}`).join(','), ...files, ...args,
      ], { env, stdio: ['pipe', 'pipe', 'ignore'] })
      gone = once(guard, 'exit')
      const [pid] = (await once(guard.stdout!.setEncoding('utf8'), 'data')) as [string]
      etcd = Number(pid)
    }
    const kill = async (): Promise<void> => {
      guard?.stdin!.end()
      await gone
    }
    t.teardown(kill)
    const start = async (): Promise<void> => {
      await launch()
      await until(() => answers(index), 'etcd to answer')
    }
    const freeze = async (): Promise<void> => {
      process.kill(etcd, 'SIGSTOP')
      await until(() => stateOf(etcd) === 'T', 'etcd to stop')
    }
    return { port: client, freeze, thaw: () => { process.kill(etcd, 'SIGCONT') }, kill, start }
  })
  await Promise.all(members.map((member) => member.start()))

  return {
    members, call,
    plan: (more) => ({
      engine: 'etcd', endpoints: ports.map(({ client }) => ({ host: '127.0.0.1', port: client })), secure: tls !== undefined, prefix: 'ci/1',
      ...(tls === undefined ? {} : { ca: tls.ca }), ...(clientCertificates ? { cert: tls!.cert, key: tls!.key } : {}), ...more,
    }),
    leader: async () => {
      const { fields } = await call('/v3/maintenance/status', {})
      const ids = await Promise.all(members.map(async (_, index) => ((await call('/v3/maintenance/status', {}, undefined, index)).fields['header'] as { member_id: string }).member_id))
      return ids.indexOf(fields['leader'] as string)
    },
  }
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Switches users on: root, and users that may read and write below one prefix each. */
export const enableUsers = async ({ call }: Etcd, users: Readonly<Record<string, { password: string; prefix: string }>>): Promise<void> => {
  const done = async (path: string, body: object): Promise<void> => {
    const { status, fields } = await call(path, body)
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(fields)}`)
  }
  await done('/v3/auth/role/add', { name: 'root' })
  await done('/v3/auth/user/add', { name: 'root', password: 'root' })
  await done('/v3/auth/user/grant', { user: 'root', role: 'root' })
  for (const [name, { password, prefix }] of Object.entries(users)) {
    const end = Buffer.from(`${prefix}/`)
    end[end.length - 1]! += 1
    await done('/v3/auth/role/add', { name })
    await done('/v3/auth/role/grant', { name, perm: { permType: 'READWRITE', key: base64(`${prefix}/`), range_end: end.toString('base64') } })
    await done('/v3/auth/user/add', { name, password })
    await done('/v3/auth/user/grant', { user: name, role: name })
  }
  await done('/v3/auth/enable', {})
}

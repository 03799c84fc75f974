/**
 * Hosts that share servers over a real etcd. Two homes are two hosts here, since each has its own state: by the command line, which knows
 * the coordinator by its environment alone, or by the library in this process.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { ClientProcessManager, type ClientProcessManagerOptions, OneServerError } from '../../lib/index.js'
import { home, type Home } from '../cli/command-line.js'
import { tempFolder } from '../support/temp-folder.js'
import type { Etcd } from './etcd-server.js'

export const PREFIX = 'ci/1234'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** What etcd has below a key, as texts. */
export const valuesBelow = async ({ call }: Etcd, key: string): Promise<string[]> => {
  const end = `${key.slice(0, -1)}${String.fromCharCode(key.charCodeAt(key.length - 1) + 1)}`
  const { fields } = await call('/v3/kv/range', { key: base64(key), range_end: base64(end) })
  return ((fields['kvs'] ?? []) as { value: string }[]).map(({ value }) => Buffer.from(value, 'base64').toString())
}

export const urlOf = ({ members }: Etcd): string => `etcd://127.0.0.1:${members[0]!.port}/${PREFIX}`

/** A host of the command line. */
export const aHost = (t: Test, etcd: Etcd, more: NodeJS.ProcessEnv = {}): Home => {
  const here = home(t)
  Object.assign(here.env, { ONE_SERVER_COORDINATOR: urlOf(etcd), ONE_SERVER_TTL: '20s', ...more })
  return here
}

/** A host of the library. */
export interface Site {
  readonly folder: string
  /** A client here of the server of this name, which is stopped at the end of the test. */
  client(name: string, options?: ClientProcessManagerOptions): ClientProcessManager
  log(name: string): string
}

/** @param options What all clients here give. */
export const aSite = (t: Test, options: ClientProcessManagerOptions): Site => {
  const folder = tempFolder(t)
  const state = join(folder, 'state')
  const names = new Set<string>()
  const client: Site['client'] = (name, more) => {
    const before = process.env['ONE_SERVER_STATE_DIR']
    process.env['ONE_SERVER_STATE_DIR'] = state
    try {
      names.add(name)
      return new ClientProcessManager({ name, port: 'auto', startupTimeout: '60s', ...options, ...more })
    } finally {
      if (before === undefined) delete process.env['ONE_SERVER_STATE_DIR']
      else process.env['ONE_SERVER_STATE_DIR'] = before
    }
  }
  t.teardown(async () => {
    for (const name of existsSync(state) ? names : []) await client(name).stopServer()
  })
  return { folder, client, log: (name) => readFileSync(join(state, `${name}.log`), 'utf8') }
}

/** The error of a call, which must have one. */
export const failureOf = async (work: () => unknown): Promise<OneServerError> => {
  try {
    const value = await work()
    throw new Error(`no failure, but ${JSON.stringify(value)}`)
  } catch (error) {
    if (error instanceof OneServerError) return error
    throw error
  }
}

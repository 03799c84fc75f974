/**
 * `one-server/etcd`: describes the etcd that several hosts share, for the option `coordinator`. It only describes: no connection is opened
 * and no file is read, here or by any client. The steward of each host is what talks to etcd.
 */
import { ALL_SCHEMES, etcdPlan, type EtcdOptions, type EtcdPlan } from './across/etcd-url.js'

export type { EtcdEndpoint, EtcdOptions, EtcdPlan } from './across/etcd-url.js'

/**
 * Returns a value for `coordinator`: plain, frozen and fit for JSON. It holds the password and the key, so do not log it.
 *
 * @param url `https://a:2379,b:2379/ci/1234`: endpoints with commas between them (`https` or `etcds` with TLS, `http` or `etcd` without),
 * and the prefix of all keys. @default port 2379, prefix `one-server`
 * @throws INVALID_OPTION
 * @example
 * const coordinator = etcd('https://etcd-1,etcd-2/ci/1234', { user: 'ci', password: process.env.ETCD_PASSWORD })
 * const manager = new ClientProcessManager({ name: 'models', serverScript: 'server.mjs', coordinator })
 */
export const etcd = (url: string, options: EtcdOptions = {}): EtcdPlan => etcdPlan(url, options, ALL_SCHEMES)

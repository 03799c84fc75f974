/**
 * One server over three hosts and three members of etcd, and what may befall them: each row of "What a client sees" in the design, with
 * real processes, network namespaces and signals. HOSTS_WITHOUT takes a part out of the product, to see that the series finds it.
 */
import type { Series } from '../series.js'
import { access } from './access.js'
import { seriesOf } from './case.js'
import { engine } from './engine.js'
import { leases } from './leases.js'
import { links } from './links.js'
import { owner } from './owner.js'
import { users } from './users.js'

export const hosts: readonly Series[] = [...users, ...leases, ...owner, ...links, ...engine, ...access].map(seriesOf)

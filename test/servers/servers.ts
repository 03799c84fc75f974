/**
 * `npm run test:servers`: each server for real, as its users install it from Debian or npm, and one story told of all of them. Not
 * part of `npm test`: the packages come over the network, and some of the servers take seconds to boot.
 *
 *     npm run test:servers                    all; one whose program is missing is skipped, with the reason
 *     npm run test:servers -- --only redis    those whose name contains the word
 */
import { parseArgs } from 'node:util'
import t, { type Test } from 'tap'
import { missing } from './install.js'
import { named } from './named.js'
import { needs, tellOfNeeds } from './needs.js'
import { tell } from './story.js'
import { unnamed } from './unnamed.js'

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [''] } } })
const stories = [
  ...[...named, ...unnamed].map((row) => ({ name: row.name, needs: row.needs ?? {}, told: (t: Test) => tell(t, row) })),
  { name: 'postgres, and a web server that needs it', needs, told: tellOfNeeds },
].filter(({ name }) => values.only.some((word) => name.includes(word)))

t.setTimeout(3_600_000)
t.jobs = 2
for (const { name, needs: needed, told } of stories) {
  const reason = missing(needed)
  void t.test(name, { timeout: 900_000, ...(reason === undefined ? {} : { skip: reason }) }, told)
}
if (stories.length === 0) t.fail(`no server has a name that contains ${values.only.join(' or ')}`)

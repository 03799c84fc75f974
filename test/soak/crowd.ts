/** 20 cold clients that begin in the same instant, round after round: one start in the server's own ledger, one URL, healthy when it is returned. */
import { allEnded, place, together } from '../support/clients.js'
import { round, type Series } from './series.js'

const CLIENTS = 20

const oneRound = (): Promise<string[]> =>
  round(async (t) => {
    const here = place(t)
    const ended = await allEnded(await together(t, here, CLIENTS, here.options('healthy')))
    const wrong: string[] = []
    const results = ended.flatMap(({ result }) => (result === undefined ? [] : [result]))
    for (const { error, stderr } of ended) if (error !== undefined || stderr !== '') wrong.push(`a client failed: ${error?.message ?? stderr}`)
    if (here.starts().length !== 1) wrong.push(`${here.starts().length} servers started`)
    if (results.length !== CLIENTS || new Set(results.map(({ info }) => info.url)).size !== 1) wrong.push('the URLs differ')
    const sick = results.filter(({ status }) => status !== 200)
    if (sick.length > 0) wrong.push(`${sick.length} URLs were not healthy at the moment of return`)
    if (!(await here.manager('healthy').stopServer())) wrong.push('there was nothing to stop')
    if (here.left().length > 0 || here.alive().length > 0) wrong.push(`left: ${[...here.left(), ...here.alive()].join(', ')}`)
    return wrong
  })

export const crowd: Series = {
  name: `${CLIENTS} cold clients at once`, rounds: 200,
  async run(rounds, progress) {
    const violations: string[] = []
    for (let done = 0; done < rounds; done++) {
      violations.push(...(await oneRound()).map((what) => `round ${done + 1}: ${what}`))
      progress(done + 1)
    }
    return { cases: rounds, violations, note: `${rounds * CLIENTS} clients, one server start in each round's ledger` }
  },
}

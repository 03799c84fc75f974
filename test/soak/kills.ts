/** A client killed, or frozen and later thawed, right before each call by which it looks at or changes files and processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { bareEnv } from '../support/child.js'
import { withExecve } from '../support/execve.js'
import type { LeaseSeries, Taker } from '../support/kill-leases.js'
import type { Series as Kills, Victim } from '../support/kill-series.js'
import type { Series } from './series.js'

const CASE = /^ +(?:not )?ok \d+ - SIG(?:KILL|STOP) before call/gm

/** One text for each case that broke: what did not hold in it comes before it. */
const brokenIn = (out: string): string[] => {
  const broken: string[] = []
  let held: string[] = []
  for (const [line] of out.matchAll(/^ +not ok .*$/gm)) {
    held.push(line.trim().replace(/^not ok \d+ - /, '').replace(/ # time=.*$/, ''))
    if (!CASE_ENDS.test(line)) continue
    broken.push(held.toReversed().join(': '))
    held = []
  }
  return [...broken, ...held]
}

const CASE_ENDS = /^ +not ok \d+ - SIG/

const series = (name: string, plan: Omit<Kills, 'every' | 'only'> | Omit<LeaseSeries, 'every'>): Series => ({
  name, rounds: 1,
  async run(_rounds, progress) {
    if (plan.victim.startsWith('command') && 'skip' in withExecve) return { cases: 0, violations: [], note: `not run: ${withExecve.skip}` }
    const args = [fileURLToPath(new URL('kills-run.js', import.meta.url)), JSON.stringify({ ...plan, every: 1, only: 'all' })]
    const child = spawn(process.execPath, args, { env: { ...bareEnv(), TAP_TIMEOUT: '7200' }, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
      progress(out.match(CASE)?.length ?? 0)
    })
    const [code] = (await once(child, 'close')) as [number | null]
    const broken = brokenIn(out)
    return { cases: out.match(CASE)?.length ?? 0, violations: code !== 0 && broken.length === 0 ? [`ended with ${code}`] : broken }
  },
})

const WHO: Readonly<Record<Victim, string>> = {
  launcher: 'launcher',
  stop: 'stop',
  replacer: 'replacer of an older version',
  follower: 'follower',
  heir: 'follower of a dead launcher',
  mourner: 'follower of a dead launch',
}

const TAKES: Readonly<Record<Taker, string>> = {
  command: 'run that becomes its command',
  'command-by-perl': 'run that becomes its command by perl',
  'command-of-several': 'run of two servers that becomes its command',
  'hold-pid': 'hold --pid',
}

/** What is frozen needs no core, so more of that fits side by side. */
const clients: readonly Series[] = (Object.keys(WHO) as Victim[]).flatMap((victim) => [
  series(`${WHO[victim]} killed before each call`, { victim, action: 'SIGKILL', others: 'use', thawed: 'soon', jobs: 3 }),
  series(`${WHO[victim]} frozen before each call, and thawed late`, { victim, action: 'SIGSTOP', others: 'use', thawed: 'late', jobs: 8 }),
  series(`${WHO[victim]} frozen before each call, and thawed beside a later server`, { victim, action: 'SIGSTOP', others: 'restart', thawed: 'soon', jobs: 3 }),
  series(`${WHO[victim]} frozen before each call, and thawed beside a newer version`, { victim, action: 'SIGSTOP', others: 'replace', thawed: 'soon', jobs: 3 }),
])

const holders: readonly Series[] = (Object.keys(TAKES) as Taker[]).flatMap((victim) => [
  series(`${TAKES[victim]}, killed before each call beside the next lease`, { victim, action: 'SIGKILL', others: 'come', thawed: 'soon', jobs: 3 }),
  series(`${TAKES[victim]}, killed before each call, and nobody comes`, { victim, action: 'SIGKILL', others: 'wait', thawed: 'soon', jobs: 3 }),
  series(`${TAKES[victim]}, frozen before each call, and thawed late beside a lease`, { victim, action: 'SIGSTOP', others: 'come', thawed: 'late', jobs: 8 }),
  series(`${TAKES[victim]}, frozen before each call, and thawed when a lease has ended`, { victim, action: 'SIGSTOP', others: 'leave', thawed: 'soon', jobs: 8 }),
  series(`${TAKES[victim]}, frozen before each call, and thawed beside a later server`, { victim, action: 'SIGSTOP', others: 'restart', thawed: 'soon', jobs: 3 }),
])

export const kills: readonly Series[] = [...clients, ...holders]

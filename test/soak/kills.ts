/** A launching client killed, or frozen and later thawed, right before every call by which it changes files or processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { bareEnv } from '../child.js'
import type { Series } from './series.js'

const series = (action: 'SIGKILL' | 'SIGSTOP', name: string): Series => ({
  name, rounds: 1,
  async run(_rounds, progress) {
    const child = spawn(process.execPath, [fileURLToPath(new URL('kills-run.js', import.meta.url)), action], { env: { ...bareEnv(), TAP_TIMEOUT: '3600' }, stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
      progress(out.match(CASE)?.length ?? 0)
    })
    const [code] = (await once(child, 'close')) as [number | null]
    const broken = out.split('\n').filter((line) => /^ +not ok/.test(line)).map((line) => line.trim())
    return { cases: out.match(CASE)?.length ?? 0, violations: code !== 0 && broken.length === 0 ? [`ended with ${code}`] : broken }
  },
})

const CASE = /^ +(?:not )?ok \d+ - SIG(?:KILL|STOP) before call/gm

export const kills: readonly Series[] = [
  series('SIGKILL', 'launcher killed before each of its changes'),
  series('SIGSTOP', 'launcher frozen before each of its changes, and thawed'),
]

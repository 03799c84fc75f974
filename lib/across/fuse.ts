/**
 * The fuse: a shell in the server's process group that ends the group when the steward falls silent. The door keeps a frozen or killed
 * steward from serving; the fuse keeps its server from running on beside that of another host.
 *
 * The steward writes the instant at which it burns, for each renewal. The fuse lights a new timer before it puts the old one out, and
 * answers `armed`. At end-of-file or at that instant it kills its own group: it needs no PID, so it can hit nobody else. What has left the
 * group is ended by another shell, which survives (strays.ts).
 *
 * - A stop signals the whole group, so the fuse ignores what may stop a server. Its timers end by SIGVTALRM, which stops no server, and
 *   their `sleep` by SIGKILL: that inherits the ignored signals, and would stay in the group for as long as it sleeps.
 * - The new timer itself puts the old one out, once its `sleep` runs. In a process table that is full there is no new timer, so the old
 *   one burns at its instant, and the fuse ends: an owner without a fuse ends its server in good order.
 * - Each timer is waited for by its parent: where PID 1 reaps nobody, a zombie for each renewal would fill the process table.
 * - The instant is in hundredths of a second of /proc/uptime, which counts while a host is suspended. Where there is none (macOS), it is
 *   of the wall clock.
 */
import type { ChildProcess } from 'node:child_process'
import { sweepStrays } from './strays.js'

/** By which the fuse, its timers and their `sleep` differ from the server's processes. */
export const FUSE_MARK = 'ONE_SERVER_FUSE=1'

/** No name of the launch is in its environment: what looks for the launch's processes must not find the fuse. */
const environment = (): NodeJS.ProcessEnv => ({ PATH: `/usr/bin:/bin:/usr/sbin:/sbin:${process.env['PATH'] ?? ''}`, ONE_SERVER_FUSE: '1' })

/** `off`: a timer that is put out between two of its steps must not begin the next. `jobs` reaps without waiting. */
const SCRIPT = `
trap '' HUP INT QUIT TERM USR1 USR2 ALRM PIPE TSTP TTIN TTOU
if [ -r /proc/uptime ]; then
  now() { read -r at rest < /proc/uptime; at=\${at%.*}\${at#*.}; }
else
  now() { at=$(date +%s)00; }
fi
timer=
while read -r when; do
  now
  left=$((when - at))
  [ "$left" -gt 0 ] || kill -9 0
  before=$timer
  (
    nap= off=
    trap 'off=1; [ -z "$nap" ] || kill -9 "$nap"' VTALRM
    trap 'kill -9 $$' EXIT
    sleep "$((left / 100)).$((left / 10 % 10))$((left % 10))" & nap=$!
    trap - EXIT
    [ -z "$before" ] || kill -VTALRM "$before"
    echo "armed $when"
    [ -z "$off" ] || kill -9 "$nap"
    wait "$nap"
    [ -n "$off" ] || kill -9 0
    wait "$nap"
  ) &
  timer=$!
  jobs >/dev/null
done
kill -9 0
`

export interface Fuse {
  readonly pid: number
  /**
   * Burns at this instant, in hundredths of a second of {@link fuseClock}, and no more at an earlier one. Resolves when it has said so.
   */
  arm(at: number): Promise<void>
  /** Resolves when the fuse, or what ends the strays, has ended. An owner without them must end its server. */
  readonly gone: Promise<void>
}

/** The clock of the fuse now. */
export const fuseClock = (): number => {
  try {
    const [seconds = ''] = process.getBuiltinModule('node:fs').readFileSync('/proc/uptime', 'utf8').split(' ')
    return Math.floor(Number(seconds) * 100)
  } catch {
    return Math.floor(Date.now() / 1000) * 100
  }
}

const goneOf = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })

/**
 * Starts a fuse in the process group of this process. It ends the group, and what else belongs to the launch, when this process ends, or
 * at the instant last armed.
 */
export const lightFuse = (launchId: string, shell = '/bin/sh'): Fuse => {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const env = environment()
  const sweeper = sweepStrays(launchId, env, shell)
  const child = spawn(shell, ['-c', SCRIPT], { env, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] })
  const waiting = new Map<string, (() => void)[]>()
  let rest = ''
  child.stdin.on('error', () => {})
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    // An instant that was never armed has no answer, so each answer names its own.
    for (const line of lines) {
      for (const resolve of waiting.get(line) ?? []) resolve()
      waiting.delete(line)
    }
  })
  return {
    pid: child.pid ?? 0,
    gone: Promise.race([goneOf(child), goneOf(sweeper)]),
    arm: (at) => new Promise((resolve) => {
      const answer = `armed ${at}`
      waiting.set(answer, [...(waiting.get(answer) ?? []), resolve])
      child.stdin.write(`${at}\n`)
    }),
  }
}

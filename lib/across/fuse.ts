/**
 * The fuse: a shell in the server's process group that ends the group when the steward falls silent. The door keeps a frozen or killed
 * steward from serving; the fuse keeps its server from running on beside that of another host.
 *
 * The steward writes the instant at which it burns, for each renewal. The fuse arms a new timer before it disarms the old one, and answers
 * `armed`. At end-of-file or at that instant it kills its own group: it needs no PID, so it can hit nobody else.
 *
 * - A stop signals the whole group, so the fuse ignores what may stop a server. Its timers end by SIGVTALRM, which stops no
 *   server, and their `sleep` by SIGKILL: that inherits the ignored signals, and would stay in the group for as long as it sleeps.
 * - The instant is in hundredths of a second of /proc/uptime, which counts while a host is suspended. Where there is none (macOS), it is of
 *   the wall clock.
 */
/** By which the fuse, its timers and their `sleep` are told from the server's processes. */
export const FUSE_MARK = 'ONE_SERVER_FUSE=1'

/** No name of the launch is in its environment: what looks for the launch's processes must not find the fuse. */
const ENV = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', ONE_SERVER_FUSE: '1' }

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
    nap=
    trap 'kill -9 $nap; exit 0' VTALRM
    sleep "$((left / 100)).$((left / 10 % 10))$((left % 10))" & nap=$!
    wait "$nap"
    kill -9 0
  ) &
  timer=$!
  [ -z "$before" ] || kill -VTALRM "$before"
  echo armed
done
kill -9 0
`

export interface Fuse {
  readonly pid: number
  /** Burns at this instant, in hundredths of a second of {@link fuseClock}, and no more at an earlier one. Resolves when it has said so. */
  arm(at: number): Promise<void>
  /** Resolves when the fuse has ended. An owner without a fuse must end its server. */
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

/** Starts a fuse in the process group of this process. It ends the group when this process ends, or at the instant last armed. */
export const lightFuse = (): Fuse => {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const child = spawn('/bin/sh', ['-c', SCRIPT], { env: ENV, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] })
  const waiting: (() => void)[] = []
  let rest = ''
  child.stdin.on('error', () => {})
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line === 'armed') waiting.shift()?.()
  })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  return {
    pid: child.pid ?? 0, gone,
    arm: (at) => new Promise((resolve) => {
      waiting.push(resolve)
      child.stdin.write(`${at}\n`)
    }),
  }
}

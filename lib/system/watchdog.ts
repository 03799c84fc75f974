/**
 * The watch over a launch that lives for its leases: a dead man's switch. A shell (about 180 KiB of its own) blocks in
 * `read` on a pipe from the holder of the lease and costs nothing until it reads end-of-file, which it
 * does however the holder ends. Then it waits out the idle time, and only if nobody else holds the launch
 * or watches it runs the reaper, which looks again and decides. So it needs no clock that others agree
 * on: an idle time that runs is a watch that lives.
 *
 * It must outlive its holder: it is in a session of its own, no terminal's, and not among the holder's
 * descendants, since whoever ends a process tree by parent PIDs would end it, too. It has nothing of the
 * holder's environment, so no runner takes it for a process of its job, and of its descriptors only the
 * pipe.
 *
 * On Windows a Node process waits instead of the shell (untested).
 */
import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { stateUnusable } from '../errors.js'
import { lineWithin, spawnCovered, type Stdio } from './spawn.js'
import { identify } from './process-table.js'
import { reaperSource } from './reaper-source.js'
import type { WatchdogPlan, Watchdog } from './system.js'

/** Not stdin, which Node closes when its child has ended, and the watch is not its child. */
const PIPE = 3

/** Seconds. */
const SLICE = 30

/** In seconds: what the starter has to say who the watch is, what the reaper has besides the server's own time to stop, and how soon it is tried again. */
const PATIENCE = { starter: 5, attempt: 60, again: 30 }

/** Not the shell that was spawned, but its child, so that the watch is a child of init. */
const STARTER = '/bin/sh -c "$ONE_SERVER_WATCH" "$@" <&3 3<&- >/dev/null 2>&1 & echo "pid $!"'

/**
 * $0 the folder, $1 the lease, $2 the launch, $3 and $4 the seconds to wait, whole for a sleep that knows no
 * fractions, $5 Node, $6 the PID file, $7 the seconds that the reaper may take, $8 those until it is tried again.
 * A line means that it need not look any more. Its own files go first and
 * then it looks for others, so of several that end together the last one sees nobody. Another that seems to live
 * is left to look for itself (PID and start time, field 22 of proc_pid_stat(5), are its name); a zombie does not
 * (kill(2) still knows it, for ever where PID 1 does not reap), nor one that is stopped, and whatever else is
 * uncertain the reaper judges. The file of the watch is touched to tell since when it waits. A long wait is cut
 * into slices, so that nothing waits for weeks for a launch that was stopped; a Node that is there no more when
 * it is wanted (an update) is looked for in the PATH.
 *
 * A Node that gets too few threads (ulimit -u, pids.max) aborts at its start, or hangs there for ever. So the reaper
 * is a child that is ended when it takes too long, and whatever made it fail, it is tried again, ever more rarely.
 * A shell that cannot even fork is over, with status 2, or 254 if it is bash; all that it can do then is to become
 * something else, which waits and becomes the watch again.
 */
const WATCH = `
read -r word && exit 0
cd / && umask 077 && ulimit -c 0
launch=$2
anew() {
  command -v perl && exec perl -e 'sleep shift; exec @ARGV' "$@"
  command -v python3 && exec python3 -c 'import os, sys, time; time.sleep(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])' "$@"
}
trap 'case $? in 2|254) trap - EXIT; works && kill -9 $reaper; anew "$8" /bin/sh -c "$ONE_SERVER_WATCH" "$0" "$@" ;; esac' EXIT
run() { command -p "$@" || "$@"; }
claimed() { for file in "$0/$launch."*.claim; do test -e "$file"; done; }
outwait() {
  left=$1
  while claimed && test $left -gt 0; do
    slice=$left; test $slice -gt ${SLICE} && slice=${SLICE}
    run sleep $slice; left=$((left - slice))
  done
}
look() {
  read -r stat <"/proc/$1/stat" || return
  stat=\${stat##*) } number=0 start=
  for word in $stat; do number=$((number + 1)); test $number = 20 && start=$word; done
  test "$start"
}
works() { look $reaper && test "$start" = "$since" && case $stat in Z*) false ;; esac; }
run touch -ch "$0/$1.$2."*.watch
if test $4 -gt ${SLICE}; then outwait $4; else command -p sleep "$3" || run sleep "$4"; fi
run rm -f "$0/$1.$2."*
again=$8
while claimed; do
  test -e "$0/$2.pin" && exit 0
  for file in "$0"/*".$2."*.lease "$0"/*".$2."*.watch; do
    test -e "$file" || continue
    id=\${file##*/} id=\${id#*.} id=\${id#*.} pid=\${id%%.*} id=\${id#*.} began=\${id%%.*}
    kill -0 "$pid" || continue
    look "$pid" || exit 0
    test "$start" = "$began" || continue
    case $stat in Z*|T*) ;; *) exit 0 ;; esac
  done
  node=$5; test -x "$node" || node=$(command -v node)
  "$node" -e 'eval(process.env.ONE_SERVER_REAPER)' "$6" "$2" & reaper=$!
  look $reaper; since=$start left=$7
  while works && test $left -gt 0; do run sleep 1; left=$((left - 1)); done
  works && kill -9 $reaper
  wait $reaper && exit 0
  outwait $again
  test $again -lt 3600 && again=$((again * 2))
done
exit 0
`

const WINDOWS_WATCH = `
const [folder, lease, launch, seconds] = process.argv.slice(1)
console.log('pid ' + process.pid)
const reap = () => {
  const fs = require('node:fs')
  for (const name of fs.readdirSync(folder)) if (name.startsWith(lease + '.' + launch + '.')) fs.rmSync(folder + '/' + name, { force: true })
  process.argv = [process.argv[0], process.argv[6], launch]
  eval(process.env.ONE_SERVER_REAPER)
}
const pipe = new (require('node:net').Socket)({ fd: 3 })
pipe.once('data', () => process.exit()).once('end', () => setTimeout(reap, seconds * 1000))`

const start = ({ folder, lease, launchId, idleTimeout, stopTimeout, pidFile }: WatchdogPlan, source: string, { attempt, again }: typeof PATIENCE): ChildProcess => {
  const seconds = idleTimeout / 1000
  const patience = attempt + Math.ceil(stopTimeout / 1000)
  const args = [folder, lease, launchId, seconds.toFixed(3), String(Math.ceil(seconds)), process.execPath, pidFile, String(patience), String(again)]
  // Inside Electron, Node is the editor unless it is told otherwise.
  const electron = process.versions['electron'] === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' }
  // What finds and loads programs, and nothing else of the holder's.
  const own = Object.fromEntries(['PATH', 'LD_LIBRARY_PATH'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
  // As few threads as it can do with: there may be no room for more. Not as an argument, which an Electron might not know.
  const env = { ...own, ONE_SERVER_WATCH: WATCH, ONE_SERVER_REAPER: source, NODE_OPTIONS: '--v8-pool-size=0', UV_THREADPOOL_SIZE: '1', ...electron }
  const stdio: Stdio = ['ignore', 'pipe', 'ignore', 'pipe']
  const options = { cwd: '/', env, stdio, detached: true, windowsHide: true }
  return process.platform === 'win32'
    ? spawnCovered(process.execPath, ['-e', WINDOWS_WATCH, ...args], { ...options, env: { ...process.env, ...env }, cwd: folder })
    : spawnCovered('/bin/sh', ['-c', STARTER, 'one-server', ...args], options)
}

const cannotWatch = ({ folder }: WatchdogPlan, cause?: unknown): Error =>
  stateUnusable(folder, 'no process could be started that ends the server when this lease does', 'Check the limits on processes and open files (ulimit -u, ulimit -n), and call again.', cause)

/** @param patience Tests have less of it. */
export const watchOver = async (plan: WatchdogPlan, patience = PATIENCE): Promise<Watchdog> => {
  let child: ChildProcess
  try {
    child = start(plan, reaperSource, patience)
  } catch (error) {
    throw cannotWatch(plan, error)
  }
  const failed = new Promise<never>((_, reject) => { child.once('error', (cause) => reject(cannotWatch(plan, cause))) })
  failed.catch(() => {})
  // A child for which there were no descriptors has none of these.
  const pipe = child.stdio?.[PIPE] as Socket | undefined
  pipe?.on('error', () => {})
  child.stdout?.on('error', () => {})
  try {
    const line = child.stdout && pipe ? await Promise.race([lineWithin(createInterface({ input: child.stdout })[Symbol.asyncIterator](), patience.starter * 1000), failed]) : await failed
    const pid = Number(/^pid (\d+)$/.exec(line ?? '')?.[1])
    const id = Number.isNaN(pid) ? undefined : identify(pid)
    if (id === undefined) throw cannotWatch(plan)
    // The caller's, from here on.
    const own = pipe!
    own.unref()
    return { id, letGo: () => { own.destroy() }, dismiss: () => { own.end('dismissed\n') } }
  } catch (error) {
    child.kill('SIGKILL')
    pipe?.destroy()
    throw error
  } finally {
    // A lease holds the server, not the process that holds the lease.
    child.unref()
    child.stdout?.destroy()
  }
}

/**
 * What Linux, macOS and the BSDs share: the shell scripts of the gate and of the watchdog. A shell, since it costs
 * 1–2 ms and 180 KiB where a Node costs 40 ms and 40 MiB, and since it can become another program by `exec`: PID and
 * start time of the gate are those of the server. /bin/sh may be bash (3.2, too), dash, busybox, mksh, yash, zsh or posh.
 */
import type { Launching, Programs } from './platform.js'

export const NULL_DEVICE = '/dev/null'

/** Programs are found as execvp(3) does. */
export const posixPrograms: Programs = {
  pathIn: (env) => env['PATH'],
  filesOf: (program) => [program],
  onlyInPath: true,
  invoke: (program, args) => ({ program, args }),
  whyNot: () => undefined,
}

/** ms that the gate may take to say its PID: it is a shell. */
export const START_TAKES = 2000

/**
 * The keeper: the parent of the gate, because only a parent learns an exit code. Not `&`: what a shell runs in the
 * background ignores SIGINT for ever. The words `pid` and `exit` say which of the two shells printed a line, also
 * when the other one was killed.
 */
const KEEPER = 'unset -f echo; one_server_gate=$1; shift; (exec /bin/sh -c "$one_server_gate" "$@" 2>&3); echo "exit $?"'

/**
 * The gate. An exported function named `read` or an exported TMOUT would open or close it, so it does without both.
 * The line in the gate file shows those who find the process dead that the server ran: if its launcher was killed
 * before it opened the gate, nothing has failed. The server's stdout and stderr are the log, and the pipes are the gate's alone.
 *
 * Many servers (esbuild, rollup, react-scripts) exit when their stdin ends. So their stdin is a FIFO that the server
 * itself holds open for writing: nothing is ever written into it, and it ends with the server. No other process is
 * needed for that. Its name bears the launch id, and the server has it a second time, as descriptor 9: a daemon that
 * erases its environment, leaves its group and turns to /dev/null is still known by it (proc_pid_fd(5)). Where no FIFO
 * can be made, stdin is /dev/null.
 *
 * A folder that something deletes takes the claim along. So the server holds its claim open, as descriptor 8, and a client that
 * finds the server finds what the claim says. A shell may close at exec what was opened before, so the last command sets them.
 */
const GATE = `unset -f read echo command test; echo "pid $$"
one_server_stdin=\${0%gate}stdin; exec 4</dev/null 5</dev/null
command -p mkfifo -m 600 "$one_server_stdin" 2>/dev/null && test -p "$one_server_stdin" && exec 4<>"$one_server_stdin"
command -p rm -f "$one_server_stdin" 2>/dev/null
TMOUT= read -r one_server_gate || exit
for one_server_claim in "\${0%gate}"*.claim; do test -f "$one_server_claim" && exec 5<"$one_server_claim"; done
echo >>"$0" && exec "$@" <&4 9<&4 8<&5 4<&- 5<&- >&3 2>&3 3>&-`

/** Changes what the shells of the gate do, and no server could want it. */
const SHELL_ONLY = ['OPTIND', 'SHELLOPTS', 'BASHOPTS', 'one_server_gate', 'one_server_stdin', 'one_server_claim']

export const gate: Launching['gate'] = ({ program, args, env, gateFile }) => ({
  program: '/bin/sh',
  args: ['-c', KEEPER, 'one-server', GATE, gateFile, program, ...args],
  env: Object.fromEntries(Object.entries(env).filter(([name]) => !SHELL_ONLY.includes(name))),
})

/**
 * A tool that ends a process tree by parent PIDs would end the watchdog. So this shell, its parent, exits at once, and init adopts it.
 * It says which descriptors it was given, where /proc shows them: a client that leaks one must hear of it.
 */
const STARTER = `/bin/sh -c "$ONE_SERVER_WATCH" "$@" <&3 3<&- >/dev/null 2>&1 &
said="pid $!"; for fd in /proc/$$/fd/*; do test -e "$fd" && said="$said \${fd##*/}"; done; echo "$said"`

/**
 * The watchdog. $0 is the folder, $1 the lease or what the ids of its leases begin with, $2 the launch, $3 the idle time in seconds,
 * $4 the same as a whole number for a `sleep` that knows no fractions, $5 Node, $6 the PID file, $7 the seconds that one run of the
 * reaper may take, $8 those until the next, $9 the PID of the leader, and after it the start time of the leader.
 *
 * 1. End-of-file means that its holder let go or died. The word `keep` makes another process the holder, or what the holder is about to
 *    become: then it looks whether that process lives, ever more rarely, and a PID with another start time is a stranger. A pipe with a
 *    name spares the looks: a command holds it open for as long as the command or a child of it lives. It is opened for both directions
 *    first, since to open it for reading alone would wait for a writer, which may be dead. Any other line dismisses the watchdog.
 * 2. It removes the lease, touches its own file, which shows others since when it waits, and waits out the idle time. No `sleep` lasts
 *    longer than 30 s, so that no process waits for weeks for a launch that was stopped.
 * 3. It lets go first and then looks for others, so of several that end together the last one sees nobody. It removes the files of its
 *    lease, and since something may have deleted all files, it turns its stdin from the pipe to /dev/null: that shows in /proc.
 *    Another holder or watchdog that seems to live is left to look for itself. Its name is its PID and start time,
 *    which the platform's `look` asks for. A zombie does not count (kill(2) knows it for ever where PID 1 does not reap), nor does a
 *    stopped process.
 *    What is uncertain the reaper judges. A claim that is not there shows nothing: a stop removes it and ends the watchdog, but a cleaner
 *    removes it, too, and the server lives on.
 * 4. It runs the reaper. A Node that gets too few threads (ulimit -u, pids.max) aborts at its start or hangs there for ever, so a
 *    reaper that takes too long is killed, and one that failed is run again, ever more rarely. A Node that an update removed
 *    is looked for in PATH.
 *
 * A shell that cannot fork exits, with status 2, or 254 if it is bash. All that it can do then is to become another program,
 * which waits and becomes the watchdog again.
 */
const watchdogScript = (look: string, rarest: number): string => `
held=$ONE_SERVER_HELD
test "$held" || { read -r word held && test "$word" != keep && exit 0; }
cd / && umask 077 && ulimit -c 0
launch=$2 longest=30 leader=$9 born=\${10}
restart() {
  command -v perl && exec perl -e 'sleep shift; exec @ARGV' "$@"
  command -v python3 && exec python3 -c 'import os, sys, time; time.sleep(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])' "$@"
}
trap 'case $? in 2|254) trap - EXIT; works && kill -9 $reaper; restart "$8" /bin/sh -c "$ONE_SERVER_WATCH" "$0" "$@" ;; esac' EXIT
run() { command -p "$@" || "$@"; }${look}
claimed() { for file in "$0/$launch."*.claim; do test -e "$file"; done; }
lives() { claimed || { kill -0 "$leader" && { look "$leader" || return 0; test "$start" = "$born"; }; }; }
outwait() {
  left=$1
  while lives && test $left -gt 0; do
    slice=$left; test $slice -gt $longest && slice=$longest
    run sleep $slice; left=$((left - slice))
  done
}
still() { if look "$pid"; then test "$start" = "$since" && case $stat in Z*) false ;; esac; else kill -0 "$pid"; fi; }
listen() {
  test -p "$pipe" && command exec 4<>"$pipe" && command exec <"$pipe" && command exec 4<&- || return
  while read -r word; do run rm -f "$pipe"; done
}
works() { look $reaper && test "$start" = "$since" && case $stat in Z*) false ;; esac; }
pipe=$0/$2.$1.pipe
if test "$held"; then
  ONE_SERVER_HELD=$held pid=\${held%% *} since=\${held##* }
  export ONE_SERVER_HELD
  for nap in 0.05 0.1 0.2 0.5 1; do listen; still || break; command -p sleep $nap || run sleep 1; done
  while still; do run sleep ${rarest}; listen; done
fi
run rm -f "$pipe" "$0/$1"*".$2."*.lease
run touch -ch "$0/$1"*".$2."*.watch
if test $4 -gt $longest; then outwait $4; else command -p sleep "$3" || run sleep "$4"; fi
run rm -f "$0/$1"*".$2."*
exec </dev/null
again=$8
while :; do
  test -e "$0/$2.pin" && exit 0
  for file in "$0"/*".$2."*.lease "$0"/*".$2."*.watch; do
    test -e "$file" || continue
    id=\${file##*/} id=\${id#*.} id=\${id#*.} pid=\${id%%.*} id=\${id#*.} began=\${id%%.*}
    kill -0 "$pid" || continue
    look "$pid" || { kill -0 "$pid" || continue; exit 0; }
    test "$start" = "$began" || continue
    case $stat in Z*|T*) ;; *) exit 0 ;; esac
  done
  node=$5; test -x "$node" || node=$(command -v node)
  "$node" -e 'eval(process.env.ONE_SERVER_REAPER)' "$6" "$2" & reaper=$!
  look $reaper; since=$start left=$7
  while works && test $left -gt 0; do run sleep 1; left=$((left - 1)); done
  works && kill -9 $reaper
  wait $reaper && exit 0
  lives || exit 0
  outwait $again
  test $again -lt 3600 && again=$((again * 2))
done
exit 0
`

/** What finds and loads programs, and nothing else of the holder's: a runner takes what carries its marks for a process of its job. */
const INHERITED = ['PATH', 'LD_LIBRARY_PATH']

/**
 * `look` defines a function of the shell: it takes a PID and sets `stat` and `start`, or fails. `rarest`: the seconds between two looks
 * at a holder that has no pipe, such that they cost less than a thousandth of a core.
 */
export const watchdogWith = (look: string, rarest: number): Launching['watchdog'] => (order) => ({
  program: '/bin/sh',
  args: [
    '-c', STARTER, 'one-server',
    order.folder, order.lease, order.launchId, order.idle.toFixed(3), String(Math.ceil(order.idle)), process.execPath, order.pidFile,
    String(order.attempt), String(order.again),
    String(order.leader.pid), order.leader.start,
  ],
  env: {
    ...Object.fromEntries(INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))),
    ONE_SERVER_WATCH: watchdogScript(look, rarest), ONE_SERVER_REAPER: order.reaper,
  },
  cwd: '/',
})

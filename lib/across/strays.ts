/**
 * What ends those of a launch that have left its process group: a daemon, or what a shell started by `setsid`. The fuse kills its own group
 * and needs no PID for that; a daemon would outlive it, and run beside the server of the next owner.
 *
 * Rule: group first, strays after it. To look for strays takes long on a busy machine, so nothing in the group waits for the look. The
 * shell that looks stands ready in a session of its own from the start, since a fuse could start none in a process table that is full. It
 * holds one end of a pipe whose other end the steward alone has: however the steward ends, by the fuse, too, this shell reads end-of-file.
 *
 * A stray is known as everywhere (protocol/README.md): it carries the launch id in its environment, or holds the stdin of the launch, whose
 * name bears the id, as descriptor 0 or 9. The launch id comes as an argument, as this shell must not find itself. It looks until a look
 * finds nobody, as a process may fork while it is looked for. When a server has ended before its steward, one look finds nobody.
 */
import type { ChildProcess } from 'node:child_process'

/** Without /proc (macOS) ps(1) shows environments after the arguments. One that looks like an argument is not told from it. */
const SCRIPT = `
trap '' HUP INT QUIT TERM USR1 USR2 ALRM VTALRM PIPE TSTP TTIN TTOU
while read -r word; do :; done
if [ -r /proc/self/environ ]; then
  strays() {
    grep -lzxF "ONE_SERVER_LAUNCH_ID=$1" /proc/[0-9]*/environ | sed 's|^/proc/||; s|/.*||'
    ls -l /proc/[0-9]*/fd/0 /proc/[0-9]*/fd/9 | sed -n "s|.* /proc/\\([0-9]*\\)/fd/[09] -> .*/$1\\.stdin.*|\\1|p"
  }
else
  strays() { ps -A -E -ww -o pid= -o command= | sed -n 's/$/ /; / [O]NE_SERVER_LAUNCH_ID='"$1"' /s/^ *\\([0-9]*\\) .*/\\1/p'; }
fi
looks=0
while [ "$looks" -lt 100 ]; do
  found=$(strays "$1")
  [ -n "$found" ] || exit 0
  kill -9 $found
  looks=$((looks + 1))
  sleep 0.05 || sleep 1
done
`

/** Starts it. It ends itself once this process has ended and nothing of the launch lives. */
export const sweepStrays = (launchId: string, env: NodeJS.ProcessEnv, shell: string): ChildProcess => {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const child = spawn(shell, ['-c', SCRIPT, 'one-server', launchId], { env, cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  child.stdin.on('error', () => {})
  return child
}

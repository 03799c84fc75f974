/**
 * `run` becomes its command: execve(2) replaces this process, and its PID and start time stay, so the lease stays true. Then nothing of
 * `run` can die without its command, and a terminal, a shell and a killer meet the command itself.
 *
 * Two things of this process would reach the command, which must run as if called alone. Node ignores SIGPIPE and SIGXFSZ, and
 * what is ignored stays ignored; and a pipe to the watchdog must stay open. env(1) of coreutils does the first and a shell the second,
 * or perl does both. A shell changes some variables and drops others, so a rehearsal with the same words shows what arrives; it shows,
 * too, whether the words fit, since a Node whose execve(2) fails aborts. Where no way leads to the same variables, `run` stays, as on
 * any Node without execve(2).
 *
 * A client that is killed before it hands over lets go by its death. One that is killed right after has no command, and the watchdog sees
 * that the process has gone. A folder that vanishes takes the FIFO along: then the watchdog looks whether the command lives, as it does
 * for a command that closes what it inherits.
 */
import { execFile } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import type { LeaseToKeep } from '../protocol/lease.js'
import { programs } from '../system/platform/current.js'
import type { Io } from './output.js'

/** `execve` is newer than the types of the oldest Node that runs this. */
type Execve = (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never

export interface Becoming {
  /** The command holds all of them. Its descriptor 9 spares the watchdog of the first one its looks; the others look. */
  readonly leases: readonly LeaseToKeep[]
  readonly program: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** What to say where the command was not found, and where it cannot be run: nobody is left to word it. */
  readonly absent: string
  readonly forbidden: string
  readonly io: Io
}

/** Its words begin with `rehearse` or `run`, the pipe and the two texts. Descriptor 9 is the command's as long as it does not close it. */
const SHELL = `unset -f command echo printf test
test "$1" = rehearse && exec /usr/bin/env -0
one_server_pipe=$2 one_server_absent=$3 one_server_forbidden=$4; shift 4
{ test -p "$one_server_pipe" && command exec 9<>"$one_server_pipe" && echo >&9; } 2>/dev/null
trap 'case $? in 127) printf "%s\\n" "$one_server_absent" ;; *) printf "%s\\n" "$one_server_forbidden" ;; esac >&2' EXIT
exec "$@"`

/** It opens the pipe until the descriptor is 9: one that a command uses by habit, such as 3, must be the command's own. */
const PERL = `my ($mode, $pipe, $absent, $forbidden) = splice(@ARGV, 0, 4); $SIG{PIPE} = $SIG{XFSZ} = "DEFAULT"; $^F = 255;
exec("/usr/bin/env", "-0") if $mode eq "rehearse";
if (-p $pipe) {
  my @held;
  while (open(my $one, "+<", $pipe)) { push @held, $one; last if fileno($one) >= 9 }
  our $kept = pop @held; syswrite($kept, "\\n") if $kept
}
no warnings; exec { $ARGV[0] } @ARGV; my $code = $!{ENOENT} ? 127 : 126;
print STDERR "$!\\n", $code == 127 ? $absent : $forbidden, "\\n"; exit($code)`

/** The ways to the command, best first: what to run before the words. */
const WAYS: readonly (readonly string[])[] = [
  ['/usr/bin/env', '--default-signal=PIPE,XFSZ', '/bin/sh', '-c', SHELL, 'one-server'],
  ['/usr/bin/perl', '-e', PERL],
]

/** It names the program that runs, so each sets it as it likes. */
const IGNORED = '_'

const variablesIn = (text: string): string =>
  text.split('\0').filter((line) => line !== '' && !line.startsWith(`${IGNORED}=`)).toSorted().join('\0')

const run = (program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string | undefined> =>
  new Promise((resolve) => {
    try {
      const options = { encoding: 'utf8', env, maxBuffer: Infinity } as const
      execFile(program, args, options, (error, stdout, stderr) => resolve(error === null && stderr === '' ? stdout : undefined))
    } catch {
      resolve(undefined)
    }
  })

/** The first way by which exactly these variables reach the command. The words are all there: too many fail here. */
const wayTo = async (words: readonly string[], env: NodeJS.ProcessEnv): Promise<readonly string[] | undefined> => {
  const wanted = variablesIn(Object.entries(env).map(([name, value]) => `${name}=${value}`).join('\0'))
  for (const way of WAYS) {
    const [program = '', ...first] = way
    const shown = await run(program, [...first, 'rehearse', ...words], env)
    if (shown !== undefined && variablesIn(shown) === wanted) return way
  }
  return undefined
}

const living = new Set<object>()

/** A command must not have children that it never had: it could wait for them. Call it before anything is spawned. */
export const countChildren = (): void => {
  subscribe('child_process', (message) => {
    const { process: child } = message as { process: NodeJS.EventEmitter }
    living.add(child)
    for (const event of ['exit', 'error']) child.once(event, () => living.delete(child))
  })
}

/** Looks at the children, one for each turn of the event loop. A launch ends its last one before it is ready. */
const LOOKS = 2000

const childless = async (): Promise<boolean> => {
  for (let looks = 0; living.size > 0 && looks < LOOKS; looks++) await new Promise((resolve) => { setTimeout(resolve, 1) })
  return living.size === 0
}

/** Returns only where this process cannot become the command. */
export const become = async ({ leases, program, args, env, absent, forbidden, io }: Becoming): Promise<void> => {
  const { execve } = process as typeof process & { execve?: Execve }
  // A program by this name would be an option of the shell's exec.
  if (execve === undefined || !programs.onlyInPath || program.startsWith('-')) return
  const pipe = leases[0]?.pipe ?? ''
  const words = [pipe, absent, forbidden, program, ...args]
  const makePipe = () => run('/bin/sh', ['-c', 'command -p mkfifo -m 600 "$1"', 'one-server', pipe], env)
  const [way] = await Promise.all([wayTo(words, env), pipe === '' ? undefined : makePipe()])
  if (way === undefined || !(await childless())) return
  for (const lease of leases) await lease.handOver()
  // What has been typed until here must end this process, and what is typed from here on must end the command.
  await new Promise((resolve) => { setImmediate(resolve) })
  io.signal.throwIfAborted()
  io.leaveSignals?.(true)
  try {
    execve.call(process, way[0]!, [...way, 'run', ...words], env)
  } catch {
    // Forbidden (--permission): then it stays.
    io.leaveSignals?.(false)
  }
}

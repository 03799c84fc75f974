/** Servers of the same kinds that no report names: other ways to fork, to leave a group, to drop what a process inherits. */
import { type Row, NODE_SERVER, SERVER } from './row.js'

const NODE = { 'server.cjs': SERVER }
const A_SERVER = /^(?:\S*\/)?node server\.cjs/
const NO_FILE = ['node', 'no-such-file.cjs']
const ROOT = { user: 'root' } as const
const PYTHON = { program: ['python3', 'python3'] } as const

/** A few lines of HTTP on a socket that was made before the fork, as preforkers do. */
const SERVE = `
import os, socket, signal, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(('127.0.0.1', int(sys.argv[1])))
listener.listen(64)
def serve():
    while True:
        peer, _ = listener.accept()
        peer.recv(4096)
        peer.sendall(b'HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: 4\\r\\n\\r\\nwell')
        peer.close()
`
const PREFORK = `${SERVE}
for _ in range(2):
    if os.fork() == 0:
        serve()
signal.pause()
`

/** daemon(3) as sshd does it: two forks, a session of its own, nothing open above 2, and a new folder. */
const DAEMON = `
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir('/')
null = os.open('/dev/null', os.O_RDWR)
for fd in range(3): os.dup2(null, fd)
os.closerange(3, 65536)
ENVIRON
os.execve(sys.executable, ['python3', SCRIPT, sys.argv[1]], env)
`
const daemon = (environ: string): string => DAEMON.replace('ENVIRON', environ).replace('SCRIPT', `'{folder}/serve.py'`)

/** A program that replaces itself without a gap: the new process listens before the old one exits (Go's overseer, tableflip). */
const REEXEC = `${SERVE}
if len(sys.argv) == 2:
    os.set_inheritable(listener.fileno(), True)
    if os.fork() == 0:
        os.execv(sys.executable, ['python3', 'reexec.py', sys.argv[1], str(listener.fileno())])
    os._exit(0)
`.replace('listener = socket.socket()', 'listener = socket.socket(fileno=int(sys.argv[2])) if len(sys.argv) > 2 else socket.socket()')
  .replace('listener.bind', 'if len(sys.argv) == 2: listener.bind') + 'serve()\n'

const python = (file: string, text: string, leader: Row['leader'], name: string, more: Partial<Row> = {}): Row => ({
  name, leader, needs: PYTHON, command: ['python3', file, '{port}'], files: { 'serve.py': `${SERVE}serve()\n`, [file]: text },
  server: /python\S* \S*\.py \d+/, fails: ['python3', 'no-such-file.py'], ...more,
})

const sh = (name: string, leader: Row['leader'], script: string): Row =>
  ({ name, leader, command: ['sh', '-c', script], files: NODE, server: A_SERVER, fails: NO_FILE })

const node = (name: string, leader: Row['leader'], command: readonly string[], more: Partial<Row> = {}): Row =>
  ({ name, leader, command, files: NODE, server: A_SERVER, fails: NO_FILE, ...more })

const CLUSTER = `const cluster = require('node:cluster')
if (cluster.isPrimary) for (let count = 0; count < 2; count++) cluster.fork()
else require('./server.cjs')
`
/** The child does not hear of the end of its parent, and has a group and a session of its own. */
const DETACHES = `const { spawn } = require('node:child_process')
spawn('node', ['server.cjs', process.argv[2]], { detached: true, stdio: 'ignore' }).unref()
`

export const unnamed: readonly Row[] = [
  python('prefork.py', PREFORK, 'wraps', 'a preforker, like gunicorn'),
  python('reexec.py', REEXEC, 'leaves', 'a program that executes itself and leaves'),
  python('daemon.py', daemon('env = dict(os.environ)'), 'leaves', 'a daemon that closes all descriptors'),
  python('daemon.py', daemon('env = {}'), 'escapes', 'a daemon that closes all descriptors and clears its environment'),
  sh('env -i node', 'serves', `exec env -i PATH="$PATH" ${NODE_SERVER}`),
  node('timeout node', 'wraps', ['timeout', '1000', 'node', 'server.cjs', '{port}']),
  node('setsid node', 'serves', ['setsid', 'node', 'server.cjs', '{port}']),
  node('setsid --fork node', 'leaves', ['setsid', '--fork', 'node', 'server.cjs', '{port}']),
  node('node that detaches a server', 'leaves', ['node', 'detaches.cjs', '{port}'], { files: { ...NODE, 'detaches.cjs': DETACHES } }),
  node('node:cluster', 'serves', ['node', 'cluster.cjs', '{port}'], {
    files: { ...NODE, 'cluster.cjs': CLUSTER }, server: /^node cluster\.cjs/,
  }),
  node('node --watch', 'wraps', ['node', '--watch', 'server.cjs', '{port}'], { restartedBy: 'server.cjs' }),
  sh('nohup node &', 'leaves', `nohup ${NODE_SERVER} >/dev/null 2>&1 </dev/null &`),
  sh('(node &) in a subshell with no environment', 'leaves', `(env -i PATH="$PATH" ${NODE_SERVER} >/dev/null 2>&1 </dev/null &)`),
  sh('setsid, no environment, no files', 'escapes', `setsid --fork env -i PATH="$PATH" ${NODE_SERVER} >/dev/null 2>&1 </dev/null 9<&-`),
  sh('a pipe to tee', 'wraps', `${NODE_SERVER} | tee out.log`),
  sh('a loop that starts it again', 'wraps', `while :; do ${NODE_SERVER}; sleep 0.1; done`),
  node('script -c', 'serves', ['script', '-qc', NODE_SERVER, '/dev/null'], {
    needs: { program: ['script', 'bsdutils'] }, server: /^node server\.cjs/,
  }),
  node('start-stop-daemon --background', 'leaves', [
    'start-stop-daemon', '--start', '--background', '--pidfile', '{folder}/daemon.pid', '--make-pidfile', '--chdir', '{folder}',
    '--exec', '/usr/bin/env', '--', 'node', 'server.cjs', '{port}',
  ], { needs: { program: ['start-stop-daemon', 'dpkg'] }, fails: ['start-stop-daemon', '--start', '--exec', '{folder}/no-such-program'] }),
  node('tmux new -d', 'leaves', ['tmux', '-S', '{folder}/tmux', 'new', '-d', NODE_SERVER], {
    needs: { program: ['tmux', 'tmux'] }, fails: ['tmux', '-S', '{folder}/no-such-folder/tmux', 'new', '-d', NODE_SERVER],
  }),
  // Without its leader it is a stranger's, so the launch ends with the leader.
  node('su to another user', 'serves', ['su', 'nobody', '-s', '/bin/sh', '-c', `exec ${NODE_SERVER}`], { needs: ROOT }),
  node('setpriv to another user', 'serves', ['setpriv', '--reuid', '65534', '--clear-groups', ...NODE_SERVER.split(' ')], { needs: ROOT }),
]

/**
 * What the help says of each command. Apart from the table of commands, which a warm call loads, and from the help, since a shell that
 * completes a command shows its summary.
 */
export interface Page {
  readonly usage: string
  /** One line of the overview. */
  readonly summary: string
  /** What else a reader of this page should know. */
  readonly about: string
  readonly examples: readonly string[]
}

const NAMED = 'A name that the nearest one-server.config.json has is that server, with all that the file says of it.'
const NAMELESS = `${NAMED} Without a name and --pid-file, it is the default server.`
const BUNDLED = 'the server is the bundled session server.'
const LEASED = 'The server stops --idle-timeout after its last client, unless start has started it.'

export const PAGES = {
  start: {
    usage: 'start [name,...] [options] [-- command ...]',
    summary: 'start the server unless it runs; print its URL once healthy',
    about: `A server that already runs is used as it is, and that is no error. It then runs until somebody stops it, even if run or hold started it. ${NAMELESS} Without --script and a command, ${BUNDLED} No shell runs the command; {port} and {host} in it are filled in.`,
    examples: ['one-server start', 'one-server start web --port auto -- node server.js --port {port}'],
  },
  status: {
    usage: 'status [name,...] [options]',
    summary: 'tell whether it runs, where, since when, and who uses it',
    about: `Starts nothing. Exits with 3 when no server runs, or one of several does not. Of a server that hosts share, it knows while a client of this host uses it. ${NAMELESS} --port, --host and --health say where to look for a server that one-server did not start.`,
    examples: ['one-server status web', 'one-server status web --json | jq -r .url'],
  },
  wait: {
    usage: 'wait [name,...] [options]',
    summary: 'wait until it is ready; start nothing',
    about: `Prints the URL, as start does, and ends as start does where a launch fails meanwhile. It runs no readiness command: it waits until a client that starts the server has found it ready, and where hosts share the server, one of this host. ${NAMELESS}`,
    examples: ['one-server wait db', 'one-server wait api,db --timeout 2m'],
  },
  stop: {
    usage: 'stop [name,...] [options]',
    summary: 'stop it and wait until it has exited',
    about: `Of several, one that needs another by the config file is stopped before it. Asks the whole process group to stop, and kills it after --stop-timeout. Clients that use the server lose it; they are listed. Nothing to stop is no error. A server that one-server did not start is left running. ${NAMELESS}`,
    examples: ['one-server stop web', 'one-server stop web --if-idle'],
  },
  restart: {
    usage: 'restart [name] [options] [-- command ...]',
    summary: 'stop it, start it again, print its URL',
    about: `Unless the config file says how to start the server, say it again, as for start: one-server never runs what it finds in a PID file. ${NAMELESS}`,
    examples: ['one-server restart', 'one-server restart web --port auto -- node server.js --port {port}'],
  },
  logs: {
    usage: 'logs [name] [options]',
    summary: 'print the end of its log',
    about: `Needs no running server. The log of the previous launch stays beside the log as .prev, and --prev prints it. ${NAMELESS}`,
    examples: ['one-server logs web -n 100', 'one-server logs web -f', 'one-server logs web --prev'],
  },
  list: {
    usage: 'list [options]',
    summary: 'one line for each server: name, state, PID, clients, URL',
    about: 'Lists the default server, those with a name, and on Linux every other server that runs for you on this host, by its PID file. A server with a name whose clients were all killed is stopped on this occasion; list only looks at those without a name. Names live in $ONE_SERVER_STATE_DIR, else $XDG_STATE_HOME/one-server, else ~/.local/state/one-server.',
    examples: ['one-server list', 'one-server list --named --json', 'one-server list --watch'],
  },
  doctor: {
    usage: 'doctor [name] [options]',
    summary: 'examine it and its surroundings; say what is wrong',
    about: `Changes nothing; of a server that hosts share, it writes one key to the coordinator and removes it. Tells what is recorded, what lives, whose the port and the lock are, and what in the environment matters, each as ok, note (explains something, or the next call repairs it) or problem. Exits with 1 when there is a problem. --json is for a bug report: it has the names of headers and variables but not their values, and no line of the log. ${NAMELESS}`,
    examples: ['one-server doctor web', 'one-server doctor web --json'],
  },
  run: {
    usage: 'run [name,...] [options] -- client\'s command ...',
    summary: 'run a command with the server, which stops after the last one',
    about: `Starts the server unless it runs, then runs the command with ONE_SERVER_URL, ONE_SERVER_PORT and ONE_SERVER_HOST (of the first server), ONE_SERVER_URL_<NAME> for each with a name, and what --env adds, fills in {url}, {port} and {host} in its words (not in \${url} and %{url}), and becomes the command: PID, signals, terminal and exit code are the command's; 127 if it was not found, 126 if it cannot be run. Under a Node without execve (before 22.15) and on Windows it stays, passes signals on, and ends with the command's exit code, or 128 and the number of its signal. ${LEASED} ${NAMELESS} Without --server and --script, ${BUNDLED}`,
    examples: ['one-server run -- npm test', 'one-server run web --port auto --server "node server.js" -- npm test', 'one-server run api,web -- npm test'],
  },
  hold: {
    usage: 'hold [name] [options] [-- command ...]',
    summary: 'use the server until stdin ends; for programs of any language',
    about: `Starts the server unless it runs, prints one line of JSON (the same as start --json), and uses the server until its stdin ends or a signal comes. Give it a pipe: the pipe ends with the program that holds its other end, however that program dies. What comes through the pipe is ignored. With --pid it returns at once, and that process uses the server until it ends. ${LEASED} ${NAMELESS} Without --server, --script and a command, ${BUNDLED}`,
    examples: ['one-server hold web --port auto -- node server.js', 'one-server hold --idle-timeout 1m', 'one-server hold web --pid 4711 --port auto -- node server.js'],
  },
  completion: {
    usage: 'completion <bash|zsh|fish>',
    summary: 'print a script by which Tab completes commands, names and options',
    about: 'Names are those of the config file and of servers that run; after -- Tab completes as for the command there. A line for ~/.bashrc, for ~/.zshrc (after compinit) or for ~/.config/fish/config.fish is below. one-server must be in PATH, or be typed with its folder.',
    examples: ['eval "$(one-server completion bash)"', 'eval "$(one-server completion zsh)"', 'one-server completion fish | source'],
  },
} as const satisfies Readonly<Record<string, Page>>

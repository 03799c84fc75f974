/**
 * What `npm test` leaves to `npm run test:all`, and why. A newcomer's first run must be short on any machine, so `npm test` keeps at
 * least one test of each promise, and all in it costs at most 2,000 times the processor time of `node -e 0`. A new test
 * belongs in `npm test` unless it costs more than a second of processor time; then it is named here.
 */

/** Test files without `.test.js`, or folders, by what they are about. */
const BEYOND: Readonly<Record<string, readonly string[]>> = {
  'more orders of the simulation than the first few thousand': ['simulation/orders', 'across/orders'],
  'starved machines: they burn the processor on purpose': ['integration/starved'],
  'every block of code in the pages, the package as npm installs it, and a whole extension': [
    'readme', 'package', 'define-config', 'server-info', 'commonjs', 'bundle', 'import', 'clean', 'vscode-extension',
  ],
  'clients killed and frozen at more places than before each third change of a launch': [
    'integration/frozen-launcher', 'integration/killed-follower', 'integration/killed-holder', 'integration/killed-replacer', 'integration/killed-stop', 'integration/leases-deaths', 'integration/leases-for-others', 'integration/leases-many',
    'integration/recovery',
  ],
  'hostile files, folders, processes, users and rooms': [
    'integration/attacked', 'integration/hostile', 'integration/hostile-contents', 'integration/hostile-folder', 'integration/hostile-processes',
    'integration/hostile-room', 'integration/hostile-user', 'integration/namespaces', 'integration/stale', 'protocol/vanished', 'system/spawn',
  ],
  'machines that are no Linux disk, no Linux shell and no Linux at all, beyond one start, lease and stop of each': [
    'integration/file-systems', 'integration/macos-refused', 'integration/no-shell', 'system/platform/shells',
  ],
  'what servers, surroundings and versions there are': [
    'integration/costs', 'integration/defaults', 'integration/edges', 'integration/failures', 'integration/fake-timers', 'integration/leases-for-others', 'integration/patience', 'integration/ports', 'integration/ready', 'integration/right-server',
    'integration/run', 'integration/servers',
    'integration/stop', 'integration/surroundings', 'integration/url', 'integration/vanished', 'integration/versions', 'session-server',
  ],
  'the mistakes of newcomers, servers that are ready by their log, and what a terminal must not get': [
    'cli/control-characters', 'cli/log-readiness', 'cli/newcomer', 'cli/shell-habits', 'cli/others-files', 'cli/seen', 'cli/undefined-name', 'integration/another-user',
  ],
  'commands besides start, run and stop, and signals to them': ['cli/become', 'cli/completion', 'cli/configured', 'cli/doctor', 'cli/hold', 'cli/hold-pid', 'cli/list', 'cli/logs', 'cli/looking', 'cli/restart', 'cli/signals', 'cli/status', 'cli/wait', 'cli/watch-list'],
  'an etcd that is killed, frozen, full or behind certificates, and its users': ['across/etcd-trouble', 'across/etcd-users'],
  'doors, fuses and stewards of several hosts as real processes': ['across/door', 'across/door-shut', 'across/fuse', 'across/fuse-shells', 'across/steward-process'],
  'what the last lines of a CI log say': ['failed'],
  'servers that several hosts share, over a real etcd': ['across/attacked', 'across/seen', 'across/linger', 'across/options', 'across/servers'],
  'several servers, configurations that are code, readiness by a command, and test runs': ['cli/code-config', 'cli/several', 'integration/ready-command', 'runners/entry-points', 'with-needs'],
}

/** Names in the list for which there is no file: a file that was renamed would run in `npm test` from then on. */
export const missing = (files: readonly string[]): string[] =>
  Object.values(BEYOND).flat().filter((name) => !files.includes(`${name}.test.js`))

export const isBeyond = (file: string): boolean => Object.values(BEYOND).flat().includes(file.replace(/\.test\.js$/, ''))

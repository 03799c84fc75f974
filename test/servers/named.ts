/** The servers that people share: those of issue trackers and of every second project. */
import { type Row, NODE_SERVER, SERVER } from './row.js'

const NODE = { 'server.cjs': SERVER }
const A_SERVER = /^node server\.cjs/

const NGINX = `
error_log {folder}/error.log; pid {folder}/nginx.pid; worker_processes 2; events {}
http { access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; server { listen 127.0.0.1:PORT; location / { return 200 "well"; } } }
`
/** nginx knows no variables, so its users fill them in like this. */
const nginx = (more: string): string[] =>
  ['sh', '-c', `sed "s/PORT/$1/" nginx.in >nginx.conf && exec nginx -p {folder} -c nginx.conf ${more}`, 'sh', '{port}']
const nginxRow = {
  needs: { program: ['nginx', 'nginx'] }, files: { 'nginx.in': NGINX }, server: /^nginx: master process/,
} as const

const redisRow = { needs: { program: ['redis-server', 'redis-server'] }, ready: 'tcp:{port}', server: /^redis-server .*:\d+$/ } as const
const redis = (...more: string[]): string[] =>
  ['redis-server', '--port', '{port}', '--bind', '127.0.0.1', '--save', '', '--dir', '{folder}', ...more]

const pm2Row = {
  needs: { npm: ['pm2@6'] }, files: NODE, env: { PM2_HOME: '{folder}/pm2' }, server: /^node \S*\/server\.cjs/,
  fails: ['pm2', 'start', 'no-such-file.cjs', '--no-daemon'],
} as const

const viteRow = {
  needs: { npm: ['vite@7'] }, command: ['vite', '--port', '{port}', '--strictPort', '--host', '127.0.0.1'],
  files: { 'index.html': 'well' }, server: /node \S*vite /, fails: ['vite', '--config', 'no-such-file.js'],
} as const

const NEXT = ['next@16', 'react@19', 'react-dom@19']
/** Next takes HOME for no project, so it hears where its packages are. And no JSX: a project below node_modules is not compiled. */
const PAGES = {
  'package.json': '{ "type": "module" }',
  'next.config.js': `import { dirname } from 'node:path'\nexport default { turbopack: { root: dirname(import.meta.dirname) } }\n`,
  'app/page.js': `export default () => 'well'\n`,
  'app/layout.js': `import { createElement as tag } from 'react'
export default ({ children }) => tag('html', null, tag('body', null, children))\n`,
}
const NPM = JSON.stringify({ private: true, scripts: { start: 'node server.cjs' } })

const POSTGRES = 'test -d data || { initdb -A trust -D data >/dev/null && mkdir sockets; }'
const postgresRow = { needs: { program: ['pg_ctl', 'postgresql'], user: 'other' }, ready: 'tcp:{port}', readsPids: true } as const

export const named: readonly Row[] = [
  {
    name: 'npm start', leader: 'wraps', command: ['npm', 'start'], files: { ...NODE, 'package.json': NPM }, server: A_SERVER,
    fails: ['npm', 'run', 'no-such-script'],
  },
  {
    name: 'sh -c "server & sleep 1; exit 0"', leader: 'leaves', command: ['sh', '-c', `${NODE_SERVER} & sleep 1; exit 0`],
    files: NODE, server: A_SERVER,
    fails: ['sh', '-c', 'node no-such-file.cjs & wait $!'],
  },
  {
    name: 'sh -c "a & b"', leader: 'wraps', command: ['sh', '-c', `${NODE_SERVER} & sleep 1000`],
    files: NODE, server: A_SERVER, fails: ['sh', '-c', 'sleep 0 & node no-such-file.cjs'],
  },
  {
    name: 'redis-server', leader: 'serves', command: redis(), ...redisRow, fails: ['redis-server', '--no-such-option', 'yes'],
  },
  {
    name: 'redis-server --daemonize yes', leader: 'leaves', command: redis('--daemonize', 'yes'), ...redisRow,
    fails: ['redis-server', '--daemonize', 'yes', '--dir', '{folder}/no-such-folder'],
  },
  { name: 'nginx', leader: 'leaves', command: nginx(''), ...nginxRow, fails: ['nginx', '-p', '{folder}', '-c', 'no-such-file.conf'] },
  {
    name: 'nginx -g "daemon off;"', leader: 'wraps', command: nginx('-g "daemon off;"'), ...nginxRow,
    server: /^nginx: (?:master|worker) process/,
    fails: ['nginx', '-p', '{folder}', '-c', 'no-such-file.conf', '-g', 'daemon off;'],
  },
  {
    name: 'pg_ctl start', leader: 'leaves', ...postgresRow, server: /^\S*postgres -D /,
    command: ['sh', '-c', `${POSTGRES}; exec pg_ctl -D data -l pg.log -o "-p $1 -k {folder}/sockets" start`, 'sh', '{port}'],
    fails: ['pg_ctl', '-D', '{folder}/no-such-folder', 'start'],
  },
  {
    name: 'postgres', leader: 'serves', ...postgresRow, server: /^\S*postgres -D /,
    command: ['sh', '-c', `${POSTGRES}; exec postgres -D data -p $1 -k {folder}/sockets`, 'sh', '{port}'],
    fails: ['postgres', '-D', '{folder}/no-such-folder'],
  },
  {
    // It has the port before it lets anybody in, and says so to its own program alone.
    name: 'postgres, ready by pg_isready', leader: 'serves', ...postgresRow, server: /^\S*postgres -D /,
    ready: { command: ['pg_isready', '--quiet', '--host', '127.0.0.1', '--port', '{port}'] },
    command: ['sh', '-c', `${POSTGRES}; exec postgres -D data -h 127.0.0.1 -p $1 -k ''`, 'sh', '{port}'],
    fails: ['postgres', '-D', '{folder}/no-such-folder'],
  },
  {
    name: 'python3 -m http.server', leader: 'serves', needs: { program: ['python3', 'python3'] },
    command: ['python3', '-m', 'http.server', '{port}', '--bind', '127.0.0.1'], server: /python\S* -m http\.server/,
    fails: ['python3', '-m', 'no_such_module'],
  },
  {
    name: 'next dev', leader: 'wraps', needs: { npm: NEXT, imports: true }, command: ['next', 'dev', '--port', '{port}'],
    files: PAGES, env: { NEXT_TELEMETRY_DISABLED: '1' }, server: /^next-server /, fails: ['next', 'dev', '{folder}/no-such-folder'],
  },
  {
    name: 'pm2 start', leader: 'leaves', command: ['pm2', 'start', 'server.cjs', '--', '{port}'], ...pm2Row,
  },
  {
    name: 'pm2 start --no-daemon', leader: 'serves', command: ['pm2', 'start', 'server.cjs', '--no-daemon', '--', '{port}'], ...pm2Row,
  },
  {
    name: 'concurrently', leader: 'wraps', needs: { npm: ['concurrently@9'] }, command: ['concurrently', NODE_SERVER, 'sleep 1000'],
    files: NODE, server: A_SERVER, fails: ['concurrently', '--kill-others-on-fail', 'node no-such-file.cjs', 'sleep 1000'],
  },
  {
    name: 'nodemon', leader: 'wraps', needs: { npm: ['nodemon@3'] }, command: ['nodemon', '--signal', 'SIGTERM', 'server.cjs', '{port}'],
    files: NODE, server: /^\S*node server\.cjs/, restartedBy: 'server.cjs', fails: ['nodemon', '--exitcrash', 'no-such-file.cjs'],
  },
  {
    name: 'tsx watch', leader: 'wraps', command: ['tsx', 'watch', 'server.cjs', '{port}'], files: NODE, server: /--import \S+ server\.cjs/,
    restartedBy: 'server.cjs', fails: ['tsx', 'no-such-file.cjs'],
  },
  {
    name: 'vite', leader: 'serves', ...viteRow,
  },
  {
    name: 'vite, ready by its log, in colours', leader: 'serves', ready: { log: 'Local:   http' }, env: { FORCE_COLOR: '1' }, ...viteRow,
  },
  {
    name: 'esbuild --serve', leader: 'serves', command: ['esbuild', '--serve=127.0.0.1:{port}', '--servedir=.'],
    files: { 'index.html': 'well' }, server: /esbuild --serve/, fails: ['esbuild', '--serve=127.0.0.1:{port}', '--no-such-flag'],
  },
  {
    name: 'webpack serve, historyApiFallback', leader: 'serves',
    needs: { npm: ['webpack@5', 'webpack-cli@6', 'webpack-dev-server@5'], imports: true },
    command: ['webpack', 'serve', '--mode', 'development', '--port', '{port}', '--host', '127.0.0.1', '--history-api-fallback'],
    files: { 'public/index.html': 'well', 'src/index.js': '' }, health: '/some/route', server: /^(?:webpack|node \S*webpack serve)/,
    fails: ['webpack', 'serve', '--config', 'no-such-file.js'],
  },
]

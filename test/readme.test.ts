/**
 * A newcomer's path: every block of code on every page, as printed, in an empty home, with the package as it would be
 * published. A block is run, or its entry below says why not; a block without an entry fails.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { noEtcd, startEtcd } from './across/etcd-server.js'
import { run } from './support/child.js'
import { quietPort } from './support/clients.js'
import { newcomer, type Fates, type Newcomer } from './support/newcomer.js'
import { isThere, PAGES, read, ROOT, type Block } from './support/pages.js'
import { furnish, recipes } from './support/recipes.js'
import { agentRecipes } from './support/agent-recipes.js'

const blockOf = (name: string): Block => read('README.md').blocks.find((block) => block.name === name)!

/** A server that only listens, and says so. */
const LISTENER = (port: string): string => `#!${process.execPath}
const { argv } = process
require('node:net').createServer().listen(${port}, '127.0.0.1', () => console.log('database system is ready to accept connections'))`

const manager = (): string => /const manager = new ClientProcessManager\(\{[\s\S]*?\}\)\n/.exec(blockOf('Library js 1').text)![0]

/** Lines that begin with `$`, each with what is printed below it. */
const session = (text: string): { command: string; prints: string }[] =>
  text.split(/^\$ /m).slice(1).map((part) => ({ command: part.split('\n', 1)[0]!, prints: part.split('\n').slice(1).join('\n').trim() }))

/** What differs from one run to the next. */
const shape = (text: string): string => text.replace(/\/\S*\.(log|pid)/g, '<$1>').replace(/PID \d+/g, 'PID <n>').replace(/:\d{4,5}\b/g, ':<port>')

/** Commands of a clone. What has led here is not run again: it would be in the way of the tests that run beside. */
const inClone = async (t: Test, text: string, { env }: Newcomer, done: readonly string[]): Promise<void> => {
  const commands = text.split('\n').flatMap((line) => line.split('#')[0]!.split('&&')).map((command) => command.trim()).filter((command) => command !== '')
  for (const command of done) t.ok(commands.includes(command), `${command} is printed`)
  for (const command of commands.filter((one) => !done.includes(one))) {
    const { code, stdout, stderr } = await run(t, '/bin/sh', ['-c', command], { cwd: ROOT, env })
    t.equal(code, 0, command, { output: stderr + stdout })
  }
}

/** A folder with the config file of the README. */
const checkout = ({ folder }: Newcomer): string => {
  const path = join(folder, 'checkout')
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'server.mjs'), blockOf('Start and run js 1').text)
  writeFileSync(join(path, 'one-server.config.json'), blockOf('Config file jsonc 1').text)
  return path
}

const readme: Fates = {
  'Install sh 1': { why: 'package.test installs what would be published' },
  'Try it sh 1': {
    run: async (t, text, { env }) => {
      t.same(text.split('\n').map((line) => line.split('#')[0]!.trim()), ['npm ci && npm run demo', 'npm ci && npm test', ''])
      const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
      // Without npm, which would build first, under the tests that run beside.
      const { code, stdout, stderr } = await run(t, '/bin/sh', ['-c', scripts['demo']!], { cwd: ROOT, env })
      t.equal(code, 0, stderr)
      t.ok(stdout.split('\n').every((line) => line.length <= 80), 'in 80 columns')
    },
  },
  'Start and run js 1': {
    run: async (t, text, { folder }) => {
      t.equal(readFileSync(join(folder, 'server.mjs'), 'utf8'), text, 'it is the server of the examples below')
    },
  },
  'Start and run console 1': {
    run: async (t, text, { sh }) => {
      for (const { command, prints } of session(text)) {
        const { status, stdout, stderr } = sh(command)
        t.equal(status, 0, stderr)
        for (const line of shape(prints).split('\n')) t.ok(shape(stderr + stdout).split('\n').includes(line), `${command} prints ${line}: ${stderr}${stdout}`)
      }
      t.match(sh('one-server status e2e'), { status: 0 }, 'it lives on for a while')
      t.equal(sh('one-server stop e2e').status, 0)
    },
  },
  'Library js 1': {
    run: async (t, text, { module: run_, sh }) => {
      t.equal(await run_(t, 'library.mjs', text), 'well\n')
      t.match(sh('one-server status docs'), { status: 0, stdout: /ready/ })
      t.equal(sh('one-server stop docs').status, 0)
    },
  },
  'Leases js 1': {
    run: async (t, text, { module: run_, sh }) => {
      const told = await run_(t, 'lease.mjs', `import { ClientProcessManager } from 'one-server'\n${manager()}\nconst runTests = async (url) => console.log(url, (await manager.status()).leases.length)\n${text}`)
      t.match(told, /^http:\/\/localhost:\d+ 1\n$/)
      t.match(sh('one-server status docs --json'), { stdout: /"leases":\[\]/ })
      t.equal(sh('one-server stop docs').status, 0)
    },
  },
  'Several hosts sh 1': {
    run: async (t, text, { sh }) => {
      if (noEtcd !== false) return void t.pass(noEtcd, { skip: noEtcd })
      const { members } = await startEtcd(t)
      const asks = 'node -e "fetch(process.env.ONE_SERVER_URL).then((answer) => answer.text()).then(console.log)"'
      const { status, stdout, stderr } = sh(text.replace('etcd:2379', `127.0.0.1:${members[0]!.port}`).replace('npm test', asks))
      t.match({ status, stdout }, { status: 0, stdout: 'well\n' }, stderr)
      t.equal(sh('one-server stop models').status, 0)
    },
  },
  'Config file jsonc 1': {
    run: async (t, text, { folder }) => {
      const [, schema] = /"\$schema": "(.*?)"/.exec(text)!
      t.ok(existsSync(join(folder, schema!)), 'the schema is where it says')
    },
  },
  'Config file console 1': {
    run: async (t, text, here) => {
      const path = checkout(here)
      const told = session(text).map(({ command }) => {
        const { status, stdout, stderr } = here.sh(command, {}, path)
        t.equal(status, 0, `${command}: ${stderr}`)
        return stdout
      })
      t.match(told, [/^http:/, '200\n', told[0]!, new RegExp(`^api \\(${path}\\) +ready`, 'm'), ''])
      t.equal(told.length, 5)
    },
  },
  'Config file js 1': {
    run: async (t, text, here) => {
      const path = checkout(here)
      t.match(await here.module(t, 'checkout/client.mjs', `process.chdir(${JSON.stringify(path)})\n${text}\nconsole.log(url)`), /^http:/)
      t.equal(here.sh('one-server stop api', {}, path).status, 0)
    },
  },
  'The right server text 1': {
    run: async (t, text, { module: run_, sh }) => {
      const told = await run_(t, 'versions.mjs', `
        import { ClientProcessManager } from 'one-server'
        const call = (version, MODE) => new ClientProcessManager({ name: 'api', command: ['node', 'server.mjs'], port: 'auto', healthPath: '/', version, env: { MODE } }).ensureServerRunning()
        await call('1.9.0', 'a')
        console.log(await call('1.10.0', 'b').catch(({ message }) => message))`)
      t.equal(shape(told), shape(text))
      t.equal(sh('one-server stop api').status, 0)
    },
  },
  'The right server sh 1': {
    run: async (t, text, { sh, standIn }) => {
      const [cache, db] = text.split('\n')
      standIn('redis-server', LISTENER("argv[argv.indexOf('--port') + 1]"))
      t.match(sh(cache!), { status: 0, stdout: /^tcp:\/\/localhost:\d+\n$/ })
      t.equal(sh('one-server stop cache').status, 0)
      // A real one would need a cluster of its own, and refuses to run as root.
      const port = String(await quietPort())
      standIn('a-postgres', LISTENER('process.env.PORT'))
      t.match(sh(db!.replace('5432', port).replace('-- postgres', '-- a-postgres')), { status: 0, stdout: `tcp://localhost:${port}\n` })
      t.equal(sh('one-server stop db').status, 0)
    },
  },
}

const ALL: Readonly<Record<string, Fates>> = {
  'README.md': readme,
  'lib/README.md': {
    'Special cases text 1': { why: 'integration/edges.test empties a log as copytruncate does' },
  },
  'lib/config/README.md': {
    'Several servers jsonc 1': {
      run: async (t, text, { folder, sh, standIn }) => {
        const path = join(folder, 'several')
        mkdirSync(path, { recursive: true })
        standIn('redis-server', LISTENER("argv[argv.indexOf('--port') + 1]"))
        writeFileSync(join(path, 'api.mjs'), blockOf('Start and run js 1').text)
        writeFileSync(join(path, 'one-server.config.json'), text.replace('"api.mjs"]', '"api.mjs"], "health": "/"'))
        t.match(sh('one-server run api -- printenv ONE_SERVER_URL_DB', {}, path), { status: 0, stdout: /^tcp:\/\/localhost:\d+\n$/ })
        t.equal(sh('one-server stop api,db', {}, path).status, 0)
      },
    },
  },
  'fixtures/README.md': { ...recipes, ...agentRecipes },
  'test/README.md': {
    'Where a test goes sh 1': { run: (t, text, here) => inClone(t, text, here, ['npm run build']) },
    'Replaying a seed sh 1': {
      run: async (t, text, { env }) => {
        const { code, stdout, stderr } = await run(t, '/bin/sh', ['-c', text], { cwd: ROOT, env })
        t.match({ code, stderr }, { code: 0, stderr: '' })
        t.match(stdout, /\n.*\n \[\]\n$|\n.* \[\]\n$/, 'the steps, and no violation')
      },
    },
  },
  '.github/CONTRIBUTING.md': {
    'Build, and run one test sh 1': { run: (t, text, here) => inClone(t, text, here, ['npm ci', 'npm run build', 'npm test', 'npm run test:all']) },
  },
}

// All of it takes 20 s on a quiet machine; this shows a hang, and not a busy one.
t.setTimeout(1_200_000)
const here = newcomer(t)
writeFileSync(join(here.folder, 'server.mjs'), blockOf('Start and run js 1').text)
furnish(here)

for (const page of Object.keys(PAGES).filter(isThere)) {
  const { blocks } = read(page)
  const fates = ALL[page] ?? {}
  for (const { name, text } of blocks) {
    const fate = fates[name]
    t.test(`${page}: ${name}`, async (t) => {
      if (fate === undefined) t.fail(`this block is neither run nor excused:\n${text}`)
      else if ('why' in fate) t.pass(fate.why)
      else await fate.run(t, text, here)
    })
  }
  t.test(`${page} has each block that is spoken of here`, async (t) => {
    t.same(Object.keys(fates).filter((name) => !blocks.some((block) => block.name === name)), [])
  })
}

/** Each recipe of fixtures/README.md, run as its tool would run it. */
import { noEtcd, startEtcd } from '../across/etcd-server.js'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import type { Test } from 'tap'
import { fixture, startSpeaking } from './child.js'
import type { Fates, Newcomer } from './newcomer.js'
import { runnerRecipes } from './runner-recipes.js'
import { until } from './until.js'

/** A server as the recipes have it: it answers everything, on PORT. */
const SERVER = "require('node:http').createServer((_, answer) => answer.end('well')).listen(process.env.PORT, '127.0.0.1')"

const SCRIPTS = Object.fromEntries(['test', 'test:unit', 'test:browser', 'test:api'].map((name) => [name, 'node client.cjs']))

const CLIENT = `fetch(process.env.BASE_URL).then((answer) => answer.text())
  .then((text) => console.log(process.env.npm_lifecycle_event, text, process.env.ONE_SERVER_URL))`

/** Puts the server of the recipes, and npm scripts that ask it, into a newcomer's folder. */
export const furnish = ({ folder }: Newcomer): void => {
  writeFileSync(join(folder, 'server.js'), SERVER)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, scripts: SCRIPTS }))
  writeFileSync(join(folder, 'client.cjs'), CLIENT)
}

/** For a process that has let go, and lives. A lease of a process that has ended would not be listed in any case. */
const tellLeases = (name: string): string =>
  `const { leases } = await new (await import('one-server')).ClientProcessManager({ name: '${name}' }).status(); console.log(leases.length + ' leases')`

/** Runs the words of an editor that gives its PID for another process, which is killed. */
const holdsFor = async (t: Test, { folder, env, sh }: Newcomer, [, before, after]: readonly string[]): Promise<void> => {
  const leases = () => (JSON.parse(sh('one-server status docs --json').stdout) as { leases: { pid: number }[] }).leases
  const { child } = startSpeaking(t, 'sleep', ['600'], { cwd: folder, env })
  t.match(JSON.parse(sh(`${before}${child.pid}${after}`).stdout), { url: /^http:/ })
  t.match(leases(), [{ pid: child.pid }])
  child.kill('SIGKILL')
  await until(() => leases().length === 0, 'the lease to end with it')
  t.equal(sh('one-server stop docs').status, 0)
}

export const recipes: Fates = {
  'GitHub Actions yaml 1': {
    run: async (t, text, { folder, sh }) => {
      // As its runner runs them: bash -e. A step is one line, or a block.
      const steps = text.split(/^- /m).slice(1).map((step) => `set -e\n${/run: (?:\|\n)?([\s\S]*)$/.exec(step)![1]!}`)
      t.equal(steps.length, 3)
      const variables = join(folder, 'github-env')
      t.not(sh(steps[0]!.replace('server.js', 'no-server.js'), { GITHUB_ENV: variables }).status, 0, 'a step whose server does not start fails')
      t.match(sh(steps[2]!), { status: 0, stdout: /no-server\.js/ }, 'and the log says why')
      t.match(sh(steps[0]!, { GITHUB_ENV: variables }), { status: 0 })
      const [, url] = /^BASE_URL=(http:.*)$/m.exec(readFileSync(variables, 'utf8'))!
      t.match(sh(steps[1]!, { BASE_URL: url! }), { status: 0, stdout: /^test well/m })
      t.match(sh(steps[2]!), { status: 0, stderr: '' })
      t.equal(sh('one-server stop e2e').status, 0)
    },
  },
  'Several hosts yaml 1': {
    run: async (t, text, { sh }) => {
      if (noEtcd !== false) return void t.pass(noEtcd, { skip: noEtcd })
      const { members } = await startEtcd(t)
      const [, engine = ''] = /COORDINATOR: (.*)/.exec(text)!
      const [, script = ''] = /- (npx .*)/.exec(text)!
      const coordinator = engine.replace('one-server-etcd.ci.svc:2379', `127.0.0.1:${members[0]!.port}`).replace('$CI_PIPELINE_ID', '77')
      const asks = 'node -e "fetch(process.env.ONE_SERVER_URL).then((answer) => answer.text()).then(console.log)"'
      const { status, stdout, stderr } = sh(script.replace('npm test', asks), { ONE_SERVER_COORDINATOR: coordinator })
      t.match({ status, stdout }, { status: 0, stdout: 'well\n' }, stderr)
      t.equal(sh('one-server stop models').status, 0)
    },
  },
  'GitLab CI yaml 1': {
    run: async (t, text, { folder, sh }) => {
      const [, pattern] = /ONE_SERVER_STATE_DIR: '(.*)' }/.exec(text)!
      const state = { CI_PROJECT_DIR: folder, ONE_SERVER_STATE_DIR: pattern!.replace('${CI_PROJECT_DIR}', folder) }
      t.teardown(() => rmSync(state.ONE_SERVER_STATE_DIR, { recursive: true, force: true }))
      const [script, after] = ['script', 'after_script'].map((name) => new RegExp(`^ *${name}: (.*)$`, 'm').exec(text)![1]!)
      t.match(sh(script!, state), { status: 0, stdout: /^test well/m })
      t.match(sh(after!, state), { status: 0 })
      t.equal(sh('one-server stop e2e', state).status, 0)
    },
  },
  ...runnerRecipes,
  'Nx and Turborepo json 1': {
    run: async (t, text, { folder, sh }) => {
      const [web, own] = ['apps/web', 'packages/e2e'].map((name) => join(folder, 'mono', name))
      for (const path of [web!, own!]) mkdirSync(path, { recursive: true })
      writeFileSync(join(web!, 'server.js'), readFileSync(join(folder, 'server.js')))
      writeFileSync(join(own!, 'package.json'), text)
      // In the place of the test runner: what it is started with is what counts.
      writeFileSync(join(folder, 'node_modules/.bin/vitest'), '#!/bin/sh\necho "$1 $BASE_URL"\n', { mode: 0o755 })
      t.match(sh('npm run --silent e2e', {}, own!), { status: 0, stdout: /^run http:\S+\n$/ })
      t.equal(sh('one-server stop e2e').status, 0)
    },
  },
  'PostgreSQL jsonc 1': { why: 'PostgreSQL refuses root, and comes from Debian: `npm run test:servers` runs it' },
  'Make make 1': {
    run: async (t, text, { folder, sh }) => {
      writeFileSync(join(folder, 'Makefile'), text)
      const { status, stdout, stderr } = sh('make -j8 test')
      t.equal(status, 0, stderr)
      const lines = [...stdout.matchAll(/^test:(\w+) well (\S+)$/gm)]
      t.same(lines.map(([, name]) => name).toSorted(), ['api', 'browser', 'unit'])
      t.equal(new Set(lines.map(([, , url]) => url)).size, 1, 'one server')
      t.equal(sh('one-server stop e2e').status, 0)
    },
  },
  'VS Code js 1': {
    run: async (t, text, { folder, module: run, sh }) => {
      writeFileSync(join(folder, 'extension.js'), text)
      writeFileSync(join(folder, 'vscode.cjs'), `
        const bar = { show() {} }
        exports.window = { createStatusBarItem: () => bar }
        exports.bar = bar`)
      buildSync({ entryPoints: [join(folder, 'extension.js')], outfile: join(folder, 'bundled.cjs'), bundle: true, platform: 'node', format: 'cjs', external: ['vscode'], absWorkingDir: folder, logLevel: 'silent' })
      const told = await run(t, 'window.mjs', `
        import { createRequire } from 'node:module'
        const require = createRequire(import.meta.url)
        require('node:module')._load = ((load) => (name, ...rest) => load(name === 'vscode' ? ${JSON.stringify(join(folder, 'vscode.cjs'))} : name, ...rest))(require('node:module')._load)
        const { activate, deactivate } = require('./bundled.cjs')
        const { bar } = require('./vscode.cjs')
        activate({ asAbsolutePath: (path) => (path === 'dist/server.js' ? ${JSON.stringify(fixture('healthy.mjs'))} : path) })
        while (bar.text === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
        console.log(bar.text)
        await deactivate()
        ${tellLeases('my-extension')}`)
      t.match(told, /^\$\(pass\) \d+\n0 leases\n$/, 'it lets go while the window still lives')
      t.equal(sh('one-server stop my-extension').status, 0)
    },
  },
  // The editors themselves are in `npm run test:tools`: here their words are run without them.
  'Neovim lua 1': {
    run: async (t, text, { folder, env, sh }) => {
      const [program, ...args] = [.../local hold = \{(.*?)\}/.exec(text)![1]!.matchAll(/'([^']*)'/g)].map(([, word]) => word!)
      const { child, line } = startSpeaking(t, program!, args, { cwd: folder, env })
      t.match(JSON.parse(await line()), { url: /^http:/ })
      t.match(sh('one-server status docs --json'), { stdout: /"leases":\[\{/ })
      const ended = new Promise((resolve) => { child.once('exit', resolve) })
      child.stdin!.end()
      t.equal(await ended, 0, 'the end of its stdin is the end of the lease')
      t.equal(sh('one-server stop docs').status, 0)
    },
  },
  'A shell sh 1': {
    run: async (t, text, { folder, env, sh }) => {
      const terminal = async () => {
        const { child, line } = startSpeaking(t, 'sh', [], { cwd: folder, env })
        child.stdin!.write(`${text}\n${text}\necho "$ONE_SERVER_URL"\n`)
        return { child, url: await line() }
      }
      const [one, other] = [await terminal(), await terminal()]
      t.match(one.url, /^http:/)
      t.equal(one.url, other.url)
      const pids = () => (JSON.parse(sh('one-server status web --json').stdout) as { leases: { pid: number }[] }).leases.map(({ pid }) => pid)
      t.same(pids().toSorted(), [one.child.pid, other.child.pid].toSorted(), 'a lease for each')
      one.child.kill('SIGKILL')
      await until(() => pids().length === 1, 'the first one to let go')
      t.same(pids(), [other.child.pid])
      t.equal(sh('one-server stop web').status, 0)
    },
  },
  'An agent json 1': {
    run: async (t, text, { folder, env, sh }) => {
      const { hooks: { SessionStart: [start] } } = JSON.parse(text) as { hooks: { SessionStart: { hooks: { command: string }[] }[] } }
      // As the agent runs it: by a shell, with what it knows of the session on stdin.
      const agent = `require('node:child_process').spawn('/bin/sh', ['-c', process.argv[1]], { stdio: ['ignore', 'inherit', 'ignore'] }); setInterval(() => {}, 1e6)`
      const { child, line } = startSpeaking(t, process.execPath, ['-e', agent, start!.hooks[0]!.command], { cwd: folder, env })
      t.match(JSON.parse(await line()), { url: /^http:/ })
      const leases = () => (JSON.parse(sh('one-server status docs --json').stdout) as { leases: { pid: number }[] }).leases
      t.match(leases(), [{ pid: child.pid }], 'in the name of the session')
      child.kill('SIGKILL')
      await until(() => leases().length === 0, 'the lease to end with it')
      t.equal(sh('one-server stop docs').status, 0)
    },
  },
  'Vim vim 1': { run: (t, text, here) => holdsFor(t, here, /'(.*?)' \. getpid\(\) \. '(.*)'/.exec(text)!) },
  'Emacs elisp 1': { run: (t, text, here) => holdsFor(t, here, /"(.*?)%d(.*?)"/.exec(text)!) },
}

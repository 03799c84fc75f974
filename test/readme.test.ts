/**
 * A newcomer's path: the README as printed, in an empty home, with the package as it would be published. Every
 * block of code is run, or it is said why not; one that is new is neither, and fails.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync, transformSync } from 'esbuild'
import t from 'tap'
import { bareEnv, run } from './support/child.js'
import { tempFolder } from './support/temp-folder.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

interface Block {
  readonly section: string
  readonly language: string
  readonly text: string
}

const blocks: Block[] = README.split(/^## /m).slice(1).flatMap((section) =>
  [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({ section: section.split('\n', 1)[0]!, language: language!, text: text! })))

const folder = tempFolder(t)
// What npm has to say of itself, of the settings of a CI machine for example, is none of ours.
const env = { ...bareEnv(), npm_config_loglevel: 'error', HOME: folder, ONE_SERVER_STATE_DIR: join(folder, 'state'), PATH: `${join(folder, 'node_modules/.bin')}:${process.env['PATH']}` }

const sh = (command: string, more: Record<string, string> = {}) => spawnSync('/bin/sh', ['-c', command], { cwd: folder, env: { ...env, ...more }, encoding: 'utf8', input: '' })

/** A server as the examples have one: it answers everything, on --port or PORT. */
const SERVER = `
const at = process.argv.indexOf('--port')
require('node:http').createServer((_, answer) => answer.end('well')).listen(at < 0 ? process.env.PORT : process.argv[at + 1], '127.0.0.1')`

t.before(() => {
  const { stdout, stderr } = spawnSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: ROOT, encoding: 'utf8', env: bareEnv() })
  const [{ filename }] = JSON.parse(stdout || stderr) as [{ filename: string }]
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, scripts: Object.fromEntries(['test', 'test:unit', 'test:browser', 'test:api'].map((name) => [name, 'node client.cjs'])) }))
  writeFileSync(join(folder, 'server.js'), SERVER)
  writeFileSync(join(folder, 'client.cjs'), "fetch(process.env.BASE_URL).then((answer) => answer.text()).then((text) => console.log(process.env.npm_lifecycle_event, text, process.env.ONE_SERVER_URL))")
  // By hand, since a registry that is slow just now says nothing about the README.
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) if (!name.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', modules])
  renameSync(join(modules, 'package'), join(modules, 'one-server'))
  symlinkSync('../one-server/dist/package/lib/cli.js', join(modules, '.bin/one-server'))
})

t.teardown(() => {
  for (const name of ['docs', 'e2e', 'my-extension', 'cache']) sh(`one-server stop ${name}`)
  // Watches sleep out the 30 s of the examples before they see that there is nothing to watch.
  for (const name of readdirSync('/proc')) {
    try {
      if (/^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(`\0${folder}/`)) process.kill(Number(name), 'SIGKILL')
    } catch {
      // It has ended just now, or is somebody else's.
    }
  }
})

/** A module, as an extension or a script has it; what this Node does not know yet is translated. */
const module_ = async (name: string, text: string): Promise<string> => {
  const file = join(folder, name)
  writeFileSync(file, transformSync(text, { format: 'esm', target: 'node20', loader: 'js' }).code)
  const { code, stdout, stderr } = await run(t, process.execPath, [file], { cwd: folder, env })
  if (code !== 0) throw new Error(`${stderr}\n${text}`)
  return stdout
}

/** Lines that begin with `$`, each with what is printed below it. */
const session = (text: string): { command: string; prints: string }[] =>
  text.split(/^\$ /m).slice(1).map((part) => ({ command: part.split('\n', 1)[0]!, prints: part.split('\n').slice(1).join('\n') }))

/** What differs from one run to the next. */
const shape = (text: string): string => text.replace(/\/\S*docs\.log/, '<log>').replace(/PID \d+/g, 'PID <n>').replace(/:\d{4,5}\b/g, ':<port>')

type Fate = { readonly why: string } | { readonly run: (t: import('tap').Test, text: string) => Promise<void> }

const manager = (): string => /const manager = new ClientProcessManager\(\{[\s\S]*?\}\)\n/.exec(README)![0]

const FATES: Readonly<Record<string, Fate>> = {
  'Install sh 1': { why: 'package.test installs what would be published' },
  'Try it sh 1': {
    run: async (t, text) => {
      t.same(text.split('\n').map((line) => line.split('#')[0]!.trim()), ['npm ci && npm run demo', 'npm ci && npm test', ''])
      // npm ci, the build and npm test are what has led here; they would be in the way of the tests that run beside.
      const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
      const { code, stdout, stderr } = await run(t, '/bin/sh', ['-c', scripts['demo']!], { cwd: ROOT, env })
      t.equal(code, 0, stderr)
      t.ok(stdout.split('\n').every((line) => line.length <= 80), 'in 80 columns')
    },
  },
  'Use it js 1': {
    run: async (t, text) => {
      t.equal(await module_('use.mjs', text), 'well\n')
      t.match(sh('one-server status docs'), { status: 0, stdout: /ready/ })
      t.equal(sh('one-server stop docs').status, 0)
    },
  },
  'Share its lifetime js 1': {
    run: async (t, text) => {
      const told = await module_('lease.mjs', `import { ClientProcessManager } from 'one-server'\n${manager()}\nconst runTests = async (url) => console.log(url, (await manager.status()).leases.length)\n${text}`)
      t.match(told, /^http:\/\/127\.0\.0\.1:\d+ 1\n$/)
      t.equal(sh('one-server stop docs').status, 0)
    },
  },
  'Share its lifetime make 1': {
    run: async (t, text) => {
      writeFileSync(join(folder, 'Makefile'), text)
      const { status, stdout, stderr } = sh('make -j8 test')
      t.equal(status, 0, stderr)
      const lines = [...stdout.matchAll(/^test:(\w+) well (\S+)$/gm)]
      t.same(lines.map(([, name]) => name).toSorted(), ['api', 'browser', 'unit'])
      t.equal(new Set(lines.map(([, , url]) => url)).size, 1, 'one server')
      sh('one-server stop e2e')
    },
  },
  'Share its lifetime js 2': {
    run: async (t, text) => {
      writeFileSync(join(folder, 'extension.js'), text)
      writeFileSync(join(folder, 'vscode.cjs'), `
        const bar = { show() {} }
        exports.window = { createStatusBarItem: () => bar }
        exports.bar = bar`)
      buildSync({ entryPoints: [join(folder, 'extension.js')], outfile: join(folder, 'bundled.cjs'), bundle: true, platform: 'node', format: 'cjs', external: ['vscode'], absWorkingDir: folder, logLevel: 'silent' })
      const told = await module_('window.mjs', `
        import { createRequire } from 'node:module'
        const require = createRequire(import.meta.url)
        require('node:module')._load = ((load) => (name, ...rest) => load(name === 'vscode' ? ${JSON.stringify(join(folder, 'vscode.cjs'))} : name, ...rest))(require('node:module')._load)
        const { activate, deactivate } = require('./bundled.cjs')
        const { bar } = require('./vscode.cjs')
        activate({ asAbsolutePath: (path) => (path === 'dist/server.js' ? ${JSON.stringify(join(ROOT, 'fixtures/healthy.mjs'))} : path) })
        while (bar.text === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
        console.log(bar.text, bar.tooltip)
        await deactivate()`)
      t.match(told, /^\$\(pass\) \d+ undefined\n$/)
      t.match(sh('one-server status my-extension --json'), { stdout: /"leases":\[\]/ })
      t.equal(sh('one-server stop my-extension').status, 0)
    },
  },
  'Share its lifetime lua 1': {
    run: async (t, text) => {
      if (spawnSync('nvim', ['--version']).status !== 0) return t.comment('nvim is not installed here')
      writeFileSync(join(folder, 'init.lua'), `${text}\nvim.wait(10000, function() return vim.g.docs_url ~= nil end)\nio.stdout:write(vim.g.docs_url)`)
      t.match(sh('nvim --headless -u NONE -l init.lua'), { stdout: /^http:/ })
    },
  },
  'Recipes yaml 1': {
    run: async (t, text) => {
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
  'Recipes yaml 2': {
    run: async (t, text) => {
      const state = { CI_PROJECT_DIR: folder, ONE_SERVER_STATE_DIR: join(folder, '.one-server') }
      const [script, after] = ['script', 'after_script'].map((name) => new RegExp(`^ *${name}: (.*)$`, 'm').exec(text)![1]!)
      t.match(sh(script!, state), { status: 0, stdout: /^test well/m })
      t.match(sh(after!, state), { status: 0 })
      t.equal(sh('one-server stop e2e', state).status, 0)
    },
  },
  'Recipes js 1': {
    run: async (t, text) => {
      const told = await module_('setup.mjs', `${text.replace('export default', '')}
        const teardown = await globalSetup()
        console.log(process.env.BASE_URL)
        await teardown()`)
      t.match(told, /^http:/)
      t.equal(sh('one-server stop e2e').status, 0)
    },
  },
  'Recipes json 1': {
    run: async (t, text) => {
      const [web, own] = ['apps/web', 'packages/e2e'].map((name) => join(folder, 'mono', name))
      for (const path of [web!, own!]) mkdirSync(path, { recursive: true })
      writeFileSync(join(web!, 'server.js'), SERVER)
      writeFileSync(join(own!, 'package.json'), text)
      // In the place of the test runner: what it is started with is what counts.
      writeFileSync(join(folder, 'node_modules/.bin/vitest'), '#!/bin/sh\necho "$1 $BASE_URL"\n', { mode: 0o755 })
      t.match(sh(`cd '${own}' && npm run --silent e2e`), { status: 0, stdout: /^run http:\S+\n$/ })
      t.equal(sh('one-server stop e2e').status, 0)
    },
  },
  'Command line console 1': {
    run: async (t, text) => {
      for (const { command, prints } of session(text)) {
        const { status, stdout, stderr } = sh(command)
        t.equal(status, 0, stderr)
        if (prints.trim() !== '') for (const line of shape(prints).trim().split('\n')) t.ok(shape(stderr + stdout).includes(line), `${command} prints ${line}: ${stderr}${stdout}`)
      }
    },
  },
  'Servers by name jsonc 1': { why: 'cli/configured.test runs this section as printed' },
  'Servers by name console 1': { why: 'cli/configured.test runs this section as printed' },
  'Servers by name js 1': { why: 'from-config.test does the same' },
  'The right server text 1': { why: 'a message; integration/versions has one of each kind' },
  'The right server sh 1': {
    run: async (t, text) => {
      const [cache] = text.split('\n')
      if (spawnSync('redis-server', ['--version']).status !== 0) return t.comment('redis-server is not installed here')
      t.match(sh(cache!), { status: 0, stdout: /^tcp:\/\/127\.0\.0\.1:\d+\n$/ })
      t.equal(sh('one-server stop cache').status, 0)
    },
  },
}

const counts = new Map<string, number>()
for (const { section, language, text } of blocks) {
  const kind = `${section} ${language}`
  counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const name = `${kind} ${counts.get(kind)}`
  const fate = FATES[name]
  t.test(name, { timeout: 60_000 }, async (t) => {
    if (fate === undefined) t.fail(`this block of the README is neither run nor excused:\n${text}`)
    else if ('why' in fate) t.pass(fate.why)
    else await fate.run(t, text)
  })
}

t.test('the README has what is said of here', async (t) => {
  const names = [...counts].flatMap(([kind, count]) => Array.from({ length: count }, (_, index) => `${kind} ${index + 1}`))
  t.same(Object.keys(FATES).filter((name) => !names.includes(name)), [])
})

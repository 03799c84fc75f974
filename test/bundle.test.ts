/**
 * As editor extensions ship: bundled by esbuild into one CommonJS file, and run where there is no
 * node_modules.
 */
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'
import { bareEnv, fixture, run } from './support/child.js'
import { tempFolder } from './support/temp-folder.js'

/** A file as it is installed. */
const inPackage = (name: string): string => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url))

/** Bundles a program as extensions are: into one CommonJS file for Node. */
const bundle = (program: string, outfile: string) => build({
  entryPoints: [program], outfile, bundle: true, platform: 'node', format: 'cjs', metafile: true, logLevel: 'silent', absWorkingDir: dirname(program),
})

t.test('bundled into one file, it starts a server, finds it again, stops it, and a lease on the next one ends that', async (t) => {
  const [from, to, home] = [tempFolder(t), tempFolder(t), tempFolder(t)]
  writeFileSync(join(from, 'program.cjs'), `
    const { ClientProcessManager, OneServerError } = require(${JSON.stringify(inPackage('index.js'))})
    const listeners = () => process.eventNames().filter((name) => String(name).startsWith('SIG')).length
    const main = async () => {
      const before = listeners()
      const command = [process.execPath, ${JSON.stringify(fixture('healthy.mjs'))}]
      const options = { pidFile: process.env.HOME + '/s.pid', command, port: 'auto', host: '127.0.0.1' }
      const first = await new ClientProcessManager(options).ensureServerRunning()
      const second = await new ClientProcessManager(options).ensureServerRunning()
      const stopped = await new ClientProcessManager(options).stopServer()
      const lease = await new ClientProcessManager({ ...options, idleTimeout: 100 }).acquire()
      await lease.release()
      const state = async () => (await new ClientProcessManager(options).status()).state
      while (await state() !== 'stopped') await new Promise((resolve) => setTimeout(resolve, 10))
      const broken = new ClientProcessManager({ ...options, command: ['/nonexistent'] })
      const failure = await broken.ensureServerRunning().catch((error) => error)
      const code = failure instanceof OneServerError && failure.code
      console.log(JSON.stringify({ first, second, stopped, code, listeners: listeners() - before }))
    }
    main()`)
  const { errors, warnings, metafile } = await bundle(join(from, 'program.cjs'), join(to, 'bundle.cjs'))
  t.same(errors, [])
  // Where there is no import.meta.url the library goes by __dirname.
  t.same(warnings.filter(({ id }) => id !== 'empty-import-meta').map(({ text }) => text), [])
  const needed = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  t.same(needed.filter((name) => !isBuiltin(name)), [], 'it needs nothing but Node')
  const env = { ...bareEnv(), HOME: home, NODE_PATH: '' }
  const { code, stdout, stderr } = await run(t, process.execPath, ['bundle.cjs'], { cwd: to, env })
  t.match({ code, stderr }, { code: 0, stderr: '' })
  const told = JSON.parse(stdout)
  t.match(told, {
    first: { started: true, adopted: false, url: /^http:\/\/127\.0\.0\.1:\d+$/, pid: Number },
    second: { started: false, url: told.first.url, pid: told.first.pid },
    stopped: true, code: 'COMMAND_NOT_FOUND', listeners: 0,
  })
})

t.test('the bundled server is looked for beside the bundle', async (t) => {
  const [from, to, home] = [tempFolder(t), tempFolder(t), tempFolder(t)]
  writeFileSync(join(from, 'program.cjs'), `
    const { ClientProcessManager } = require(${JSON.stringify(inPackage('index.js'))})
    const manager = new ClientProcessManager({ pidFile: process.env.HOME + '/s.pid', port: 'auto', host: '127.0.0.1' })
    const main = async () => {
      const { started } = await manager.ensureServerRunning()
      console.log(started, await manager.stopServer())
    }
    main().catch(({ message }) => console.log(message))`)
  await bundle(join(from, 'program.cjs'), join(to, 'bundle.cjs'))
  const call = () => run(t, process.execPath, [join(to, 'bundle.cjs')], { cwd: home, env: { ...bareEnv(), HOME: home } })
  t.match(await call(), { stdout: `The server script does not exist: ${to}/session-server.js (nor ${to}/session-server.ts)\n` })
  copyFileSync(inPackage('session-server.js'), join(to, 'session-server.js'))
  for (const type of ['commonjs', 'module']) {
    writeFileSync(join(to, 'package.json'), JSON.stringify({ type }))
    // The bundle itself is CommonJS by its name.
    t.match(await call(), { stdout: 'true true\n', stderr: '' }, `in an extension of type ${type}`)
  }
})

t.test('imported and required by its name, it is in the bundle once', async (t) => {
  const [from, to] = [tempFolder(t), tempFolder(t)]
  mkdirSync(join(from, 'node_modules'))
  symlinkSync(inPackage('..'), join(from, 'node_modules/one-server'))
  writeFileSync(join(from, 'program.mjs'), `
    import { OneServerError } from 'one-server'
    import { required } from './other.cjs'
    console.log(required.OneServerError === OneServerError)`)
  writeFileSync(join(from, 'other.cjs'), "exports.required = require('one-server')")
  const { metafile } = await bundle(join(from, 'program.mjs'), join(to, 'bundle.cjs'))
  const builds = Object.keys(metafile.inputs).map((input) => resolve(from, input)).filter((file) => file.startsWith(inPackage('index.')))
  t.same(builds, [inPackage('index.js')])
  t.match(await run(t, process.execPath, [join(to, 'bundle.cjs')], { cwd: to, env: bareEnv() }), { stdout: 'true\n', stderr: '' })
})

t.test('it reads a config file, with the parser that it needs for that', async (t) => {
  const [from, to] = [tempFolder(t), tempFolder(t)]
  writeFileSync(join(from, 'program.cjs'), `
    const { fromConfig, OneServerError } = require(${JSON.stringify(inPackage('index.js'))})
    fromConfig('web').then(async (manager) => {
      const { state, pidFile } = await manager.status()
      const error = await fromConfig('wbe').catch((error) => error)
      console.log(state, pidFile, error instanceof OneServerError, error.message)
    })`)
  await bundle(join(from, 'program.cjs'), join(to, 'bundle.cjs'))
  writeFileSync(join(to, 'one-server.config.json'), '{ "servers": { /* a comment */ "web": { "port": "auto" } } }')
  const env = { ...bareEnv(), HOME: to, NODE_PATH: '', ONE_SERVER_STATE_DIR: join(to, 'state') }
  const { stdout, stderr } = await run(t, process.execPath, ['bundle.cjs'], { cwd: to, env })
  t.equal(stderr, '')
  t.match(stdout, /^stopped .*\/state\/web-[0-9a-f]{8}\.pid true .*config\.json: there is no server "wbe"; did you mean web\?\n$/)
})

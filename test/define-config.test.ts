/** The types of a configuration fit the table of options, and what `defineConfig` is given is what a call reads. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { defineConfig, type ServerConfig } from '../lib/index.js'
import type { OPTIONS, OptionName } from '../lib/options/table.js'
import { fixture, home } from './cli/command-line.js'
import { installPackage } from './support/installed.js'

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends (<T>() => T extends Other ? 1 : 2) ? true : false
const same = <One, Other>(isSame: Same<One, Other>): boolean => isSame

/** The keys of the table. Code has no pidFile, since commands that do not run it could not find the server. */
type Key = { [Name in OptionName]: (typeof OPTIONS)[Name] extends { readonly key: infer One } ? One : never }[OptionName]
same<keyof ServerConfig, Exclude<Key, 'pidFile'> | 'needs'>(true)

t.test('what is given comes back, and the compiler refuses a wrong key', async (t) => {
  const config = { servers: { api: { command: ['node', 'api.mjs'], port: 'auto' as const, env: { DEBUG: null }, needs: ['db'] }, db: { ready: { log: /ready/ } } } }
  t.equal(defineConfig(config), config)
  const later = Promise.resolve(config)
  t.equal(defineConfig(later), later)
  // @ts-expect-error prot
  defineConfig({ servers: { api: { prot: 3000 } } })
  // @ts-expect-error the name of a server is its key
  defineConfig({ servers: { api: { name: 'api' } } })
  // @ts-expect-error servers is missing
  defineConfig({})
})

t.test('in a config file of a project that has the package', async (t) => {
  const here = home(t)
  installPackage(here.folder)
  const server = { command: [process.execPath, fixture('healthy')], port: 'auto' }
  writeFileSync(join(here.folder, 'one-server.config.mjs'), `import { defineConfig } from 'one-server'\nexport default defineConfig({ servers: { api: ${JSON.stringify(server)} } })\n`)
  t.match(await here.start(['start', 'api']), { code: 0, stdout: /^http:/ })
})

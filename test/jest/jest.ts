/**
 * Test files and a globalSetup in real Jests, under Node 20, 22 and 24. Jest's loader cannot require an ES module, has no
 * import(), and gives each test file a world of its own. Not part of `npm test`: Jest and the Nodes come from npm, and a
 * slow registry says nothing about the code.
 *
 *     npm run test:jest
 */
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { installInto, installNode, packageOf } from '../nodes/install.js'
import { bareEnv, fixture, run } from '../support/child.js'
import { installPackage } from '../support/installed.js'
import { tempFolder } from '../support/temp-folder.js'

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/one-server-jest/', import.meta.url))

interface Result {
  readonly fullName: string
  readonly status: string
  readonly failureMessages: readonly string[]
}

interface Results {
  readonly testResults: readonly { readonly message: string; readonly assertionResults: readonly Result[] }[]
}

const KINDS = [
  { what: 'CommonJS', ending: '.test.js', args: [] },
  { what: 'ES modules', ending: '.test.mjs', args: ['--experimental-vm-modules'] },
]

/** The titles of the tests in the files of one kind. */
const titlesIn = (folder: string, ending: string): string[] =>
  readdirSync(folder).filter((file) => file.endsWith(ending))
    .flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(/^test\('(.*)',/gm)].map(([, title]) => title!))

t.setTimeout(600_000)
installInto(CACHE, ['jest@30'])
const jest = join(CACHE, 'node_modules/jest/bin/jest.js')
const nodes = packageOf()
const versions = nodes === undefined
  ? [[process.version, process.execPath] as const]
  : (['20', '22', '24'] as const).map((version) => [`Node ${version}`, installNode(nodes, version)] as const)

for (const [name, node] of versions) {
  t.test(`Jest under ${name}`, async (t) => {
    const folder = tempFolder(t)
    cpSync(fixture('jest'), folder, { recursive: true })
    installPackage(folder)
    const state = join(folder, 'state')
    const env = { ...bareEnv(), HOME: folder, ONE_SERVER_STATE_DIR: state, SLOW_SERVER: fixture('warms-up.mjs') }

    for (const { what, ending, args } of KINDS) {
      const files = ['--testMatch', `<rootDir>/*${ending}`, '--cacheDirectory', join(folder, 'cache'), '--outputFile', 'results.json']
      const { code, stderr } = await run(t, node, [...args, jest, '--ci', '--json', ...files], { cwd: folder, env })
      t.equal(code, 0, `${what}: Jest passes`, { stderr })
      const { testResults } = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as Results
      const ran = testResults.flatMap(({ assertionResults }) => assertionResults)
      const messages = testResults.map(({ message }) => message)
      t.same(ran.map(({ fullName }) => fullName).toSorted(), titlesIn(folder, ending).toSorted(), `${what}: every test ran`, { messages })
      for (const { fullName, status, failureMessages } of ran) t.equal(status, 'passed', `${what}: ${fullName}`, { failureMessages })
    }
    t.same(readdirSync(state).filter((file) => file.endsWith('.pid')), [], 'no server is left')
  })
}

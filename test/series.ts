/**
 * `npm run test:all`: what CI runs besides `npm test`, because it needs minutes and the network: real Jests, and the suite under
 * the newest Node (under the oldest where the newest runs this). A series goes in here if it runs in minutes on a CI machine; so
 * test:nodes for every Node, test:editor, soak and bench do not.
 */
import { delimiter, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { installNode, packageOf } from './nodes/install.js'

const [OLDEST, NEWEST] = ['20', '26']

const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(NODE_OPTIONS$|_?TAP)/.test(name)))

/** Runs a compiled test program under a Node. tap's own spawn puts its loaders into NODE_OPTIONS, which env(1) takes out again. */
const spawn = (node: string, file: string, name: string): Promise<unknown> =>
  t.spawn('env', ['-u', 'NODE_OPTIONS', node, fileURLToPath(new URL(file, import.meta.url))], {
    name, buffered: true, timeout: 1_200_000,
    env: { ...env, TAP: '1', TAP_TIMEOUT: '1200', PATH: `${dirname(node)}${delimiter}${process.env['PATH']}` },
  })

t.setTimeout(2_400_000)
await spawn(process.execPath, './jest/jest.js', 'Jest')
const nodes = packageOf()
const other = process.versions.node.split('.')[0] === NEWEST ? OLDEST! : NEWEST!
if (nodes === undefined) t.pass(`npm has no Node for ${process.platform} ${process.arch}: the suite has run under this one only`)
else await spawn(installNode(nodes, other), './all.js', `the suite under Node ${other}`)

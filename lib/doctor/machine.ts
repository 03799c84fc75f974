/**
 * Where this process runs: the versions, its user, and its container. Two clients that disagree about a server mostly
 * differ in one of these.
 */
import { readFileSync, statSync } from 'node:fs'
import { arch, platform, release, userInfo } from 'node:os'
import { surroundings } from '../system/platform/current.js'
import { finding, type Finding } from './finding.js'

/** The number of a kernel's first PID namespace. Source: PROC_PID_INIT_INO in linux/proc_ns.h. */
const FIRST_PID_NAMESPACE = 4026531836

const OLDEST = [20, 19] as const

const versions = (version: string): Finding => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])
  const electron = process.versions['electron']
  const node = `Node ${process.versions.node}${electron === undefined ? '' : ` in Electron ${electron}`}`
  const text = `one-server ${version}, ${node}, ${platform()} ${arch()}, kernel ${release()}`
  const data = { oneServer: version, node: process.versions.node, electron, platform: platform(), arch: arch(), kernel: release() }
  if (isOld) return finding('versions', 'problem', text, { advice: `one-server needs Node ${OLDEST.join('.')} or newer.`, data })
  if (surroundings.isTested) return finding('versions', 'ok', text, { data })
  return finding('versions', 'note', text, { advice: 'one-server is written for this platform, and was not tested on it.', data })
}

const text = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Read from /proc where there is one: process.umask() changes the umask for a moment, and other threads make files meanwhile. */
const umask = (): number => {
  const octal = /^Umask:\s*([0-7]+)/m.exec(text('/proc/self/status'))?.[1]
  return octal === undefined ? process.umask() : Number.parseInt(octal, 8)
}

const nameOf = (): string => {
  try {
    return userInfo().username
  } catch {
    return 'unknown to the user database'
  }
}

const ownerOf = (path: string): number | undefined => {
  try {
    return statSync(path).uid
  } catch {
    return undefined
  }
}

const user = (env: NodeJS.ProcessEnv): Finding[] => {
  const uid = process.getuid?.()
  if (uid === undefined) return []
  const mask = umask()
  const octal = mask.toString(8).padStart(4, '0')
  const found = [finding('user', 'ok', `uid ${uid} (${nameOf()}), umask ${octal}`, { data: { uid, umask: octal } })]
  if ((mask & 0o002) === 0) {
    found.push(finding('user', 'note', `the umask ${octal} lets every user write to the files that the server makes`, {
      advice: "one-server's own files are 0600 under any umask. Set a umask of 022 or 077 before the server is started.",
    }))
  }
  return [...found, ...home(env['HOME'], uid, env['SUDO_USER'] !== undefined)]
}

const BELOW_HOME = 'The state of named servers and of the default server lies below HOME.'

const home = (path: string | undefined, uid: number, isSudo: boolean): Finding[] => {
  const named = 'ONE_SERVER_STATE_DIR for named servers'
  if (!path) return [finding('user', 'note', 'HOME is not set', { advice: `${BELOW_HOME} Set it, or ${named}.` })]
  const owner = ownerOf(path)
  if (owner === undefined) {
    return [finding('user', 'note', `HOME does not exist, or may not be looked at: ${path}`, {
      advice: `${BELOW_HOME} Correct it, or set ${named}.`,
    })]
  }
  if (owner === uid) return []
  const how = isSudo ? ' (a sudo that keeps HOME does this)' : ''
  return [finding('user', 'note', `HOME (${path}) belongs to uid ${owner}, and this is uid ${uid}${how}`, {
    advice: 'Each of the two users is refused the servers of the other. Call as the owner, or give this user a state of its own: ' +
      'sudo -H, or ONE_SERVER_STATE_DIR.',
    data: { homeOwner: owner },
  })]
}

const box = (env: NodeJS.ProcessEnv): Finding[] => {
  const seen = surroundings.box(env)
  if (seen === undefined) return []
  const { namespaces, kinds } = seen
  const isOwn = namespaces.pid !== undefined && namespaces.pid !== FIRST_PID_NAMESPACE
  const data = { namespaces, kinds }
  if (kinds.length === 0 && !isOwn) {
    return [finding('namespaces', 'ok', 'the first PID namespace of this kernel, and no sign of a container', { data })]
  }
  const what = kinds.length === 0 ? 'a PID namespace of its own (a container or sandbox)' : kinds.join(', ')
  return [finding('namespaces', 'note', `this process runs in ${what}`, {
    advice: 'A client outside, or in another container, gets a server of its own, even where both share the home folder.', data,
  })]
}

export const machine = (version: string, env: NodeJS.ProcessEnv): Finding[] => [versions(version), ...user(env), ...box(env)]

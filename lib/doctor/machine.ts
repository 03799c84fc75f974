/**
 * Where this runs: versions, whose process it is, and in which box. Two calls that disagree about a server
 * mostly disagree about one of these.
 */
import { readFileSync, statSync } from 'node:fs'
import { arch, platform, release, userInfo } from 'node:os'
import { surroundings } from '../system/platform/current.js'
import { finding, type Finding } from './finding.js'

/** The first PID namespace of a kernel has this number (PROC_PID_INIT_INO). */
const FIRST_PID_NAMESPACE = 4026531836

const OLDEST = [20, 19] as const

const versions = (version: string): Finding => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])
  const electron = process.versions['electron']
  const text = `one-server ${version}, Node ${process.versions.node}${electron === undefined ? '' : ` in Electron ${electron}`}, ${platform()} ${arch()}, kernel ${release()}`
  const data = { oneServer: version, node: process.versions.node, electron, platform: platform(), arch: arch(), kernel: release() }
  return isOld
    ? finding('versions', 'problem', text, { advice: `one-server needs Node ${OLDEST.join('.')} or newer.`, data })
    : finding('versions', surroundings.isTested ? 'ok' : 'note', text, { ...(surroundings.isTested ? {} : { advice: 'one-server was written for this platform and not tested on it.' }), data })
}

const text = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Without changing it: process.umask() sets it for a moment. */
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

const ownerOf = (path: string | undefined): number | undefined => {
  try {
    return path === undefined || path === '' ? undefined : statSync(path).uid
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
    found.push(finding('user', 'note', `the umask ${octal} lets everybody write to what the server makes`, { advice: "one-server's own files are 0600 whatever it is. Set a umask of 022 or 077 before the server is started." }))
  }
  const owner = ownerOf(env['HOME'])
  if (!env['HOME']) found.push(finding('user', 'note', 'HOME is not set', { advice: 'Names and the default server are looked for below it. Set it, or ONE_SERVER_STATE_DIR.' }))
  else if (owner === undefined) found.push(finding('user', 'note', `HOME does not exist, or may not be looked at: ${env['HOME']}`, { advice: 'Names and the default server are looked for below it. Set it right, or ONE_SERVER_STATE_DIR.' }))
  else if (owner !== uid) {
    const how = env['SUDO_USER'] === undefined ? '' : ', as sudo does where it keeps HOME'
    found.push(finding('user', 'note', `HOME (${env['HOME']}) belongs to uid ${owner}, and this is uid ${uid}${how}`, {
      advice: "Each of the two is refused what the other started. Call as the owner, or give this user a state of its own: sudo -H, or ONE_SERVER_STATE_DIR.", data: { homeOwner: owner },
    }))
  }
  return found
}

const box = (env: NodeJS.ProcessEnv): Finding[] => {
  const seen = surroundings.box(env)
  if (seen === undefined) return []
  const { namespaces, kinds } = seen
  const isOwn = namespaces.pid !== undefined && namespaces.pid !== FIRST_PID_NAMESPACE
  const data = { namespaces, kinds }
  if (kinds.length === 0 && !isOwn) return [finding('namespaces', 'ok', 'the first PID namespace of this kernel: no container that could be seen', { data })]
  const what = kinds.length === 0 ? 'a PID namespace of its own (a container or sandbox)' : kinds.join(', ')
  return [finding('namespaces', 'note', `this runs in ${what}`, { advice: 'What runs outside, or in another one, has a server of its own, also where the home folder is shared.', data })]
}

export const machine = (version: string, env: NodeJS.ProcessEnv): Finding[] => [versions(version), ...user(env), ...box(env)]

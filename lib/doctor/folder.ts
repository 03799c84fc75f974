/**
 * Whether state can be kept where the PID file is: what is there of its folder, who may write to it, and
 * what kind of file system it is.
 */
import { accessSync, constants, statfsSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { finding, type Finding } from './finding.js'

/** Magic numbers of statfs(2) that are worth a word: no hard links, or locks and listings that lag behind. */
const FILE_SYSTEMS: ReadonlyMap<number, { readonly name: string; readonly isLinkless?: true }> = new Map([
  [0x6969, { name: 'NFS' }], [0x517b, { name: 'SMB' }], [0xff534d42, { name: 'CIFS' }], [0xfe534d42, { name: 'SMB 2' }],
  [0x01021997, { name: '9p (a folder of the host, such as /mnt/c in WSL)' }], [0x65735546, { name: 'FUSE' }], [0x786f4256, { name: 'a VirtualBox shared folder' }],
  [0x4d44, { name: 'FAT', isLinkless: true }], [0x2011bab0, { name: 'exFAT', isLinkless: true }],
])

const nearest = (folder: string): { path: string; stats: Stats } => {
  try {
    return { path: folder, stats: statSync(folder) }
  } catch (error) {
    if (dirname(folder) === folder || !['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return nearest(dirname(folder))
  }
}

const fileSystem = (path: string): Finding[] => {
  const { type, bavail } = statfsSync(path)
  const known = FILE_SYSTEMS.get(Number(type) >>> 0)
  const found: Finding[] = []
  if (known?.isLinkless) found.push(finding('folder', 'problem', `${path} is on ${known.name}, which has no hard links`, { advice: 'Claims are made by them. Keep the state on another file system (ONE_SERVER_STATE_DIR, --pid-file).' }))
  else if (known !== undefined) found.push(finding('folder', 'note', `${path} is on ${known.name}`, { advice: 'one-server was not tested there. If calls disagree, keep the state on a local disk (ONE_SERVER_STATE_DIR, --pid-file).' }))
  if (Number(bavail) === 0) found.push(finding('folder', 'problem', `no space is left on the file system of ${path}`, { advice: 'Neither state nor log can be written. Make room.' }))
  return found
}

export const folder = (pidFile: string): Finding[] => {
  const wanted = dirname(pidFile)
  const { path, stats } = nearest(wanted)
  if (!stats.isDirectory()) return [finding('folder', 'problem', `${path} is no folder, and the PID file is to be below it`, { advice: 'Move it away, or choose another place (ONE_SERVER_STATE_DIR, --pid-file).' })]
  const found: Finding[] = []
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    found.push(finding('folder', 'ok', path === wanted ? `state is kept in ${path}` : `${wanted} does not exist yet; the first start makes it`, { data: { folder: wanted, exists: path === wanted, uid: stats.uid, mode: (stats.mode & 0o7777).toString(8) } }))
  } catch {
    found.push(finding('folder', 'problem', `${path} may not be written to by this user`, { advice: `It belongs to uid ${stats.uid}. Make it writable, or choose another place (ONE_SERVER_STATE_DIR, --pid-file).` }))
  }
  const isShared = (stats.mode & 0o002) !== 0
  if (isShared && (stats.mode & 0o1000) === 0) found.push(finding('folder', 'note', `everybody may rename things in ${path}`, { advice: 'Another user could put a PID file in the place of yours. Choose a folder of your own.' }))
  return [...found, ...fileSystem(path)]
}

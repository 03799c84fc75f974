/**
 * Whether state can be kept where the PID file is: what there is of its folder, who may write to it, and what kind of
 * file system it is on.
 */
import { accessSync, constants, statfsSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { finding, type Finding } from './finding.js'

/**
 * File systems on which locks and listings can lag behind, or that have no hard links, by the magic number of statfs(2).
 * Source: linux/magic.h, and the sources of those that are not in it (CIFS, SMB 2, VirtualBox).
 */
const FILE_SYSTEMS: ReadonlyMap<number, { readonly name: string; readonly isLinkless?: true }> = new Map([
  [0x6969, { name: 'NFS' }], [0x517b, { name: 'SMB' }], [0xff534d42, { name: 'CIFS' }], [0xfe534d42, { name: 'SMB 2' }],
  [0x01021997, { name: '9p (a folder of the host, such as /mnt/c in WSL)' }], [0x65735546, { name: 'FUSE' }],
  [0x786f4256, { name: 'a VirtualBox shared folder' }],
  [0x4d44, { name: 'FAT', isLinkless: true }], [0x2011bab0, { name: 'exFAT', isLinkless: true }],
])

const ELSEWHERE = '(ONE_SERVER_STATE_DIR, --pid-file)'

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
  if (known?.isLinkless) {
    found.push(finding('folder', 'problem', `${path} is on ${known.name}, which has no hard links`, {
      advice: `A claim is made by a hard link, so no server can be started. Keep the state on another file system ${ELSEWHERE}.`,
    }))
  } else if (known !== undefined) {
    found.push(finding('folder', 'note', `${path} is on ${known.name}`, {
      advice: `one-server was not tested on it. If calls disagree, keep the state on a local disk ${ELSEWHERE}.`,
    }))
  }
  if (Number(bavail) === 0) {
    found.push(finding('folder', 'problem', `no space is left on the file system of ${path}`, {
      advice: 'Neither state nor log can be written. Make room.',
    }))
  }
  return found
}

export const folder = (pidFile: string): Finding[] => {
  const wanted = dirname(pidFile)
  const { path, stats } = nearest(wanted)
  if (!stats.isDirectory()) {
    return [finding('folder', 'problem', `${path} is not a folder, and the PID file would lie below it`, {
      advice: `Move it away, or choose another place ${ELSEWHERE}.`,
    })]
  }
  const found: Finding[] = []
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    const exists = path === wanted
    found.push(finding('folder', 'ok', exists ? `state is kept in ${path}` : `${wanted} does not exist yet; the first start makes it`, {
      data: { folder: wanted, exists, uid: stats.uid, mode: (stats.mode & 0o7777).toString(8) },
    }))
  } catch {
    found.push(finding('folder', 'problem', `this user cannot write to ${path}`, {
      advice: `It belongs to uid ${stats.uid}. Make it writable, or choose another place ${ELSEWHERE}.`,
    }))
  }
  const isShared = (stats.mode & 0o002) !== 0
  if (isShared && (stats.mode & 0o1000) === 0) {
    found.push(finding('folder', 'note', `every user may rename files in ${path}`, {
      advice: 'Another user could put a PID file in the place of yours. Choose a folder of your own.',
    }))
  }
  return [...found, ...fileSystem(path)]
}

/** The server's log: where it is, how much there is of it, and whether the server still writes to it. */
import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Context } from '../context.js'
import { formatDuration } from '../text/duration.js'
import { finding, type Finding } from './finding.js'
import { isLiving, type Recorded } from './recorded.js'

/** Bytes from which a log is worth a word: a server that runs for weeks writes all its output into one file. */
const LARGE = 100 * 1024 * 1024

const sized = (bytes: number): string =>
  bytes < 10_000 ? `${bytes} bytes` : bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1_000_000)} MB`

const statsOf = (path: string): Stats | undefined => {
  try {
    return lstatSync(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** The file that the server's stdout leads to, where the kernel shows it. */
const outputOf = (pid: number | undefined): string | undefined => {
  try {
    return pid === undefined ? undefined : readlinkSync(`/proc/${pid}/fd/1`)
  } catch {
    return undefined
  }
}

/** The logs of launches that have no claim. A launch opens its log before it claims, and a client may have died in between. */
const forgotten = (path: string, launches: readonly string[]): string[] => {
  try {
    return readdirSync(dirname(path)).filter((name) => {
      const id = name.startsWith(`${basename(path)}.`) ? name.slice(basename(path).length + 1) : ''
      return /^[0-9a-f]{16}$/.test(id) && !launches.includes(id)
    })
  } catch {
    return []
  }
}

const ofFile = (path: string, stats: Stats | undefined, pid: number | undefined): Finding => {
  if (stats === undefined) {
    if (pid === undefined) return finding('log', 'ok', `none yet at ${path}`, { data: { path } })
    return finding('log', 'note', `${path} was deleted while the server runs`, {
      advice: 'The server still writes to the deleted file, which takes up space and which nobody can read, until one-server restart.',
      data: { path, stdout: outputOf(pid) },
    })
  }
  const data = { path, bytes: stats.size, uid: stats.uid, mode: (stats.mode & 0o7777).toString(8) }
  if (!stats.isFile()) {
    return finding('log', 'problem', `${path} is not a plain file`, {
      advice: 'A launch moves only a plain file aside, so no server can be started. Choose another --log-file.', data,
    })
  }
  if (process.getuid !== undefined && stats.uid !== process.getuid()) {
    return finding('log', 'note', `${path} belongs to uid ${stats.uid}`, {
      advice: 'The next launch moves it aside if the folder permits that.', data,
    })
  }
  if (stats.size > LARGE) {
    return finding('log', 'note', `${path} has ${sized(stats.size)}`, {
      advice: `It grows until the next launch. You may empty it at any time, even while the server runs: truncate -s 0 '${path}'`, data,
    })
  }
  return finding('log', 'ok', `${path}, ${sized(stats.size)}, written ${formatDuration(Date.now() - stats.mtimeMs)} ago`, { data })
}

const ofPrevious = (path: string): Finding[] => {
  const stats = statsOf(path)
  if (stats === undefined) return []
  const text = `${path}, ${sized(stats.size)}, of the run before`
  const data = { path, bytes: stats.size }
  if (stats.size <= LARGE) return [finding('log', 'ok', text, { data })]
  return [finding('log', 'note', text, { advice: 'You may remove it at any time.', data })]
}

export const log = async ({ settings }: Context, { launches, pidFile }: Recorded): Promise<Finding[]> => {
  const living = launches.find(isLiving)
  const path = living?.record?.logFile ?? (pidFile?.kind === 'record' ? pidFile.record.logFile : settings.logFile)
  const found = [ofFile(path, statsOf(path), living?.launch.leader.pid), ...ofPrevious(`${path}.prev`)]
  const left = forgotten(path, launches.map(({ launch }) => launch.id))
  if (left.length > 0) {
    const logs = left.length === 1 ? '1 log' : `${left.length} logs`
    found.push(finding('log', 'note', `${logs} of launches that never began: ${left.join(', ')}`, {
      advice: 'The next launch removes them.',
    }))
  }
  return found
}

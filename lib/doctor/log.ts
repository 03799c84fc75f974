/**
 * The server's output: where it goes, how much there is, and whether it still goes there.
 */
import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Context } from '../context.js'
import { formatDuration } from '../text/duration.js'
import { finding, type Finding } from './finding.js'
import { isLiving, type Recorded } from './recorded.js'

/** Bytes. A server that runs for weeks writes into one file. */
const LARGE = 100 * 1024 * 1024

const sized = (bytes: number): string => (bytes < 10_000 ? `${bytes} bytes` : bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1_000_000)} MB`)

const statsOf = (path: string): Stats | undefined => {
  try {
    return lstatSync(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** What the server's stdout is, where the kernel tells. */
const outputOf = (pid: number | undefined): string | undefined => {
  try {
    return pid === undefined ? undefined : readlinkSync(`/proc/${pid}/fd/1`)
  } catch {
    return undefined
  }
}

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
    return pid === undefined
      ? finding('log', 'ok', `none yet at ${path}`, { data: { path } })
      : finding('log', 'note', `${path} was deleted while the server runs`, { advice: 'What it prints goes where nobody can read it, and takes up space, until one-server restart.', data: { path, stdout: outputOf(pid) } })
  }
  const data = { path, bytes: stats.size, uid: stats.uid, mode: (stats.mode & 0o7777).toString(8) }
  if (!stats.isFile()) return finding('log', 'problem', `${path} is no plain file`, { advice: 'No launch moves that aside, so none begins. Choose another --log-file.', data })
  if (process.getuid !== undefined && stats.uid !== process.getuid()) return finding('log', 'note', `${path} belongs to uid ${stats.uid}`, { advice: 'The next launch moves it aside where the folder lets it.', data })
  if (stats.size > LARGE) return finding('log', 'note', `${path} has ${sized(stats.size)}`, { advice: 'It grows until the next launch. It may be emptied at any time, also while the server runs: truncate -s 0', data })
  return finding('log', 'ok', `${path}, ${sized(stats.size)}, written ${formatDuration(Date.now() - stats.mtimeMs)} ago`, { data })
}

export const log = async ({ settings }: Context, { launches, pidFile }: Recorded): Promise<Finding[]> => {
  const living = launches.find(isLiving)
  const path = living?.record?.logFile ?? (pidFile?.kind === 'record' ? pidFile.record.logFile : settings.logFile)
  const found = [ofFile(path, statsOf(path), living?.launch.leader.pid)]
  const previous = statsOf(`${path}.prev`)
  if (previous !== undefined) found.push(finding('log', previous.size > LARGE ? 'note' : 'ok', `${path}.prev, ${sized(previous.size)}, of the run before`, { ...(previous.size > LARGE ? { advice: 'It may be removed at any time.' } : {}), data: { path: `${path}.prev`, bytes: previous.size } }))
  const left = forgotten(path, launches.map(({ launch }) => launch.id))
  if (left.length > 0) found.push(finding('log', 'note', `${left.length} log${left.length === 1 ? '' : 's'} of launches that never were: ${left.join(', ')}`, { advice: 'The next launch removes them.' }))
  return found
}

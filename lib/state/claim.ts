/**
 * What a launch wrote down about itself: the record in the body of its claim, and the URL in its `.ready` mark.
 */
import { claimPath, markPath, type Launch, type Place } from './directory.js'
import { FORMAT, parseRecord, type LaunchRecord } from './launch-record.js'
import type { PidFile } from './pid-file.js'

/** What the launch wrote down about itself. The PID file is a copy of it, which the survey has read. */
export const recordOf = async (place: Place, launch: Launch, pidFile?: PidFile): Promise<LaunchRecord | undefined> => {
  if (pidFile?.kind === 'record' && isRecordOf(pidFile.record, launch)) return pidFile.record
  const { system, paths } = place
  const found = await system.read(claimPath(paths, launch.id, launch.leader))
  if (found.kind !== 'file') return undefined
  const record = parseRecord(found.text.trim())
  return typeof record === 'object' && isRecordOf(record, launch) ? record : undefined
}

export const isRecordOf = (record: LaunchRecord, { id, leader }: Launch): boolean =>
  record.launch === id && record.pid === leader.pid && record.start === leader.start && record.group === leader.group

/** The URL in the `.ready` mark of a launch: where its health check answered first, and everyone's from then on. */
export const readyUrl = async ({ system, paths }: Place, id: string): Promise<string | undefined> => {
  const found = await system.read(markPath(paths, id, 'ready'))
  if (found.kind !== 'file') return undefined
  try {
    const { format, url } = JSON.parse(found.text) as { format: unknown; url: unknown }
    return format === FORMAT && typeof url === 'string' && URL.canParse(url) ? url : undefined
  } catch {
    return undefined
  }
}

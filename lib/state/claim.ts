/**
 * What a launch wrote down about itself: the record in the body of its claim, and its `.ready` mark.
 */
import { baseUrl } from '../health/address.js'
import { claimPath, markPath, type Launch, type Place } from './directory.js'
import { FORMAT, parseRecord, type LaunchRecord } from './launch-record.js'
import type { PidFile } from './pid-file.js'
import { isUrl } from '../text/is-url.js'

type Named = Pick<Launch, 'id' | 'leader'>

/** What the launch wrote down about itself. The PID file is a copy of it, which the survey has read. */
export const recordOf = async (place: Place, launch: Named, pidFile?: PidFile): Promise<LaunchRecord | undefined> => {
  if (pidFile?.kind === 'record' && isRecordOf(pidFile.record, launch)) return pidFile.record
  const { system, paths } = place
  const found = await system.read(claimPath(paths, launch.id, launch.leader))
  if (found.kind !== 'file') return undefined
  const record = parseRecord(found.text.trim())
  return typeof record === 'object' && isRecordOf(record, launch) ? record : undefined
}

export const isRecordOf = (record: LaunchRecord, { id, leader }: Named): boolean =>
  record.launch === id && record.pid === leader.pid && record.start === leader.start && record.group === leader.group

/** What callers get of a server that may run on another host: its own address, port and PID there. */
export interface OnHost {
  readonly address: string
  readonly port: number
  readonly pid: number
  /** By its name, for people. */
  readonly host: string
  readonly epoch: number
}

/** Where a launch became ready: the literal address at which it is checked from then on, and the URL that callers get. */
export interface ReadyMark {
  readonly url: string
  readonly base: string
  /** Of a launch that is a steward: what callers get of the server, which may run on another host. */
  readonly at?: OnHost | undefined
  /** It does. */
  readonly isElsewhere?: boolean | undefined
}

/** Of a launch whose mark says nothing, callers get the address. */
export const unmarked = (url: string): ReadyMark => ({ url, base: baseUrl(url) })

/**
 * The `.ready` mark of a launch: where its health check answered first, and everyone's from then on. A client checks the address and never
 * the name, which could lead it to another server. A mark that an older one-server wrote has the address alone.
 */
export const readyMark = async ({ system, paths }: Place, id: string): Promise<ReadyMark | undefined> => {
  const found = await system.read(markPath(paths, id, 'ready'))
  if (found.kind !== 'file') return undefined
  try {
    const { format, url, base, at, isElsewhere } = JSON.parse(found.text) as Written
    if (format !== FORMAT || !isUrl(url)) return undefined
    return isUrl(base) ? { url, base, at, isElsewhere } : unmarked(url)
  } catch {
    return undefined
  }
}

type Written = Pick<ReadyMark, 'at' | 'isElsewhere'> & Readonly<Record<'format' | 'url' | 'base', unknown>>

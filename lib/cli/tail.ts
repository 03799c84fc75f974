/**
 * The end of a file, searched from its end: a log may be larger than memory, and its last lines must cost no more than those
 * of a small one.
 */
import type { FileHandle } from 'node:fs/promises'

const BLOCK = 64 * 1024
const NEWLINE = 0x0a

/** Where the last `lines` lines begin. A last line without its newline counts: the server wrote it last. */
export const startOfLastLines = async (file: FileHandle, size: number, lines: number): Promise<number> => {
  if (lines === 0) return size
  const block = Buffer.allocUnsafe(BLOCK)
  let left = lines
  let end = size
  while (end > 0) {
    const from = Math.max(0, end - BLOCK)
    const { bytesRead } = await file.read(block, 0, end - from, from)
    for (let at = bytesRead - 1; at >= 0; at--) {
      // The newline at the very end closes the last line; it does not begin another.
      if (block[at] === NEWLINE && from + at !== size - 1 && --left === 0) return from + at + 1
    }
    end = from
  }
  return 0
}

/** Copies from `from` to the end of the file, or to `to`, block by block; returns where it ended and its last byte. */
export const copy = async (
  file: FileHandle,
  from: number,
  write: (data: Uint8Array) => Promise<void>,
  { to = Number.POSITIVE_INFINITY, signal }: { to?: number; signal: AbortSignal },
): Promise<{ end: number; last: number | undefined }> => {
  let end = from
  let last: number | undefined
  while (end < to && !signal.aborted) {
    // A fresh block each time: the stream may hold on to the one before.
    const block = Buffer.allocUnsafe(Math.min(BLOCK, to - end))
    const { bytesRead } = await file.read(block, 0, block.length, end)
    if (bytesRead === 0) break
    await write(block.subarray(0, bytesRead))
    end += bytesRead
    last = block[bytesRead - 1]
  }
  return { end, last }
}

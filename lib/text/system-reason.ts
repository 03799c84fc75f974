/** What the system said of a call that failed, in words: a code alone helps only those who know it. Source: errno(3). */

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  ELOOP: 'it is a symbolic link',
  ENOENT: 'it does not exist',
  ENAMETOOLONG: 'the path is too long',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files on this machine',
  EAGAIN: 'no more processes may be started',
  ENOEXEC: 'it is no program for this system',
  E2BIG: 'arguments and environment are too long',
  EBADF: 'this runtime could not pass a file to it',
  ENOTEMPTY: 'it is not empty',
  EEXIST: 'something else is in its place',
}

export const systemReason = (cause: unknown): string => {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code !== undefined && REASONS[code] !== undefined) return `${REASONS[code]} (${code})`
  return cause instanceof Error ? cause.message : String(cause)
}

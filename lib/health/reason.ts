/** Why there was no answer, in words. */

export const reasonOf = (error: NodeJS.ErrnoException): string =>
  error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'the connection was refused' : error.code === 'ECONNRESET' ? 'the connection was closed without an answer' : error.message

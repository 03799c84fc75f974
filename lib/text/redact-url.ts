/**
 * A URL without secrets, for messages and logs: the user, the password and the query may be secret.
 */
export const redactUrl = (url: string): string => {
  try {
    const { protocol, host, pathname, search } = new URL(url)
    // A Unix socket has no host: socket:/path.
    return `${protocol}${host === '' ? '' : `//${host}`}${pathname}${search === '' ? '' : '?…'}`
  } catch {
    return 'a URL that cannot be read'
  }
}

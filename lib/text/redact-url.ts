/**
 * A URL as it may be shown to anybody: what may be a password or a token in it is left out.
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

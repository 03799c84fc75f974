/**
 * A URL as it may be shown to anybody: what may be a password or a token in it is left out.
 */
export const redacted = (url: string): string => {
  try {
    const { origin, pathname, search } = new URL(url)
    return `${origin}${pathname}${search === '' ? '' : '?…'}`
  } catch {
    return 'a URL that cannot be read'
  }
}

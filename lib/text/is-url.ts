/** Whether a value is the text of a URL. jsdom, in which Jest runs what is for a browser, has a URL without `canParse`. */
export const isUrl = (value: unknown): value is string => {
  try {
    return typeof value === 'string' && new URL(value).href !== ''
  } catch {
    return false
  }
}

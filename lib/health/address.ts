/** Where a server that listens on some host is reached from this machine, and which address its callers get. */

/** `[::1]` → `::1`. */
export const bareHost = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1')

/** The port of a URL; without one, the default port of http or https. */
export const portOf = ({ port, protocol }: URL): number => Number(port || (protocol === 'https:' ? 443 : 80))

/** Where a connection goes. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/**
 * The host and port that a URL leads to. Undefined for a URL without a host, such as that of a Unix socket: no table of the
 * kernel shows who answers there.
 */
export const endpointOf = (href: string): Endpoint | undefined => {
  const url = new URL(href)
  return url.hostname === '' ? undefined : { host: bareHost(url.hostname), port: portOf(url) }
}

export const isLoopback = (hostname: string): boolean => {
  const host = bareHost(hostname)
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/**
 * The literal addresses at which a server that listens on `host` is reached. A name could lead a client to an address at
 * which only another server listens, so both addresses of `localhost` are asked.
 */
export const addressesOf = (host: string): readonly string[] => {
  switch (host.toLowerCase()) {
    case 'localhost':
      return ['127.0.0.1', '[::1]']
    case '0.0.0.0':
      return ['127.0.0.1']
    case '::':
      return ['[::1]', '127.0.0.1']
    default:
      return [host.includes(':') ? `[${host}]` : host]
  }
}

let last: { readonly href: string; readonly base: string } | undefined

/** A URL without what is only for the check: the origin of an HTTP URL, another URL as it is. Each call asks, so the last one is kept. */
export const baseUrl = (href: string): string => {
  if (last?.href === href) return last.base
  const { origin } = new URL(href)
  return (last = { href, base: origin === 'null' ? href : origin }).base
}

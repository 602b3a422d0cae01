/** What the name in a proxy's path asks for: `[scheme:]name[:port]`. Pure. Source: apimachinery `util/net/port_split.go` `SplitSchemeNamePort`. */
import { isIPv4 } from 'node:net';
import { badRequest } from '#pkg/apimachinery/status-error.ts';

/** The parts of such a name. */
export interface ProxyName {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  /** `''` where none is named. */
  readonly port: string;
}

/** Throws BadRequest for what is no such name; `what` is the kind, in the words of the error. */
export function parseProxyName(text: string, what: 'node' | 'pod' | 'service'): ProxyName {
  const parts = text.split(':');
  const [scheme = '', name = '', port = ''] = parts.length === 3 ? parts : ['', ...parts];
  if (parts.length > 3 || name === '' || !['', 'http', 'https'].includes(scheme)) {
    throw badRequest(`invalid ${what} request ${JSON.stringify(text)}`);
  }
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port };
}

/**
 * Throws BadRequest for an address that is not one of a pod: none, one of a link, or of many. Unlike upstream's, pods may have loopback addresses,
 * which is where they are on the loopback network.
 */
export function checkProxyAddress(address: string): void {
  const [first = 0, second = 0] = address.split('.').map(Number);
  const isGood = isIPv4(address)
    ? first > 0 && first < 224 && !(first === 169 && second === 254)
    : address.includes(':') && !/^(::1?$|fe[89ab]|ff)/i.test(address);
  if (!isGood) throw badRequest('address not allowed');
}

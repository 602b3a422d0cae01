/** The file `resolv.conf`, read. Source: resolv.conf(5). */
import { parseIp } from '#pkg/apimachinery/ip.ts';
import type { NameServer } from './forwarder.ts';

/** Port of name servers, which the file does not say. */
const nameServerPort = 53;

/** The name servers of a file, in its order; lines that say nothing of them are passed over. */
export function upstreamsIn(text: string): readonly NameServer[] {
  return text.split('\n').flatMap((line) => {
    const [keyword, address = ''] = line.trim().split(/\s+/);
    // An address of IPv6 may name its interface.
    const isAddress = parseIp(address.replace(/%.*/, '')) !== undefined;
    return keyword === 'nameserver' && isAddress ? [{ address, port: nameServerPort }] : [];
  });
}

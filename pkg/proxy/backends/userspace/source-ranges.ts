/** Which clients a portal lets in. */
import { BlockList, isIP } from 'node:net';

/** A test of client addresses against CIDRs; an empty list lets everyone in, a CIDR that cannot be read lets nobody more in. */
export function sourceTest(ranges: readonly string[]): (clientIp: string) => boolean {
  if (ranges.length === 0) return () => true;
  const list = new BlockList();
  for (const range of ranges) {
    const [ip = '', bits = ''] = range.split('/');
    const family = familyOf(ip);
    if (family !== undefined && /^\d+$/.test(bits) && Number(bits) <= (family === 'ipv4' ? 32 : 128)) {
      list.addSubnet(ip, Number(bits), family);
    }
  }
  return (clientIp) => {
    const family = familyOf(clientIp);
    return family !== undefined && list.check(clientIp, family);
  };
}

function familyOf(ip: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(ip);
  return version === 0 ? undefined : version === 4 ? 'ipv4' : 'ipv6';
}

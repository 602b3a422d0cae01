/** Which clients a portal lets in. */
import { blockContains, type IpBlock, isMappedIpv4, parseCidr, parseIp } from '#pkg/apimachinery/ip.ts';

/** A test of client addresses against CIDRs; an empty list lets everyone in, a CIDR that cannot be read lets nobody more in. */
export function sourceTest(ranges: readonly string[]): (clientIp: string) => boolean {
  if (ranges.length === 0) return () => true;
  const blocks = ranges.map(parseCidr).filter((block): block is IpBlock => block !== undefined);
  return (clientIp) => {
    const address = parseIp(clientIp);
    if (address === undefined) return false;
    // A socket of both families names clients of IPv4 so.
    const ip = isMappedIpv4(address) ? address.subarray(12) : address;
    return blocks.some((block) => blockContains(block, ip));
  };
}

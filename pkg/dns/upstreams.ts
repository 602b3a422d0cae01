/** Whom cluster DNS asks about names that are not the cluster's. */
import { parseIp } from '#pkg/apimachinery/ip.ts';
import { readResolvConf } from '#pkg/network/resolv-conf.ts';
import type { NameServer } from './forwarder.ts';

/** Port of name servers, which the file does not say. */
const nameServerPort = 53;

/** The name servers of a `resolv.conf`, in its order; what is no address is passed over. */
export function upstreamsIn(text: string): readonly NameServer[] {
  return (
    readResolvConf(text)
      // An address of IPv6 may name its interface.
      .servers.filter((address) => parseIp(address.replace(/%.*/, '')) !== undefined)
      .map((address) => ({ address, port: nameServerPort }))
  );
}

/** Where a request comes from, by what proxies say and what the connection itself says. Source: apimachinery `util/net` `SourceIPs`. */
import { isIP } from 'node:net';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';

/** Callers in the same process, whose requests need no connection. */
const sameProcess: readonly string[] = ['127.0.0.1'];

/** Addresses that proxies may have named, at most: a header of any length makes no event of that length. */
const forwardedMax = 64;

/** Addresses in order; all but the last are what the client says. */
export function sourceIps({ headers, peer }: Pick<ApiRequest, 'headers' | 'peer'>): readonly string[] {
  const remote = peer.address.startsWith('::ffff:') ? peer.address.slice(7) : peer.address;
  const forwarded = headers['x-forwarded-for'];
  const real = headers['x-real-ip'];
  if (forwarded === undefined && real === undefined) return remote === '' ? sameProcess : [remote];
  const found = (forwarded ?? '')
    .split(',', forwardedMax)
    .map((part) => part.trim())
    .filter((part) => isIP(part) !== 0);
  if (real !== undefined && isIP(real) !== 0 && !found.includes(real)) found.push(real);
  if (remote !== '' && found.at(-1) !== remote) found.push(remote);
  return found;
}

/** The address of this machine on its network. Upstream counterpart: `apimachinery/pkg/util/net` `ResolveBindAddress`. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { UserError } from '#pkg/component/user-error.ts';

/**
 * `address` as others reach it: itself, or for `0.0.0.0` the IPv4 address of the interface that leads off the machine by default, and without one the
 * first that is not its own alone. Throws `UserError` where there is none.
 */
export function machineAddress(address: string): string {
  if (address !== '0.0.0.0') return address;
  const interfaces = Object.entries(networkInterfaces());
  const outward = outwardInterface(routes());
  const found = [...interfaces.filter(([name]) => name === outward), ...interfaces]
    .flatMap(([, addresses = []]) => addresses)
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found !== undefined) return found.address;
  throw new UserError(
    'Cannot tell the address of this machine as it has no IPv4 network: give one in place of 0.0.0.0',
  );
}

/** By which the default route goes, of the text of `/proc/net/route`; undefined without one. Bridges of pods may be listed before it. Source: proc(5). */
export function outwardInterface(text: string): string | undefined {
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/));
  return rows.find(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')?.[0];
}

function routes(): string {
  try {
    return readFileSync('/proc/net/route', 'latin1');
  } catch {
    return '';
  }
}

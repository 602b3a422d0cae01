/** The address of this machine on its network. Upstream counterpart: `apimachinery/pkg/util/net` `ResolveBindAddress`. */
import { networkInterfaces } from 'node:os';
import { UserError } from '#pkg/component/user-error.ts';

/**
 * `address` as others reach it: itself, or for `0.0.0.0` the first IPv4 address of an interface that leads off the machine. Throws `UserError`
 * where there is none.
 */
export function machineAddress(address: string): string {
  if (address !== '0.0.0.0') return address;
  const found = Object.values(networkInterfaces())
    .flatMap((interfaces) => interfaces ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found !== undefined) return found.address;
  throw new UserError(
    'Cannot tell the address of this machine as it has no IPv4 network: give one in place of 0.0.0.0',
  );
}

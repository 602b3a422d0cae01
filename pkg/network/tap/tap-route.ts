/** What a pod's namespace says of the way out, for a guest that has the pod's address. Pure. Source: proc_pid_net(5), `route`: numbers of 32 bits in the order of bytes of the machine. */
import { addressNumber } from '#pkg/vmm/host/frames.ts';
import type { TapRoute } from './tap-orders.ts';

/** The gateway, and the neighbours: those of the link's own range, or, where it has none, the fewest that include the gateway, as kernels want it to be one. */
export function routeOf(table: string, address: string): TapRoute {
  const rows = table
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .map(([link, to = '', via = '', , , , , mask = '']) => ({
      link,
      to: numberOf(to),
      via: numberOf(via),
      mask: numberOf(mask),
    }))
    .filter(({ link }) => link === 'eth0');
  const own = addressNumber(address);
  const gateway = rows.find(({ mask, via }) => mask === 0 && via !== 0)?.via;
  const near = rows.find(
    ({ to, via, mask }) => via === 0 && mask !== 0 && mask !== 0xffffffff && (own & mask) >>> 0 === to,
  );
  const bits = near === undefined ? Math.clz32((gateway ?? own) ^ own) : Math.clz32(~near.mask);
  return { prefixBits: bits, ...(gateway === undefined ? {} : { gateway: textOf(gateway) }) };
}

function numberOf(hex: string): number {
  const number = Number.parseInt(hex, 16);
  return (((number & 0xff) << 24) | ((number & 0xff00) << 8) | ((number >>> 8) & 0xff00) | (number >>> 24)) >>> 0;
}

function textOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/** Opens the tap of a machine, in the thread that has its frames. Needs `node:ffi`, so it is loaded by those alone that have one. */
import { TapFrames } from '#pkg/network/tap/tap-frames.ts';
import { addressNumber } from '#pkg/vmm/host/frames.ts';
import { guestAddress } from '#pkg/vmm/host/user-network.ts';
import { agentPort } from '../agent-port.ts';
import type { GuestStart, GuestTap } from './protocol.ts';
import { TapEnd } from './tap-end.ts';

/** The machine's end of it; `arrived`: there are frames for the guest. Commands are run by who may, so their port is closed to everybody else. */
export function openTapEnd(
  { mac, ownAddress = guestAddress }: Pick<GuestStart, 'mac' | 'ownAddress'>,
  { tap, arrived }: { readonly tap: GuestTap; arrived(): void },
): TapEnd {
  const { gateway } = tap;
  const place = {
    outer: { mac: tap.mac, address: addressNumber(tap.address) },
    ...(gateway === undefined ? {} : { gateway }),
    closedPorts: [agentPort],
  };
  return new TapEnd(new TapFrames(tap.handle, arrived), {
    place,
    inner: { mac, address: addressNumber(ownAddress) },
  });
}

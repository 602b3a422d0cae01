/**
 * Holds a pod to its bandwidth, at the node's end of its link, where no pod can change it: what goes to the pod waits in a token bucket of the link, what comes from it is
 * led through a device of its own and waits there. Programs of `ip` and `tc` do it, for the few pods that ask.
 * Source: tc-tbf(8). Upstream counterpart: CNI plugin `bandwidth`.
 */
import { burstBytes } from '../bandwidth.ts';
import { hostCommand, tryHostCommand } from '../host/host-command.ts';
import type { PodBandwidth } from '../pod-network.ts';

/** What would wait longer is dropped, by which senders know. Source: CNI plugin `bandwidth`. */
const latency = '25ms';

/** Which link. */
export interface ShapedLink {
  /** Path of the namespace of the bridge; absent for that of this process. */
  readonly namespace: string | undefined;
  /** Name of the node's end. */
  readonly link: string;
  /** Name of the device that what the pod sends is led through. */
  readonly shaper: string;
  readonly bandwidth: PodBandwidth;
}

/** Shapes it, anew where it is shaped already. Rejects where the kernel does not know how; part of it may be there then. */
export async function shapeLink({ namespace, link, shaper, bandwidth }: ShapedLink): Promise<void> {
  const { toPod, fromPod } = bandwidth;
  const bucket = (device: string, bits: number): string =>
    `qdisc replace dev ${device} root tbf rate ${bits}bit burst ${burstBytes(bits)}b latency ${latency}`;
  // Of a kubelet that was ended meanwhile.
  await tryHostCommand(['tc', 'qdisc', 'delete', 'dev', link, 'ingress'], { namespace });
  await tryHostCommand(['ip', 'link', 'delete', shaper], { namespace });
  if (fromPod !== undefined)
    await hostCommand(['ip', '-batch', '-'], {
      namespace,
      input: `link add name ${shaper} type ifb\nlink set ${shaper} up\n`,
    });
  const commands = [
    ...(toPod === undefined ? [] : [bucket(link, toPod)]),
    ...(fromPod === undefined
      ? []
      : [
          bucket(shaper, fromPod),
          `qdisc add dev ${link} ingress`,
          `filter add dev ${link} parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ${shaper}`,
        ]),
  ];
  await hostCommand(['tc', '-batch', '-'], { namespace, input: `${commands.join('\n')}\n` });
}

/**
 * Ports of the machine at which ports of nodes answer, as a cluster file maps them: this process listens there and carries the bytes to the node's
 * address, for as long as the cluster runs. A mapping to where the node answers anyway is there without it.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { networkTable } from '#pkg/cluster/networks.ts';
import type { PortMapping } from '#pkg/cluster/node-spec.ts';
import type { ClusterSettings } from '#pkg/cluster/settings.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { createLoopbackHostPorts } from '#pkg/network/loopback/loopback-host-ports.ts';

/** All addresses of the machine. */
const everyAddress = '0.0.0.0';

/** Listens at all of them, or at none and throws `UserError`. `close` ends what was carried. */
export async function openPortMappings(
  settings: ClusterSettings,
  clock: Clock,
): Promise<{ readonly close: () => Promise<void> }> {
  const ports = createLoopbackHostPorts({ clock, nodeAddress: everyAddress });
  const kernel = networkTable[settings.network]?.kernel;
  try {
    for (const [index, { name, extraPortMappings = [] }] of (settings.nodeSpecs ?? []).entries()) {
      const address = kernel?.nodeAddress(settings, index) ?? settings.nodeAddress;
      const mappings = extraPortMappings.filter((one) => !isThere(one, address));
      refuseHidden(name, mappings, address);
      const failures = await ports.publish(name, {
        addresses: [address],
        ports: mappings.map(({ listenAddress: hostIp, ...port }) => ({ hostIp, ...port })),
      });
      const [failure] = failures;
      if (failure !== undefined) throw new UserError(`Cannot map a port to the node ${name}: ${failure.message}`);
    }
  } catch (error) {
    await ports.close();
    throw error;
  }
  return ports;
}

function isThere({ listenAddress, hostPort, containerPort }: PortMapping, address: string): boolean {
  return listenAddress === address && hostPort === containerPort;
}

/** Who listens at a port of all addresses has it at the node's too, where its Services would listen. */
function refuseHidden(name: string, mappings: readonly PortMapping[], address: string): void {
  const hidden = mappings.find(
    ({ listenAddress, hostPort, containerPort }) =>
      listenAddress === everyAddress && hostPort === containerPort && address.startsWith('127.'),
  );
  if (hidden === undefined) return;
  throw new UserError(
    `Cannot map the port ${hidden.hostPort} of all addresses to that of the node ${name} as ${address} is one of them: name another hostPort, or one address`,
  );
}

/** Ports of the machine that lead into containers, carried by this process as Docker's own proxy does: so they answer at every address of the machine, 127.0.0.1 too. */
import type { Clock } from '#pkg/base/clock.ts';
import { Connections } from '#pkg/network/relay/connections.ts';
import { fixedEndpoint } from '#pkg/network/relay/fixed-endpoint.ts';
import { addressKey, listenProblem } from '#pkg/network/relay/relay.ts';
import { TcpRelay } from '#pkg/network/relay/tcp-relay.ts';
import { Flows, UdpRelay } from '#pkg/network/relay/udp-relay.ts';
import { DockerError } from './docker-error.ts';
import type { PortWish } from './wish.ts';

/** A port that answers. */
export type PublishedPort = PortWish & { readonly hostPort: number };

/** Those of one container. */
export interface Publication {
  readonly ports: readonly PublishedPort[];
  close(): Promise<void>;
}

const connectionsMax = 4096;
const flowsMax = 1024;
const anyAddress = '0.0.0.0';

/** Publishes ports of a container's address. Rejects, with nothing left, when one cannot be had. */
export async function publishPorts(
  wishes: readonly PortWish[],
  { ip, clock }: { readonly ip: string; readonly clock: Clock },
): Promise<Publication> {
  const connections = new Connections(connectionsMax);
  const relays: { readonly port: number; close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(relays.map((relay) => relay.close()));
    await connections.close();
  };
  const ports: PublishedPort[] = [];
  for (const wish of wishes) {
    const chooser = fixedEndpoint({ ip, port: wish.containerPort });
    const address = { ip: wish.hostIp || anyAddress, port: wish.hostPort };
    try {
      const relay =
        wish.protocol === 'tcp'
          ? await TcpRelay.open(address, { chooser, clock, connections })
          : await UdpRelay.open(address, { chooser, clock, flows: new Flows(flowsMax) });
      relays.push(relay);
      ports.push({ ...wish, hostIp: address.ip, hostPort: relay.port });
    } catch (error) {
      await close();
      throw new DockerError(
        500,
        `driver failed programming external connectivity: Bind for ${addressKey(address)} failed: ${listenProblem(error)}`,
        error,
      );
    }
  }
  return { ports, close };
}

/**
 * Tells programs of the node which of its devices, processors and claims are whose: the service `PodResourcesLister` at `pod-resources/kubelet.sock`. It only looks.
 * Upstream counterpart: kubelet `apis/podresources/server_v1.go`.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { aborted } from '#pkg/base/async.ts';
import { GrpcError, grpcCodes } from '#pkg/grpc/grpc-error.ts';
import { serveGrpc } from '#pkg/grpc/grpc-server.ts';
import { framed, type MessageWriter } from '#pkg/grpc/message.ts';
import { isSidecar } from '../model/pod-view.ts';
import { socketPlace } from '../plugins/socket-place.ts';

/** Devices of one resource. */
export interface ListedDevices {
  readonly resource: string;
  readonly ids: readonly string[];
  /** Memory that they are near to. */
  readonly numaNodes: readonly number[];
}

/** Memory of one kind. */
export interface ListedMemory {
  /** `memory`, `hugepages-2Mi`. */
  readonly type: string;
  /** In bytes. */
  readonly size: number;
  readonly numaAffinity: readonly number[];
}

/** A claim, and what of it was made ready. */
export interface ListedClaim {
  readonly name: string;
  readonly namespace: string;
  readonly devices: readonly {
    readonly driver: string;
    readonly pool: string;
    readonly device: string;
    readonly cdiDevices: readonly string[];
  }[];
}

/** What a container has of the node. */
export interface ListedResources {
  readonly devices: readonly ListedDevices[];
  /** Processors that it has for itself. */
  readonly cpus: readonly number[];
  /** Memory that it is kept to. */
  readonly memory: readonly ListedMemory[];
  readonly claims: readonly ListedClaim[];
}

/** What is looked at. */
export interface PodResourcesDeps {
  /** Those of the node that are not over. */
  pods(): readonly Pod[];
  resourcesOf(pod: Pod, container: string): ListedResources;
  /** What may be given to containers. */
  allocatable(): Pick<ListedResources, 'cpus' | 'devices' | 'memory'>;
}

const service = '/v1.PodResourcesLister';

/** Answers at the socket until `signal` is aborted. Rejects where it cannot listen. */
export async function servePodResources(
  socketPath: string,
  deps: PodResourcesDeps,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o750 });
  const place = await socketPlace(socketPath);
  const living = (): readonly Pod[] => deps.pods().filter((pod) => !isPodTerminal(pod));
  const server = await serveGrpc(place.path, {
    [`${service}/List`]: async () =>
      framed((message) => message.messages(1, living(), (pod) => writePod(message, pod, deps))),
    [`${service}/Get`]: async (request) => {
      const [name, namespace] = [request.string(1), request.string(2)];
      const pod = living().find(({ metadata }) => metadata?.name === name && metadata.namespace === namespace);
      if (pod === undefined)
        throw new GrpcError(`pod ${name} in namespace ${namespace} not found`, {
          code: grpcCodes.unknown,
          wasSent: true,
        });
      return framed((message) => message.message(1, () => writePod(message, pod, deps)));
    },
    [`${service}/GetAllocatableResources`]: async () =>
      framed((message) => {
        const { cpus, devices, memory } = deps.allocatable();
        message.messages(1, devices, (one) => writeDevices(message, one));
        message.packed(2, cpus);
        message.messages(3, memory, (one) => writeMemory(message, one));
      }),
  });
  await aborted(signal);
  await server.close();
  await place.close();
}

function writePod(message: MessageWriter, pod: Pod, deps: PodResourcesDeps): void {
  const { metadata, spec } = pod;
  const containers = [...(spec?.initContainers ?? []).filter(isSidecar), ...(spec?.containers ?? [])];
  message.string(1, metadata?.name);
  message.string(2, metadata?.namespace);
  message.messages(3, containers, ({ name }) => {
    const { devices, cpus, memory, claims } = deps.resourcesOf(pod, name);
    message.string(1, name);
    message.messages(2, devices, (one) => writeDevices(message, one));
    message.packed(3, cpus);
    message.messages(4, memory, (one) => writeMemory(message, one));
    message.messages(5, claims, (claim) => writeClaim(message, claim));
  });
}

function writeDevices(message: MessageWriter, { resource, ids, numaNodes }: ListedDevices): void {
  message.string(1, resource);
  message.strings(2, ids);
  if (numaNodes.length > 0) writeTopology(message, numaNodes);
}

function writeMemory(message: MessageWriter, { type, size, numaAffinity }: ListedMemory): void {
  message.string(1, type);
  message.number(2, size);
  writeTopology(message, numaAffinity);
}

function writeTopology(message: MessageWriter, nodes: readonly number[]): void {
  message.message(3, () => message.messages(1, nodes, (node) => message.number(1, node)));
}

function writeClaim(message: MessageWriter, { name, namespace, devices }: ListedClaim): void {
  message.string(2, name);
  message.string(3, namespace);
  message.messages(4, devices, ({ driver, pool, device, cdiDevices }) => {
    message.messages(1, cdiDevices, (cdi) => message.string(1, cdi));
    message.string(2, driver);
    message.string(3, pool);
    message.string(4, device);
  });
}

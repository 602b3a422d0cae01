/**
 * A runtime as a kubelet that may stop sees it: no call begins once it has, and whoever waits for one then gets a `KubeletStoppingError` at once.
 * The call itself goes on alone, as with a runtime that is a process of its own: a container that is being started may come to run, and the next
 * kubelet finds it. Upstream counterpart: the context of CRI calls, which ends with the kubelet.
 */
import type { ProbeTransport } from './probe-transport.ts';
import type { ContainerService, ImageRemoval, ImageService, Runtime, SandboxService } from './runtime.ts';

/** Why a step ended in the middle: the kubelet stops, and what its runtime has begun is left to the runtime. */
export class KubeletStoppingError extends Error {
  override readonly name = 'KubeletStoppingError';
}

/** Waiting that ends with a kubelet. One for each: a signal that thousands of nodes share is slow to listen to. */
export class Leaving {
  readonly #waiting = new Set<(error: KubeletStoppingError) => void>();
  readonly #signal: AbortSignal;

  constructor(stopping: AbortSignal) {
    this.#signal = stopping;
    stopping.addEventListener('abort', () => this.#leaveAll(), { once: true });
  }

  /** The outcome of `work`. Throws `KubeletStoppingError` as soon as the kubelet stops; once it has, `work` is not called. */
  async wait<T>(work: () => Promise<T>): Promise<T> {
    if (this.#signal.aborted) throw new KubeletStoppingError();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.add(reject);
    work().then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#waiting.delete(reject);
    }
  }

  #leaveAll(): void {
    for (const leave of this.#waiting) leave(new KubeletStoppingError());
    this.#waiting.clear();
  }
}

/** `runtime`, whose calls nobody waits for once `leaving` says so. What only looks, such as logs and lists, is as it is. */
export function leavingRuntime(runtime: Runtime, leaving: Leaving): Runtime {
  const { sandboxes, containers, images, inspection } = runtime;
  const sandboxCalls: SandboxService = {
    run: (config) => leaving.wait(() => sandboxes.run(config)),
    stop: (id) => leaving.wait(() => sandboxes.stop(id)),
    remove: (id) => leaving.wait(() => sandboxes.remove(id)),
    list: () => sandboxes.list(),
    ...(sandboxes.update === undefined
      ? {}
      : { update: (id, resources) => leaving.wait(async () => sandboxes.update?.(id, resources)) }),
  };
  const containerCalls: ContainerService = {
    create: (sandboxId, config) => leaving.wait(() => containers.create(sandboxId, config)),
    start: (id) => leaving.wait(() => containers.start(id)),
    stop: (id, options) => leaving.wait(() => containers.stop(id, options)),
    remove: (id) => leaving.wait(() => containers.remove(id)),
    update: (id, resources) => leaving.wait(() => containers.update(id, resources)),
    status: (id) => leaving.wait(() => containers.status(id)),
    list: () => containers.list(),
    ...(containers.freezer === undefined ? {} : { freezer: containers.freezer }),
  };
  const imageCalls: ImageService = {
    status: (image) => leaving.wait(() => images.status(image)),
    pull: (image, options) => leaving.wait(() => images.pull(image, options)),
    list: () => images.list(),
    ...(images.removal === undefined ? {} : { removal: leavingRemoval(images.removal, leaving) }),
  };
  return {
    capabilities: runtime.capabilities,
    sandboxes: sandboxCalls,
    containers: containerCalls,
    images: imageCalls,
    inspection: {
      exec: (id, options) => leaving.wait(() => inspection.exec(id, options)),
      logs: (id, options) => inspection.logs(id, options),
      stats: (id) => inspection.stats(id),
    },
    streaming: runtime.streaming,
    ...(runtime.probes === undefined ? {} : { probes: leavingProbes(runtime.probes, leaving) }),
    onExit: (listener) => runtime.onExit(listener),
    ...(runtime.onTrouble === undefined
      ? {}
      : { onTrouble: (listener: (message: string) => void) => runtime.onTrouble?.(listener) ?? (() => {}) }),
    close: () => runtime.close(),
  };
}

function leavingRemoval(removal: ImageRemoval, leaving: Leaving): ImageRemoval {
  return {
    inUse: () => leaving.wait(() => removal.inUse()),
    remove: (id) => leaving.wait(() => removal.remove(id)),
    ...(removal.disk === undefined ? {} : { disk: () => leaving.wait(async () => removal.disk?.()) }),
  };
}

function leavingProbes(probes: ProbeTransport, leaving: Leaving): ProbeTransport {
  const { exec } = probes;
  return {
    http: (request, target) => leaving.wait(() => probes.http(request, target)),
    tcp: (request, target) => leaving.wait(() => probes.tcp(request, target)),
    grpc: (request, target) => leaving.wait(() => probes.grpc(request, target)),
    ...(exec === undefined
      ? {}
      : { exec: (command, target) => leaving.wait(() => exec.call(probes, command, target)) }),
  };
}

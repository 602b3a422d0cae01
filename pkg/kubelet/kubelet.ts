/**
 * The kubelet: runs the pods of one node through its runtimes and tells the API how they are. It keeps one worker per pod
 * and none of its parts does anything while nothing happens but the node's lease and status.
 *
 * It opens no sockets: its own API is `handle`, probes go through an injected transport. Containers are left alone when it
 * stops; whoever made the runtimes closes them. Upstream counterpart: `pkg/kubelet/kubelet.go`.
 */
import { runtimeClasses, services } from '#pkg/api/types/refs.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { Component } from '#pkg/component/component.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { KubeletRun, type Sources } from './kubelet-run.ts';
import { ownNode, ownPods } from './pod-sources.ts';
import { ProbeCounts } from './probes/probe-counts.ts';
import { createKubeletHandler } from './server/kubelet-handler.ts';

/** A kubelet that has been made; it works while it runs. */
export interface Kubelet extends Component {
  readonly nodeName: string;
  /** The kubelet's own API: pods, logs, statistics. */
  readonly handle: ApiHandler;
  /** Ends all pods, where settings say how, as the node shuts down: to be called before it is stopped. Resolves when it may be. */
  shutDown(): Promise<void>;
}

/** A kubelet; nothing happens before `run`, which can be called once. */
export function createKubelet(options: KubeletOptions): Kubelet {
  return new NodeKubelet(options);
}

class NodeKubelet implements Kubelet {
  readonly nodeName: string;
  readonly handle: ApiHandler;
  readonly #options: KubeletOptions;
  readonly #sources: Sources;
  readonly #probeCounts: ProbeCounts;
  #run: KubeletRun | undefined;

  constructor(options: KubeletOptions) {
    const { deps, nodeName } = options;
    this.#options = options;
    this.nodeName = nodeName;
    this.#sources = {
      pods: options.podSource ?? ownPods(deps, nodeName),
      node: options.nodeSource ?? ownNode(deps, nodeName),
    };
    deps.informers.informer(services);
    deps.informers.informer(runtimeClasses);
    this.#probeCounts = new ProbeCounts();
    this.handle = createKubeletHandler({
      clock: deps.clock,
      nodeName,
      settings: options,
      probeCounts: this.#probeCounts,
      workers: () => this.#run?.pods.list() ?? [],
      volumesOf: async (podUid) => this.#run?.volumesOf(podUid) ?? [],
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#run = new KubeletRun(this.#options, { ...this.#sources, probeCounts: this.#probeCounts }, signal);
    await this.#run.run();
  }

  async shutDown(): Promise<void> {
    await this.#run?.shutdown?.run();
  }
}

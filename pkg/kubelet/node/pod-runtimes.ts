/**
 * Which runtime each pod of a node has: the one that has something of it already, else the one that its RuntimeClass names. Invariant: what a pod was
 * begun with stays its runtime, whatever becomes of the class. A class that the kubelet has not heard of yet and a handler that the node does not have
 * may still come, so their pods wait. Upstream counterpart: kubelet `runtimeclass/runtimeclass_manager.go`, which is asked for each sandbox.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { RuntimeClass } from '#pkg/api/types/node-v1.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type ChosenRuntime, chooseRuntime, type NodeRuntimes } from './runtime-choice.ts';

/** What it follows from. */
export interface PodRuntimesDeps extends NodeRuntimes {
  /** The class of a name, as far as the kubelet has heard of it. */
  classOf(name: string): Pick<RuntimeClass, 'handler'> | undefined;
}

/** The runtimes by pod. */
export class PodRuntimes {
  readonly #deps: PodRuntimesDeps;
  readonly #byUid = new Map<string, ChosenRuntime>();

  constructor(deps: PodRuntimesDeps) {
    this.#deps = deps;
  }

  /** That of pods without a class. */
  get fallback(): Runtime {
    const { defaultRuntime, runtimes } = this.#deps;
    return runtimes[defaultRuntime]!;
  }

  /** A runtime has something of a pod from before the kubelet started. */
  found(podUid: string, chosen: ChosenRuntime): void {
    this.#byUid.set(podUid, chosen);
  }

  /** The runtime of a pod; undefined while there is none for its class. */
  of(pod: Pod): ChosenRuntime | undefined {
    const uid = pod.metadata?.uid ?? '';
    const known = this.#byUid.get(uid);
    if (known !== undefined) return known;
    const chosen = this.#choose(pod);
    if (chosen !== undefined) this.#byUid.set(uid, chosen);
    return chosen;
  }

  /** Why a pod has none yet, in one sentence. */
  problem(pod: Pod): string {
    const name = pod.spec?.runtimeClassName ?? '';
    const handler = this.#deps.classOf(name)?.handler;
    if (handler === undefined) return `runtimeclass.node.k8s.io "${name}" not found`;
    return `failed to get sandbox runtime: no runtime for "${handler}" is configured`;
  }

  /** Nothing of the pod is left. */
  forget(podUid: string): void {
    this.#byUid.delete(podUid);
  }

  #choose(pod: Pod): ChosenRuntime | undefined {
    const name = pod.spec?.runtimeClassName ?? '';
    if (name === '') return chooseRuntime(undefined, this.#deps);
    const handler = this.#deps.classOf(name)?.handler;
    return handler === undefined ? undefined : chooseRuntime(handler, this.#deps);
  }
}

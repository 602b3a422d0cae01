/** What plugins share while one pod is scheduled. */
import type { ClusterView } from '../model/cluster-view.ts';
import type { PodInfo } from '../model/pod-info.ts';

/** A name for one kind of value in a cycle's state; `T` is the value's type. */
export interface StateKey<T> {
  readonly name: string;
  /** Carries `T` for the compiler; never present. */
  readonly value?: T;
}

/** Values that a plugin leaves for its own later extension points; one per attempt to schedule a pod. */
export class CycleState {
  readonly #values = new Map<string, unknown>();

  write<T>(key: StateKey<T>, value: T): void {
    this.#values.set(key.name, value);
  }

  read<T>(key: StateKey<T>): T | undefined {
    return this.#values.get(key.name) as T | undefined;
  }
}

/** One attempt to schedule one pod. */
export interface Cycle {
  readonly pod: PodInfo;
  readonly cluster: ClusterView;
  readonly state: CycleState;
}

/**
 * Records what happened to an object as an Event, as `kubectl describe` shows it. Equal events within ten minutes are counted in one
 * Event instead of making new ones; more than 25 in a burst on one object (then one per five minutes) are dropped, as upstream does.
 * Recording never waits and never fails its caller. Upstream counterpart: client-go `tools/record`.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';

export interface EventRecorder {
  /**
   * `object` needs apiVersion, kind, and metadata with name, namespace, uid. `reason` is a short CamelCase word, `message` a sentence.
   */
  record(
    object: KubeObject,
    event: {
      readonly type: 'Normal' | 'Warning';
      readonly reason: string;
      readonly message: string;
      readonly fieldPath?: string;
    },
  ): void;
  /** Resolves when all that was recorded so far was sent or given up. */
  flush(): Promise<void>;
}

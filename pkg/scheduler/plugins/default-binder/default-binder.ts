/** Binds a pod by creating its `binding` subresource. Upstream counterpart: `plugins/defaultbinder`. */
import type { Binding } from '#pkg/api/types/core-v1.ts';
import type { BindPlugin } from '../../framework/plugin.ts';
import { success } from '../../framework/status.ts';

/** Sends a binding to the API server; rejects when it is refused. Given by the composition, so that the plugin does no I/O itself. */
export type SendBinding = (binding: Binding, signal: AbortSignal) => Promise<void>;

/** The plugin over a way to send bindings. Errors of `send` pass through, so that the caller sees what the server said. */
export function createDefaultBinder(send: SendBinding): BindPlugin {
  return {
    name: 'DefaultBinder',
    events: [],
    async bind({ pod }, nodeName, signal) {
      const { name, namespace, uid } = pod.pod.metadata ?? {};
      await send(
        {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name: name ?? '', namespace: namespace ?? '', ...(uid === undefined ? {} : { uid }) },
          target: { kind: 'Node', name: nodeName },
        },
        signal,
      );
      return success;
    },
  };
}

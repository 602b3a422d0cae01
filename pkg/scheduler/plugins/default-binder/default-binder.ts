/** Binds a pod by creating its `binding` subresource. Upstream counterpart: `plugins/defaultbinder`. */
import type { Binding } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { explanationAnnotation, explanationText } from '../../framework/explanation-text.ts';
import type { BindPlugin } from '../../framework/plugin.ts';
import type { PluginContext, PluginEntry } from '../../framework/plugin-context.ts';
import { success } from '../../framework/status.ts';

/** The line of the table. */
export const defaultBinder: PluginEntry = { name: 'DefaultBinder', create: defaultBinderOf };

/** The plugin. Errors of the server pass through, so that the caller sees what it said. */
function defaultBinderOf({ client }: Pick<PluginContext, 'client'>): BindPlugin {
  const podClient = client.resource(pods);
  const send = async (binding: Binding, signal: AbortSignal): Promise<void> => {
    const { name = '', namespace = '' } = binding.metadata ?? {};
    await podClient.createSubresource(name, 'binding', binding, { namespace, signal });
  };
  return {
    name: 'DefaultBinder',
    events: [],
    async bind({ pod, state }, nodeName, signal) {
      const { name, namespace, uid } = pod.pod.metadata ?? {};
      const explanation = state.read(explanationText);
      await send(
        {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: {
            name: name ?? '',
            namespace: namespace ?? '',
            ...(uid === undefined ? {} : { uid }),
            ...(explanation === undefined ? {} : { annotations: { [explanationAnnotation]: explanation } }),
          },
          target: { kind: 'Node', name: nodeName },
        },
        signal,
      );
      return success;
    },
  };
}

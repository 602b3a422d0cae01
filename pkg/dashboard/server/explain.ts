/** What the server is given to say where a pod would go. */
import type { KubeApi } from '#pkg/kubectl/api.ts';
import type { PlacementText } from '../model/protocol.ts';

/** Explains a pod of the cluster, as it is now, to whoever `api` speaks for. Throws `UserError` where there is no such pod. */
export type Explain = (
  api: KubeApi,
  pod: { readonly namespace: string; readonly name: string },
) => Promise<PlacementText>;

/** What can be done about a rollout: the same as `kubectl rollout` does, by the same code. */
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubeApi } from '#pkg/kubectl/api.ts';

const actions = ['pause', 'restart', 'resume', 'undo'];
const resources = ['daemonsets', 'deployments', 'statefulsets'];
const namePattern = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Which action on what. */
export interface RolloutAction {
  readonly action: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** Does it; resolves to what kubectl says of it. Throws `UserError` with what it complains of. */
export async function rolloutAction(
  { api, clock, signal }: { readonly api: KubeApi; readonly clock: Clock; readonly signal: AbortSignal },
  { action, resource, namespace, name }: RolloutAction,
): Promise<string> {
  if (!actions.includes(action)) throw badRequest(`there is no action ${JSON.stringify(action)} on rollouts`);
  if (!resources.includes(resource) || !namePattern.test(namespace) || !namePattern.test(name))
    throw badRequest('this is nothing that has rollouts');
  const { kubectl } = await import('#pkg/kubectl/main.ts');
  let said = '';
  let complaint = '';
  const code = await kubectl(
    {
      clock,
      signal,
      write: (text) => {
        said += text;
      },
      writeError: (text) => {
        complaint += text;
      },
      readStdin: async () => '',
      // The connection is the session's, which goes on.
      connect: async () => ({ ...api, close: () => {} }),
    },
    ['rollout', action, `${resource}/${name}`, '-n', namespace],
  );
  if (code !== 0) throw new UserError(complaint.trim());
  return said.trim();
}

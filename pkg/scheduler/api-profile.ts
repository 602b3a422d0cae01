/** The default plugins over the API: what they need of it, and nothing else does I/O for them. */
import {
  persistentVolumeClaims,
  persistentVolumes,
  podDisruptionBudgets,
  pods,
  storageClasses,
} from '#pkg/api/types/refs.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import { defaultProfile } from './default-profile.ts';
import type { ProfileEntry } from './framework/profile.ts';

/** The profile that `createScheduler` uses when it is given none. */
export function apiProfile({ client, informers, random }: ComponentDeps): readonly ProfileEntry[] {
  const podClient = client.resource(pods);
  const budgets = informers.informer(podDisruptionBudgets).lister;
  const claims = informers.informer(persistentVolumeClaims).lister;
  const volumes = informers.informer(persistentVolumes).lister;
  const classes = informers.informer(storageClasses).lister;
  return defaultProfile({
    random,
    budgets: () => budgets.list(),
    volumes: {
      claim: (key) => claims.get(key),
      volume: (name) => volumes.get(name),
      waitsForConsumer: (name) => classes.get(name)?.volumeBindingMode === 'WaitForFirstConsumer',
    },
    async sendBinding(binding, signal) {
      const { name = '', namespace = '' } = binding.metadata ?? {};
      await podClient.createSubresource(name, 'binding', binding, { namespace, signal });
    },
  });
}

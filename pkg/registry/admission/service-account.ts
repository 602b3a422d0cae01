/**
 * Gives pods the service account of their namespace and refuses those that name one that does not exist. A namespace gets its account a
 * moment after it was made, so a missing one is waited for shortly.
 *
 * Not done: the volume with the account's token, which needs an issuer of tokens.
 * Source: upstream `plugin/pkg/admission/serviceaccount`.
 */

import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionPlugin, RegistryReader, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { sleep } from '#pkg/base/async.ts';
import { listAt, objectAt, objectsAt, stringAt } from '../draft.ts';
import { isMirrorPod, isPod, podSubject } from './pods.ts';

/** How often and how far apart a missing account is looked for. Source: upstream `getServiceAccount`. */
const attemptsMax = 10;
const attemptDelayMs = 100;

const serviceAccounts = { group: '', resource: 'serviceaccounts' };

async function waitForAccount(
  key: { readonly namespace: string; readonly name: string },
  { clock }: StrategyContext,
  reader: RegistryReader,
): Promise<KubeObject | undefined> {
  for (let attempt = 1; ; attempt++) {
    const account = await reader.get(serviceAccounts, key.namespace, key.name);
    if (account !== undefined || attempt >= attemptsMax) return account;
    await sleep(clock, attemptDelayMs);
  }
}

/** Names the account on new pods, and refuses those whose account does not exist after a short wait. */
export const serviceAccountPlugin: AdmissionPlugin = {
  name: 'ServiceAccount',
  handles: (attributes) => isPod(attributes) && attributes.operation === 'CREATE',
  async admit({ draft, namespace }, context, reader) {
    const spec = objectAt(draft, 'spec');
    if (draft === undefined || spec === undefined || isMirrorPod(draft)) return;
    const name = stringAt(spec, 'serviceAccountName') || 'default';
    spec.serviceAccountName = name;
    spec.serviceAccount = name;
    const account = await waitForAccount({ namespace, name }, context, reader);
    if (account === undefined) {
      const missing = `serviceaccount "${name}" not found`;
      const why = `error looking up service account ${namespace}/${name}: ${missing}`;
      throw forbidden(podSubject, stringAt(draft, 'metadata', 'name'), why);
    }
    if (listAt(spec, 'imagePullSecrets').length > 0) return;
    const secrets = objectsAt(account, 'imagePullSecrets');
    if (secrets.length > 0) spec.imagePullSecrets = secrets.map((secret) => ({ name: stringAt(secret, 'name') }));
  },
};

/**
 * Gives pods the service account of their namespace and the volume with its token, and refuses those that name one that does not exist. A namespace gets
 * its account a moment after it was made, so a missing one is waited for shortly.
 * Source: upstream `plugin/pkg/admission/serviceaccount`.
 */

import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionPlugin, RegistryReader, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { sleep } from '#pkg/base/async.ts';
import { podReferences } from '../core/pod-references.ts';
import { listAt, objectAt, objectsAt, stringAt } from '../draft.ts';
import { isAutomounted, mountApiAccess } from './api-access.ts';
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

/** Names the account on new pods, mounts its token, and refuses those whose account does not exist after a short wait. */
export const serviceAccountPlugin: AdmissionPlugin = {
  name: 'ServiceAccount',
  handles: (attributes) => isPod(attributes) && attributes.operation === 'CREATE',
  async admit({ draft, namespace }, context, reader) {
    const spec = objectAt(draft, 'spec');
    if (draft === undefined || spec === undefined) return;
    if (isMirrorPod(draft)) return checkMirrorPod(draft);
    const name = stringAt(spec, 'serviceAccountName') || 'default';
    spec.serviceAccountName = name;
    spec.serviceAccount = name;
    const account = await waitForAccount({ namespace, name }, context, reader);
    if (account === undefined) {
      const missing = `serviceaccount "${name}" not found`;
      const why = `error looking up service account ${namespace}/${name}: ${missing}`;
      throw forbidden(podSubject, stringAt(draft, 'metadata', 'name'), why);
    }
    if (isAutomounted(spec, account)) mountApiAccess(spec, context.random);
    if (listAt(spec, 'imagePullSecrets').length === 0) {
      const secrets = objectsAt(account, 'imagePullSecrets');
      if (secrets.length > 0) spec.imagePullSecrets = secrets.map((secret) => ({ name: stringAt(secret, 'name') }));
    }
    if (account.metadata?.annotations?.[mountableAnnotation] === undefined) return;
    const problem = secretProblem(spec, account);
    if (problem !== undefined) throw forbidden(podSubject, stringAt(draft, 'metadata', 'name'), problem);
  },
};

const mountableAnnotation = 'kubernetes.io/enforce-mountable-secrets';

/** A pod that the API only shows may use nothing of it. */
function checkMirrorPod(draft: JsonObject): void {
  const refuse = (what: string): never => {
    throw forbidden(podSubject, stringAt(draft, 'metadata', 'name'), `a mirror pod may not ${what}`);
  };
  if (stringAt(draft, 'spec', 'serviceAccountName') !== '') refuse('reference service accounts');
  if (podReferences(draft as Pod, { withEphemeral: true }).secrets.size > 0) refuse('reference secrets');
  const sources = objectsAt(draft, 'spec', 'volumes').flatMap((volume) => objectsAt(volume, 'projected', 'sources'));
  if (sources.some((source) => source.serviceAccountToken !== undefined))
    refuse('use ServiceAccountToken volume projections');
}

/** Which Secret of a pod its account does not list, where the account says that it has to. */
function secretProblem(spec: JsonObject, account: KubeObject): string | undefined {
  const name = account.metadata?.name ?? '';
  if (!/^(1|t|T|true|TRUE|True)$/.test(account.metadata?.annotations?.[mountableAnnotation] ?? '')) return undefined;
  const namesOf = (field: string): ReadonlySet<string> =>
    new Set(objectsAt(account, field).map((one) => stringAt(one, 'name')));
  const [mountable, pullable] = [namesOf('secrets'), namesOf('imagePullSecrets')];
  const why = (what: string): string =>
    `${what} is not allowed because service account ${name} does not reference that`;
  for (const volume of objectsAt(spec, 'volumes')) {
    const secret = stringAt(volume, 'secret', 'secretName');
    if (secret !== '' && !mountable.has(secret)) return `${why(`volume with secret.secretName="${secret}"`)} secret`;
  }
  for (const [field, title] of [
    ['initContainers', 'init container'],
    ['containers', 'container'],
  ] as const)
    for (const container of objectsAt(spec, field))
      for (const env of objectsAt(container, 'env')) {
        const secret = stringAt(env, 'valueFrom', 'secretKeyRef', 'name');
        const what = `${title} ${stringAt(container, 'name')} with envVar ${stringAt(env, 'name')} referencing secret.secretName="${secret}"`;
        if (secret !== '' && !mountable.has(secret)) return `${why(what)} secret`;
      }
  for (const [index, one] of objectsAt(spec, 'imagePullSecrets').entries()) {
    const secret = stringAt(one, 'name');
    if (!pullable.has(secret)) return `${why(`imagePullSecrets[${index}].name="${secret}"`)} imagePullSecret`;
  }
  return undefined;
}

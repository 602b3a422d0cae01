/**
 * Gives pods the service account of their namespace and the volume with its token, and refuses those that name one that does not exist. A namespace gets
 * its account a moment after it was made, so a missing one is waited for shortly.
 * Source: upstream `plugin/pkg/admission/serviceaccount`.
 */

import { podReferences } from '#pkg/api/core/pod-references.ts';
import { isMirrorPod } from '#pkg/api/core/static-pods.ts';
import type { Pod, PodSpec, ServiceAccount } from '#pkg/api/types/core-v1.ts';
import { serviceAccounts } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionPlugin, type RegistryReader, readOne, type StrategyContext } from '#pkg/apiserver/strategy.ts';
import { type Awaitable, onceThere, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import { isAutomounted, mountApiAccess } from './api-access.ts';
import { aboutPod, podSubject } from './pods.ts';

/** How often and how far apart a missing account is looked for. Source: upstream `getServiceAccount`. */
const attemptsMax = 10;
const attemptDelayMs = 100;

interface AccountKey {
  readonly namespace: string;
  readonly name: string;
}

/** At once where it is there. */
function accountFor(
  key: AccountKey,
  { networkClock: clock }: StrategyContext,
  reader: RegistryReader,
): Awaitable<ServiceAccount | undefined> {
  return onceThere(
    readOne(reader, serviceAccounts, key),
    (account) => account ?? waitForAccount(key, { clock, reader }),
  );
}

async function waitForAccount(
  key: AccountKey,
  { clock, reader }: { readonly clock: Clock; readonly reader: RegistryReader },
): Promise<ServiceAccount | undefined> {
  for (let attempt = 2; attempt <= attemptsMax; attempt++) {
    await sleep(clock, attemptDelayMs);
    const account = await readOne(reader, serviceAccounts, key);
    if (account !== undefined) return account;
  }
  return undefined;
}

/** Names the account on new pods, mounts its token, and refuses those whose account does not exist after a short wait. */
export const serviceAccountPlugin: AdmissionPlugin = {
  name: 'ServiceAccount',
  handles: (attributes) => attributes.operation === 'CREATE' && aboutPod(attributes) !== undefined,
  admit(attributes, context, reader) {
    const { draft, namespace = '' } = aboutPod(attributes) ?? {};
    const spec = draft?.spec;
    if (draft === undefined || spec === undefined) return;
    if (isMirrorPod(draft)) return checkMirrorPod(draft);
    const name = spec.serviceAccountName || 'default';
    spec.serviceAccountName = name;
    spec.serviceAccount = name;
    return onceThere(accountFor({ namespace, name }, context, reader), (account) => {
      const why = account === undefined ? noAccount(namespace, name) : giveAccount(spec, account, context.random);
      if (why !== undefined) throw forbidden(podSubject, draft.metadata?.name ?? '', why);
    });
  },
};

function noAccount(namespace: string, name: string): string {
  return `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
}

/** Puts what the account says into the spec; returns why the pod is refused, if it is. */
function giveAccount(spec: Draft<PodSpec>, account: ServiceAccount, random: Random): string | undefined {
  if (isAutomounted(spec, account)) mountApiAccess(spec, random);
  if ((spec.imagePullSecrets ?? []).length === 0) {
    const secrets = account.imagePullSecrets ?? [];
    if (secrets.length > 0) spec.imagePullSecrets = secrets.map(({ name: secret = '' }) => ({ name: secret }));
  }
  if (account.metadata?.annotations?.[mountableAnnotation] === undefined) return undefined;
  return secretProblem(spec, account);
}

const mountableAnnotation = 'kubernetes.io/enforce-mountable-secrets';

/** A pod that the API only shows may use nothing of it. */
function checkMirrorPod(draft: Given<Pod>): void {
  const refuse = (what: string): never => {
    throw forbidden(podSubject, draft.metadata?.name ?? '', `a mirror pod may not ${what}`);
  };
  if ((draft.spec?.serviceAccountName ?? '') !== '') refuse('reference service accounts');
  if (podReferences(draft, { withEphemeral: true }).secrets.size > 0) refuse('reference secrets');
  const sources = (draft.spec?.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  if (sources.some(({ serviceAccountToken }) => serviceAccountToken))
    refuse('use ServiceAccountToken volume projections');
}

/** Which Secret of a pod its account does not list, where the account says that it has to. */
function secretProblem(spec: Given<PodSpec>, account: ServiceAccount): string | undefined {
  const name = account.metadata?.name ?? '';
  if (!/^(1|t|T|true|TRUE|True)$/.test(account.metadata?.annotations?.[mountableAnnotation] ?? '')) return undefined;
  const namesOf = (list: readonly { readonly name?: string }[] | null | undefined): ReadonlySet<string> =>
    new Set(list?.map((one) => one.name ?? ''));
  const [mountable, pullable] = [namesOf(account.secrets), namesOf(account.imagePullSecrets)];
  const why = (what: string): string =>
    `${what} is not allowed because service account ${name} does not reference that`;
  for (const volume of spec.volumes ?? []) {
    const secret = volume.secret?.secretName ?? '';
    if (secret !== '' && !mountable.has(secret)) return `${why(`volume with secret.secretName="${secret}"`)} secret`;
  }
  for (const [field, title] of [
    ['initContainers', 'init container'],
    ['containers', 'container'],
  ] as const)
    for (const container of spec[field] ?? [])
      for (const env of container.env ?? []) {
        const secret = env.valueFrom?.secretKeyRef?.name ?? '';
        const what = `${title} ${container.name ?? ''} with envVar ${env.name ?? ''} referencing secret.secretName="${secret}"`;
        if (secret !== '' && !mountable.has(secret)) return `${why(what)} secret`;
      }
  for (const [index, { name: secret = '' }] of (spec.imagePullSecrets ?? []).entries()) {
    if (!pullable.has(secret)) return `${why(`imagePullSecrets[${index}].name="${secret}"`)} imagePullSecret`;
  }
  return undefined;
}

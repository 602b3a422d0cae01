/**
 * Fills Secrets of the type `kubernetes.io/service-account-token` with a token of the account that they name, and deletes them with the account. Such
 * tokens have no end but that of their Secret; pods get others (`pkg/kubelet/volumes/service-account-tokens.ts`).
 * Upstream counterpart: `pkg/controller/serviceaccount/tokens_controller.go`, `pkg/serviceaccount/legacy.go`.
 */
import type { Secret, ServiceAccount } from '#pkg/api/types/core-v1.ts';
import { secrets, serviceAccounts } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { aborted } from '#pkg/base/async.ts';
import type { Component } from '#pkg/component/component.ts';
import { type SigningKey, signingKey, signJwt } from '#pkg/pki/jwt.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const workers = 5;
const fieldSelector = 'type=kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';
const issuer = 'kubernetes/serviceaccount';

/** The controller; it does nothing when the options hold no key to sign with. */
export function createServiceAccountTokenController(context: ControllerContext): Component {
  const { serviceAccountKey, rootCa = '' } = context.options;
  if (serviceAccountKey === undefined) return { run: aborted };
  const key = signingKey(serviceAccountKey);
  const secretInformer = context.informers.informer(secrets, { fieldSelector });
  const accountInformer = context.informers.informer(serviceAccounts);
  const resource = context.client.resource(secrets);

  /** The account of a Secret; undefined when it is gone, asked of the server as the watch of accounts may lag behind. */
  const accountOf = async (secret: Secret): Promise<ServiceAccount | undefined> => {
    const { namespace = '', annotations } = secret.metadata ?? {};
    const name = annotations?.[nameAnnotation] ?? '';
    const uid = annotations?.[uidAnnotation];
    const fits = (account: ServiceAccount | undefined): account is ServiceAccount =>
      account !== undefined && (!uid || account.metadata?.uid === uid);
    const known = accountInformer.lister.get(`${namespace}/${name}`);
    if (fits(known)) return known;
    try {
      const fresh = await context.client.resource(serviceAccounts).get(name, { namespace });
      return fits(fresh) ? fresh : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  const loop = createLoop(context, {
    name: 'serviceaccount-token',
    workers,
    reconcile: async (secretKey) => {
      const secret = secretInformer.lister.get(secretKey);
      if (secret === undefined || secret.metadata?.deletionTimestamp) return undefined;
      const account = await accountOf(secret);
      const { name = '', namespace = '', uid } = secret.metadata ?? {};
      try {
        const changed = account && filled(secret, account, { key, rootCa });
        if (changed !== undefined) await resource.update(changed);
        if (account === undefined)
          await resource.delete(name, { namespace, ...(uid === undefined ? {} : { preconditions: { uid } }) });
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
      return undefined;
    },
  });
  const enqueueOf = ({ metadata }: ServiceAccount): void => {
    for (const secret of secretInformer.lister.list(metadata?.namespace))
      if (secret.metadata?.annotations?.[nameAnnotation] === metadata?.name) loop.queue.add(objectKey(secret));
  };
  const enqueue = (secret: Secret): void => loop.queue.add(objectKey(secret));
  secretInformer.addHandler({ added: enqueue, updated: (_, secret) => enqueue(secret) });
  accountInformer.addHandler({ added: enqueueOf, deleted: enqueueOf });
  return loop;
}

/** A Secret with all that it is to hold; undefined when it holds that. */
function filled(
  secret: Secret,
  account: ServiceAccount,
  { key, rootCa }: { readonly key: SigningKey; readonly rootCa: string },
): Secret | undefined {
  const { namespace = '', name = '', annotations } = secret.metadata ?? {};
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  const { uid = '', name: accountName = '' } = account.metadata ?? {};
  const { token, namespace: ownNamespace, 'ca.crt': ca } = secret.data ?? {};
  const wantsCa = rootCa !== '' && ca !== encode(rootCa);
  if (token && ownNamespace && !wantsCa && annotations?.[uidAnnotation] === uid) return undefined;
  const claims = {
    iss: issuer,
    'kubernetes.io/serviceaccount/namespace': namespace,
    'kubernetes.io/serviceaccount/secret.name': name,
    'kubernetes.io/serviceaccount/service-account.name': accountName,
    'kubernetes.io/serviceaccount/service-account.uid': uid,
    sub: `system:serviceaccount:${namespace}:${accountName}`,
  };
  return {
    ...secret,
    metadata: { ...secret.metadata, annotations: { ...annotations, [uidAnnotation]: uid } },
    data: {
      ...secret.data,
      ...(rootCa === '' ? {} : { 'ca.crt': encode(rootCa) }),
      namespace: ownNamespace || encode(namespace),
      token: token || encode(signJwt(key, claims)),
    },
  };
}

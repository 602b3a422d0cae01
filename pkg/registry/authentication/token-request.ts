/**
 * `serviceaccounts/token`: a token for an account, if it may be had as it is asked for.
 * Source: `pkg/registry/core/serviceaccount/storage/token.go`, `pkg/apis/authentication/validation`.
 */

import type { BoundObjectReference, TokenRequest } from '#pkg/api/types/authentication-v1.ts';
import { nodes, pods, secrets, serviceAccounts } from '#pkg/api/types/refs.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { child, type FieldError, invalid, invalidObject, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { badRequest, conflict, notFound } from '#pkg/apimachinery/status-error.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { bodyKind, decodeBody } from '#pkg/apiserver/endpoints/decode.ts';
import { type Scope, strategyContext } from '#pkg/apiserver/endpoints/scope.ts';
import { type FieldValidation, parseWriteOptions } from '#pkg/apiserver/endpoints/write-options.ts';
import { draftResponse } from '#pkg/apiserver/responses.ts';
import { type CreateSubresource, readOne } from '#pkg/apiserver/strategy.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import type { ServiceAccountIssuer } from './service-account-issuer.ts';

const gvk = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };
const secondsDefault = 3600;
const [secondsMin, secondsMax] = [600, 2 ** 32];
/** What the kubelet's own mounts ask for: their tokens go on for a year, as many programs read them once only. Source: `WarnOnlyBoundTokenExpirationSeconds`. */
const projectedSeconds = 3607;
const extendedSeconds = 365 * 24 * 3600;

/** The subresource, whose tokens `issuer` signs. */
export function tokenSubresource(issuer: ServiceAccountIssuer): CreateSubresource {
  return { kind: gvk, create: (scope) => createToken(scope, issuer) };
}

/** The body, which was walked against the schema of its kind. */
function decodeTokenRequest(scope: Scope, validation: FieldValidation): Draft<TokenRequest> {
  return decodeBody(scope, bodyKind(gvk), validation);
}

async function createToken(scope: Scope, issuer: ServiceAccountIssuer): Promise<ApiResponse> {
  const { core, info, subject } = scope;
  const { namespace, name } = info;
  const options = parseWriteOptions(info.query, 'CreateOptions');
  const request = decodeTokenRequest(scope, options.fieldValidation);
  const metadata = request.metadata ?? {};
  for (const [field, wanted] of [
    ['name', name],
    ['namespace', namespace],
  ] as const) {
    const given = metadata[field] ?? '';
    if (given === '' || given === wanted) continue;
    throw invalidObject(gvk, name, [
      invalid(
        child(pathsOf<TokenRequest>()('metadata'), field),
        given,
        `must match the service account ${field} if specified`,
      ),
    ]);
  }
  const account = await readOne(core.reader, serviceAccounts, { namespace, name });
  if (account === undefined) throw notFound(subject, name);
  const seconds = request.spec?.expirationSeconds ?? secondsDefault;
  const asked = request.spec?.audiences ?? [];
  const audiences = asked.length === 0 ? [...issuer.audiences] : asked;
  const spec = { ...request.spec, audiences, expirationSeconds: seconds };
  const nowMs = core.clock.nowMs();
  const draft: Draft<TokenRequest> = {
    ...request,
    metadata: { ...metadata, name, namespace, creationTimestamp: formatTimestamp(nowMs) },
    spec,
  };
  checkSeconds(seconds);
  await admit(scope, draft, options.dryRun);
  const bound = await boundTo(scope, spec.boundObjectRef);
  const isExtended =
    bound.pod !== undefined &&
    seconds === projectedSeconds &&
    audiences.every((audience) => issuer.audiences.includes(audience));
  const token = issuer.sign({
    account,
    ...bound,
    audiences,
    seconds: isExtended ? extendedSeconds : seconds,
    warnAfterSeconds: isExtended ? seconds : undefined,
    id: core.random.uuid(),
  });
  const status = { token, expirationTimestamp: formatTimestamp(nowMs + seconds * 1000) };
  return draftResponse(201, withUnset({ ...draft, status }, bodyKind(gvk).schema));
}

function checkSeconds(seconds: number): void {
  const errors: FieldError[] = [];
  const refuse = (why: string): void =>
    void errors.push(invalid(pathsOf<TokenRequest>()('spec.expirationSeconds'), seconds, why));
  if (seconds < secondsMin) refuse('may not specify a duration less than 10 minutes');
  if (seconds > secondsMax) refuse('may not specify a duration larger than 2^32 seconds');
  if (errors.length > 0) throw invalidObject(gvk, '', errors);
}

async function admit(scope: Scope, draft: Draft<TokenRequest>, dryRun: boolean): Promise<void> {
  const { core, info } = scope;
  const { namespace, name } = info;
  const attributes = {
    operation: 'CREATE',
    group: '',
    version: 'v1',
    resource: 'serviceaccounts',
    subresource: 'token',
    kind: gvk.kind,
    namespace,
    name,
    draft,
    old: undefined,
  } as const;
  const context = strategyContext(scope, dryRun);
  await core.admission.admit(attributes, context);
  await core.admission.validate(attributes, context);
}

interface Bound {
  readonly pod?: KubeObject;
  readonly secret?: KubeObject;
  readonly node?: { readonly name: string; readonly uid: string };
}

/** What the token is bound to. Throws for what is not there, is another of that name, or has another account. */
async function boundTo(scope: Scope, ref: Given<BoundObjectReference> | null | undefined): Promise<Bound> {
  if (!ref) return {};
  const { reader } = scope.core;
  const { namespace, name: account } = scope.info;
  const { kind = '', apiVersion = '', name = '', uid = '' } = ref;
  const find = async <T extends KubeObject>(wanted: ResourceRef<T>, where: string): Promise<T> => {
    const found = await readOne(reader, wanted, { namespace: where, name });
    if (found === undefined) throw notFound(wanted, name);
    if (uid !== '' && found.metadata?.uid !== uid) {
      const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
      throw conflict({ group: '', resource: kind }, name, why);
    }
    return found;
  };
  switch (apiVersion === 'v1' ? kind : '') {
    case 'Pod': {
      const pod = await find(pods, namespace);
      if (pod.spec?.serviceAccountName !== account)
        throw badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        );
      const nodeName = pod.spec?.nodeName ?? '';
      if (nodeName === '') return { pod };
      const node = await readOne(reader, nodes, { namespace: '', name: nodeName });
      return { pod, node: { name: nodeName, uid: node?.metadata?.uid ?? '' } };
    }
    case 'Node': {
      const node = await find(nodes, '');
      return { node: { name, uid: node.metadata?.uid ?? '' } };
    }
    case 'Secret':
      return { secret: await find(secrets, namespace) };
    default: {
      const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
      throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
    }
  }
}

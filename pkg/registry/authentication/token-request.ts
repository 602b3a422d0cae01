/**
 * `serviceaccounts/token`: a token for an account, if it may be had as it is asked for.
 * Source: `pkg/registry/core/serviceaccount/storage/token.go`, `pkg/apis/authentication/validation`.
 */
import { kindFact, typeSchema } from '#pkg/api/facts.ts';
import type { TokenRequest } from '#pkg/api/types/authentication-v1.ts';
import { child, type FieldError, invalid, invalidObject, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, conflict, notFound } from '#pkg/apimachinery/status-error.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { bodyKind, decodeBody } from '#pkg/apiserver/endpoints/decode.ts';
import { metadataOf } from '#pkg/apiserver/endpoints/metadata.ts';
import { type Scope, strategyContext } from '#pkg/apiserver/endpoints/scope.ts';
import { parseWriteOptions } from '#pkg/apiserver/endpoints/write-options.ts';
import { draftResponse } from '#pkg/apiserver/responses.ts';
import type { CreateSubresource } from '#pkg/apiserver/strategy.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { listAt, numberAt, objectAt, stringAt } from '../draft.ts';
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

async function createToken(scope: Scope, issuer: ServiceAccountIssuer): Promise<ApiResponse> {
  const { core, info, subject } = scope;
  const { namespace, name } = info;
  const options = parseWriteOptions(info.query, 'CreateOptions');
  const request = decodeBody(scope, bodyKind(gvk), options.fieldValidation);
  const metadata = metadataOf(request);
  for (const [field, wanted] of [
    ['name', name],
    ['namespace', namespace],
  ] as const) {
    const given = stringAt(metadata, field);
    if (given === '' || given === wanted) continue;
    throw invalidObject(gvk, name, [
      invalid(
        child(pathsOf<KubeObject>()('metadata'), field),
        given,
        `must match the service account ${field} if specified`,
      ),
    ]);
  }
  const account = await core.reader.get(subject, namespace, name);
  if (account === undefined) throw notFound(subject, name);
  const spec: JsonObject = { ...objectAt(request, 'spec') };
  const seconds = numberAt(spec, 'expirationSeconds') ?? secondsDefault;
  if (listAt(spec, 'audiences').length === 0) spec.audiences = [...issuer.audiences];
  spec.expirationSeconds = seconds;
  const nowMs = core.clock.nowMs();
  const draft: JsonObject = {
    ...request,
    metadata: { ...metadata, name, namespace, creationTimestamp: formatTimestamp(nowMs) },
    spec,
  };
  checkSeconds(seconds);
  await admit(scope, draft, options.dryRun);
  const bound = await boundTo(scope, objectAt(spec, 'boundObjectRef'));
  const audiences = spec.audiences as readonly string[];
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
  return draftResponse(201, withUnset({ ...draft, status }, typeSchema(kindFact(gvk)!.type)));
}

function checkSeconds(seconds: number): void {
  const errors: FieldError[] = [];
  const refuse = (why: string): void =>
    void errors.push(invalid(pathsOf<TokenRequest>()('spec.expirationSeconds'), seconds, why));
  if (seconds < secondsMin) refuse('may not specify a duration less than 10 minutes');
  if (seconds > secondsMax) refuse('may not specify a duration larger than 2^32 seconds');
  if (errors.length > 0) throw invalidObject(gvk, '', errors);
}

async function admit(scope: Scope, draft: JsonObject, dryRun: boolean): Promise<void> {
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
async function boundTo(scope: Scope, ref: JsonObject | undefined): Promise<Bound> {
  if (ref === undefined) return {};
  const { reader } = scope.core;
  const { namespace, name: account } = scope.info;
  const [kind, apiVersion, name] = [stringAt(ref, 'kind'), stringAt(ref, 'apiVersion'), stringAt(ref, 'name')];
  const find = async (resource: string, where: string): Promise<KubeObject> => {
    const found = await reader.get({ group: '', resource }, where, name);
    if (found === undefined) throw notFound({ group: '', resource }, name);
    const uid = stringAt(ref, 'uid');
    if (uid !== '' && found.metadata?.uid !== uid) {
      const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
      throw conflict({ group: '', resource: kind }, name, why);
    }
    return found;
  };
  switch (apiVersion === 'v1' ? kind : '') {
    case 'Pod': {
      const pod = await find('pods', namespace);
      if (stringAt(pod, 'spec', 'serviceAccountName') !== account)
        throw badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        );
      const nodeName = stringAt(pod, 'spec', 'nodeName');
      if (nodeName === '') return { pod };
      const node = await reader.get({ group: '', resource: 'nodes' }, '', nodeName);
      return { pod, node: { name: nodeName, uid: node?.metadata?.uid ?? '' } };
    }
    case 'Node': {
      const node = await find('nodes', '');
      return { node: { name, uid: node.metadata?.uid ?? '' } };
    }
    case 'Secret':
      return { secret: await find('secrets', namespace) };
    default: {
      const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
      throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
    }
  }
}

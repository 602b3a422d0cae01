/**
 * The kinds that ask a question and are never stored: who am I, may they, whose token is this.
 * Source: `pkg/registry/authorization`, `pkg/registry/authentication`.
 */
import type { SubjectAccessReview } from '#pkg/api/types/authorization-v1.ts';
import { invalid, invalidObject, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { omitEmpty } from '#pkg/apimachinery/omit-empty.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { decodeDraft } from '#pkg/apiserver/endpoints/decode.ts';
import { metadataOf } from '#pkg/apiserver/endpoints/metadata.ts';
import type { Scope } from '#pkg/apiserver/endpoints/scope.ts';
import { parseWriteOptions } from '#pkg/apiserver/endpoints/write-options.ts';
import { draftResponse } from '#pkg/apiserver/responses.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { accessReviewConverter } from './converter.ts';

interface ResourceAttributes {
  readonly namespace?: string;
  readonly verb?: string;
  readonly group?: string;
  readonly version?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
}

interface AccessSpec {
  readonly resourceAttributes?: ResourceAttributes;
  readonly nonResourceAttributes?: { readonly path?: string; readonly verb?: string };
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

const field = pathsOf<SubjectAccessReview>();

const [authentication, authorization] = ['authentication.k8s.io', 'authorization.k8s.io'];
const versions = { v1beta1: { converter: accessReviewConverter, stored: `${authorization}/v1` } };

/** All of them. */
export const reviewStrategies: readonly Strategy[] = [
  { group: authentication, resource: 'selfsubjectreviews', answer: selfSubjectReview },
  { group: authentication, resource: 'tokenreviews', answer: tokenReview },
  {
    group: authorization,
    resource: 'localsubjectaccessreviews',
    versions,
    answer: (scope) => accessReview(scope, 'spec'),
  },
  { group: authorization, resource: 'selfsubjectaccessreviews', answer: (scope) => accessReview(scope, 'self') },
  { group: authorization, resource: 'selfsubjectrulesreviews', answer: selfSubjectRulesReview },
  { group: authorization, resource: 'subjectaccessreviews', versions, answer: (scope) => accessReview(scope, 'spec') },
];

function decode(scope: Scope): JsonObject {
  const options = parseWriteOptions(scope.info.query, 'CreateOptions');
  const draft = decodeDraft(scope, options.fieldValidation);
  metadataOf(draft);
  return draft;
}

/** The review with its answer, with and without the zeros that Go writes and leaves out. */
function answer({ served: { schema } }: Scope, review: JsonObject): ApiResponse {
  return draftResponse(201, withUnset(omitEmpty(review, schema), schema));
}

function userFields({ name, uid, groups, extra }: UserInfo): JsonObject {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups: [...groups],
    ...(extra === undefined ? {} : { extra }),
  };
}

async function selfSubjectReview(scope: Scope): Promise<ApiResponse> {
  const draft = decode(scope);
  return answer(scope, { ...draft, status: { userInfo: userFields(scope.user) } });
}

async function accessReview(scope: Scope, whose: 'self' | 'spec'): Promise<ApiResponse> {
  const draft = decode(scope);
  const spec = (scope.served.view.toStored(draft).spec ?? {}) as AccessSpec;
  checkAccessSpec(scope, spec, whose);
  const user = whose === 'self' ? scope.user : reviewedUser(spec);
  const { resourceAttributes: asked, nonResourceAttributes: path } = spec;
  const { decision, reason } = await scope.core.authorizer.authorize({
    user,
    verb: asked?.verb ?? path?.verb ?? '',
    group: asked?.group ?? '',
    version: asked?.version ?? '',
    resource: asked?.resource ?? '',
    subresource: asked?.subresource ?? '',
    namespace: asked?.namespace ?? '',
    name: asked?.name ?? '',
    path: path?.path ?? '',
  });
  const status = {
    allowed: decision === 'allow',
    ...(decision === 'deny' ? { denied: true } : {}),
    ...(reason ? { reason } : {}),
  };
  return answer(scope, { ...draft, status });
}

function reviewedUser({ user = '', groups = [], uid, extra }: AccessSpec): UserInfo {
  return { name: user, groups, ...(uid === undefined ? {} : { uid }), ...(extra === undefined ? {} : { extra }) };
}

function checkAccessSpec(scope: Scope, spec: AccessSpec, whose: 'self' | 'spec'): void {
  const { info } = scope.served;
  const errors = [];
  if (spec.resourceAttributes !== undefined && spec.nonResourceAttributes !== undefined) {
    const why = 'cannot be specified in combination with resourceAttributes';
    errors.push(invalid(field('spec.nonResourceAttributes'), spec.nonResourceAttributes, why));
  }
  if (spec.resourceAttributes === undefined && spec.nonResourceAttributes === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    errors.push(invalid(field('spec.resourceAttributes'), spec.nonResourceAttributes, why));
  }
  if (whose === 'spec' && !spec.user && !spec.groups?.length) {
    errors.push(invalid(field('spec.user'), spec.user ?? '', 'at least one of user or group must be specified'));
  }
  if (errors.length > 0) throw invalidObject(info, '', errors);
  if (info.namespaced && (spec.resourceAttributes?.namespace ?? '') !== scope.info.namespace) {
    throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${scope.info.namespace}`);
  }
}

/** What the authorizer would list. One that decides without a list of rules says so. */
async function selfSubjectRulesReview(scope: Scope): Promise<ApiResponse> {
  const draft = decode(scope);
  const { namespace } = (draft.spec ?? {}) as { namespace?: string };
  if (!namespace) throw badRequest('no namespace on request');
  const status = scope.core.authorizer.rulesFor?.(scope.user, namespace) ?? {
    resourceRules: [],
    nonResourceRules: [],
    incomplete: true,
  };
  return draftResponse(201, { ...draft, status });
}

/** Source: `pkg/registry/authentication/tokenreview/storage.go`. */
async function tokenReview(scope: Scope): Promise<ApiResponse> {
  const draft = decode(scope);
  const { token, audiences } = (draft.spec ?? {}) as { token?: string; audiences?: readonly string[] | null };
  if (!token) throw badRequest('token is required for TokenReview in authentication');
  const { tokens } = scope.core;
  const found = await tokens?.review(token, audiences?.length ? audiences : tokens.audiences);
  if (found === undefined || 'error' in found) {
    const { error } = found ?? {};
    return answer(scope, { ...draft, status: { authenticated: false, ...(error === undefined ? {} : { error }) } });
  }
  const status = {
    authenticated: true,
    user: userFields(found.user),
    // Who does not ask for audiences is told of none that the API does not go by.
    audiences: [...found.audiences],
  };
  return answer(scope, { ...draft, status });
}

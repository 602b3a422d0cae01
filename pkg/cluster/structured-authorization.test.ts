/** Decisions of a server of somebody else's: what it is asked, how long it counts, and what becomes of it when it cannot be asked. */
import { beforeEach, expect, test } from 'vitest';
import type { AccessAttributes, AccessDecision } from '#pkg/apiserver/authz/authorizer.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createAuthorization } from '#pkg/registry/authorization/authorization.ts';
import {
  type AuthorizerWebhook,
  readAuthorizationConfiguration,
} from '#pkg/registry/authorization/authorization-configuration.ts';
import type { CallWebhook } from '#pkg/registry/remote/call-webhook.ts';

// biome-ignore lint/suspicious/noExplicitAny: reviews of every shape.
type Review = any;

let clock: VirtualClock;
let asked: Review[];
/** What it answers; undefined: it is not there. */
let answer: ((spec: Review) => object) | undefined;

beforeEach(() => {
  clock = new VirtualClock();
  asked = [];
  answer = ({ user }) => (user === 'alice' ? { allowed: true } : { allowed: false, reason: 'not alice' });
});

const call: CallWebhook = async ({ body }) => {
  const { spec, ...review } = JSON.parse(body);
  asked.push({ ...review, spec });
  if (answer === undefined) throw new Error('connect ECONNREFUSED');
  return { status: 200, text: JSON.stringify({ ...review, status: answer(spec) }) };
};

const webhook: AuthorizerWebhook = {
  timeout: '3s',
  subjectAccessReviewVersion: 'v1',
  matchConditionSubjectAccessReviewVersion: 'v1',
  failurePolicy: 'NoOpinion',
  connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/config' },
};

const server = { url: 'https://access.example.com' };
const attributes: AccessAttributes = {
  user: { name: 'alice', groups: ['g'], uid: '1', extra: { 'x.io/y': ['z'] } },
  verb: 'list',
  group: 'apps',
  version: 'v1',
  resource: 'deployments',
  subresource: '',
  namespace: 'default',
  name: '',
  path: '/apis/apps/v1/namespaces/default/deployments',
};

function authorizer(more: object = {}) {
  return createAuthorization({ call, clock }, [{ type: 'Webhook', config: { ...webhook, ...more }, server }])
    .authorizer;
}

/** Asks, and lets as much time pass as it takes. */
async function decide(
  from: ReturnType<typeof authorizer>,
  more: Partial<AccessAttributes> = {},
): Promise<AccessDecision> {
  const deciding = from.authorize({ ...attributes, ...more });
  await clock.advance(20_000);
  return deciding;
}

const bob = { user: { name: 'bob', groups: [] } };

test('it is asked what is wanted by whom', async () => {
  expect(await decide(authorizer(), { fieldSelector: 'spec.nodeName=n1,metadata.name!=x' })).toEqual({
    decision: 'allow',
  });
  expect(asked).toEqual([
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: { creationTimestamp: null },
      spec: {
        resourceAttributes: {
          namespace: 'default',
          verb: 'list',
          group: 'apps',
          version: 'v1',
          resource: 'deployments',
          fieldSelector: {
            requirements: [
              { key: 'metadata.name', operator: 'NotIn', values: ['x'] },
              { key: 'spec.nodeName', operator: 'In', values: ['n1'] },
            ],
          },
        },
        user: 'alice',
        groups: ['g'],
        extra: { 'x.io/y': ['z'] },
        uid: '1',
      },
      status: { allowed: false },
    },
  ]);
  await decide(authorizer({ subjectAccessReviewVersion: 'v1beta1' }), { resource: '', path: '/metrics', verb: 'get' });
  expect(asked[1]).toMatchObject({
    apiVersion: 'authorization.k8s.io/v1beta1',
    spec: { nonResourceAttributes: { path: '/metrics', verb: 'get' }, group: ['g'] },
  });
});

test('what it allows counts for five minutes, what it refuses for half of one, and others decide what it does not', async () => {
  const one = authorizer();
  expect(await decide(one)).toEqual({ decision: 'allow' });
  expect(await decide(one, bob)).toEqual({ decision: 'no opinion', reason: 'not alice' });
  expect(await decide(one)).toEqual({ decision: 'allow' });
  expect(await decide(one, bob)).toEqual({ decision: 'no opinion', reason: 'not alice' });
  expect(asked).toHaveLength(3);
  await clock.advance(300_000);
  await decide(one);
  expect(asked).toHaveLength(4);
  const two = authorizer({ cacheAuthorizedRequests: false });
  await decide(two);
  await decide(two);
  expect(asked).toHaveLength(6);
  const { authorizer: both } = createAuthorization({ call, clock }, [
    { type: 'Webhook', config: webhook, server },
    'AlwaysAllow',
  ]);
  expect(await decide(both, { user: { name: 'bob', groups: ['system:authenticated'] } })).toEqual({
    decision: 'allow',
  });
  answer = () => ({ allowed: true, denied: true, reason: 'both' });
  expect(await decide(authorizer())).toEqual({ decision: 'deny', reason: 'both' });
});

test('one that is not there has no opinion, or refuses', async () => {
  answer = undefined;
  expect(await decide(authorizer())).toEqual({ decision: 'no opinion' });
  expect(asked).toHaveLength(5);
  expect(await decide(authorizer({ failurePolicy: 'Deny' }))).toEqual({ decision: 'deny' });
  answer = () => ({ allowed: true });
  expect(await decide(authorizer({ failurePolicy: 'Deny' }))).toEqual({ decision: 'allow' });
});

test('conditions say what it is asked about', async () => {
  const matchConditions = [
    { expression: "has(request.resourceAttributes) && request.resourceAttributes.namespace == 'default'" },
    { expression: "request.groups.exists(group, group == 'g')" },
  ];
  const one = authorizer({ matchConditions });
  expect(await decide(one)).toEqual({ decision: 'allow' });
  expect(await decide(one, { namespace: 'other' })).toEqual({ decision: 'no opinion' });
  expect(asked).toHaveLength(1);
  const faulty = [{ expression: "request.nonResourceAttributes.path == '/x'" }];
  expect(await decide(authorizer({ matchConditions: faulty, failurePolicy: 'Deny' }))).toEqual({ decision: 'deny' });
  expect(await decide(authorizer({ matchConditions: faulty }))).toEqual({ decision: 'no opinion' });
  expect(asked).toHaveLength(1);
});

const read = (authorizers: readonly object[]) =>
  readAuthorizationConfiguration(
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration', authorizers }),
    ['Node', 'RBAC'],
  );
const hook = (more: object) => [{ type: 'Webhook', name: 'hook', webhook: { ...webhook, ...more } }];

test('a configuration names its authorizers in order', () => {
  const authorizers = [{ type: 'Node', name: 'node' }, ...hook({}), { type: 'RBAC', name: 'rbac' }];
  expect(read(authorizers)).toEqual(authorizers);
});

test.each<readonly [readonly object[], string]>([
  [[], 'authorizers: Required value: at least one authorization mode must be defined'],
  [
    [{ type: 'ABAC', name: 'a' }],
    'authorizers[0].type: Unsupported value: "ABAC": supported values: "Node", "RBAC", "Webhook"',
  ],
  [
    [
      { type: 'RBAC', name: 'a' },
      { type: 'RBAC', name: 'b' },
    ],
    'authorizers[1].type: Duplicate value: "RBAC"',
  ],
  [
    [
      { type: 'RBAC', name: 'a' },
      { type: 'Node', name: 'a' },
    ],
    'authorizers[1].name: Duplicate value: "a"',
  ],
  [[{ type: 'RBAC', name: 'a_b' }], 'authorizers[0].name: Invalid value: "a_b": authorizer name is invalid'],
  [
    [{ type: 'RBAC', name: 'a', webhook: {} }],
    'authorizers[0].webhook: Invalid value: "non-null": may only be specified when type=Webhook',
  ],
  [[{ type: 'Webhook', name: 'a' }], 'authorizers[0].webhook: Required value: required when type=Webhook'],
  [hook({ timeout: '31s' }), 'authorizers[0].timeout: Invalid value: "31s": must be > 0s and <= 30s'],
  [hook({ failurePolicy: undefined }), 'authorizers[0].failurePolicy: Required value'],
  [hook({ subjectAccessReviewVersion: 'v2' }), 'authorizers[0].subjectAccessReviewVersion: Unsupported value: "v2"'],
  [
    hook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'x' } }),
    'kubeConfigFile: Invalid value: "x": must be an absolute path',
  ],
  [
    hook({ matchConditions: [{ expression: 'request.nothing' }] }),
    'authorizers[0].matchConditions[0].expression: Invalid value: "request.nothing": compilation failed',
  ],
  [hook({ matchConditions: [{ expression: "'x'" }] }), 'must evaluate to bool'],
  [hook({ more: 1 }), 'unknown field "authorizers[0].webhook.more"'],
])('the authorizers %j are refused', (authorizers, error) => {
  expect(() => read(authorizers)).toThrow(error);
});

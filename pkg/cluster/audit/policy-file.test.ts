import { expect, test } from 'vitest';
import { readAuditPolicy } from './policy-file.ts';

const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n';

function problemsOf(text: string): readonly string[] {
  const read = readAuditPolicy(Buffer.from(text));
  return read.ok ? [] : read.problems;
}

test('a policy with everything in it is taken as it is, and null as nothing', () => {
  const read = readAuditPolicy(
    Buffer.from(`${head}omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: None
  users: null
  nonResourceURLs: ["/healthz*", "*"]
- level: RequestResponse
  resources: [{group: apps, resources: [deployments/*], resourceNames: [a]}]
  namespaces: [""]
  omitManagedFields: false
`),
  );
  expect(read).toEqual({
    ok: true,
    warnings: [],
    policy: {
      apiVersion: 'audit.k8s.io/v1',
      kind: 'Policy',
      omitStages: ['RequestReceived'],
      omitManagedFields: true,
      rules: [
        { level: 'None', nonResourceURLs: ['/healthz*', '*'] },
        {
          level: 'RequestResponse',
          resources: [{ group: 'apps', resources: ['deployments/*'], resourceNames: ['a'] }],
          namespaces: [''],
          omitManagedFields: false,
        },
      ],
    },
  });
});

test('fields that are unknown or there twice are warned of', () => {
  const read = readAuditPolicy(Buffer.from(`${head}rules:\n- level: None\n  verb: [get]\nrule: []\n`));
  expect(read).toMatchObject({ ok: true, warnings: ['unknown field "rule"', 'unknown field "rules[0].verb"'] });
});

test.each([
  ['rules: [{level: None}]', ['apiVersion: Required value', 'kind: Required value']],
  [`${head}rules: []`, ['rules: must NOT have fewer than 1 items']],
  [head, ['rules: Required value']],
  [`${head}rules: [{verbs: [get]}]`, ['rules[0].level: Required value']],
  [`${head}rules: [{level: Everything}]`, ['rules[0].level: must be one of None, Metadata, Request, RequestResponse']],
  [`${head}rules: [{level: None, verbs: get}]`, ['rules[0].verbs: must be array,null']],
  [
    `${head}rules: [{level: None, omitStages: [Start]}]`,
    ['rules[0].omitStages[0]: must be one of RequestReceived, ResponseStarted, ResponseComplete, Panic'],
  ],
  [
    `${head}rules: [{level: None, nonResourceURLs: [healthz, "/a*b"]}]`,
    [
      `rules[0].nonResourceURLs[0]: Invalid value: "healthz": non-resource URL rules must begin with a '/' character`,
      `rules[0].nonResourceURLs[1]: Invalid value: "/a*b": non-resource URL wildcards '*' must be the final character of the rule`,
    ],
  ],
  [
    `${head}rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]`,
    ['rules[0].nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs'],
  ],
  [
    `${head}rules: [{level: None, resources: [{resourceNames: [a]}]}]`,
    ['rules[0].resources[0].resourceNames: using resourceNames requires at least one resource'],
  ],
  [`${head}rules: 3`, ['rules: must be array']],
  ['[]', ['must be object']],
])('%j is refused with the path of each fault', (text, problems) => {
  expect(problemsOf(text)).toEqual(problems);
});

test('a group that is a version is refused, and what is no YAML', () => {
  const [problem] = problemsOf(`${head}rules: [{level: None, resources: [{group: apps/v1}]}]`);
  expect(problem).toMatch(
    /^rules\[0\]\.resources\[0\]\.group: Invalid value: "apps\/v1": a lowercase RFC 1123 subdomain/,
  );
  expect(problemsOf('a: [')).toHaveLength(1);
});

import { expect, test } from 'vitest';
import {
  cidrProblems,
  configMapKeyProblems,
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  envVarNameProblems,
  ipProblems,
  labelValueProblems,
  pathSegmentProblems,
  portNameProblems,
  portNumberProblems,
  qualifiedNameProblems,
  wildcardSubdomainProblems,
} from './names.ts';

test.each([
  [dns1123LabelProblems, ['a', 'a-b', '0', 'x'.repeat(63)]],
  [dns1123SubdomainProblems, ['a', 'a.b-c.d', '0.1', 'x'.repeat(253)]],
  [dns1035LabelProblems, ['a', 'a-0']],
  [wildcardSubdomainProblems, ['*.a.b']],
  [qualifiedNameProblems, ['a', 'A_b.c-d', 'example.com/Name', 'x'.repeat(63)]],
  [labelValueProblems, ['', 'a', 'A_b.c']],
  [pathSegmentProblems, ['a', 'system:node', 'a b']],
  [portNameProblems, ['http', 'a-1']],
  [envVarNameProblems, ['A', 'a b', '1x']],
  [configMapKeyProblems, ['a', '.x', 'A_b', '__proto__']],
  [ipProblems, ['10.0.0.1', '::1']],
  [cidrProblems, ['10.0.0.0/8', 'fd00::/64']],
])('%o accepts %j', (rule, texts) => {
  expect(texts.map((text) => rule(text))).toEqual(texts.map(() => []));
});

const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const qualified =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

test.each([
  [dns1123LabelProblems, 'A', [label]],
  [dns1123LabelProblems, 'a.b', ['must not contain dots']],
  [dns1123LabelProblems, 'x'.repeat(64), ['must be no more than 63 bytes']],
  [dns1123SubdomainProblems, 'a_b', [subdomain]],
  [dns1123SubdomainProblems, '', [subdomain]],
  [dns1123SubdomainProblems, 'x'.repeat(254), ['must be no more than 253 bytes']],
  [qualifiedNameProblems, '', ['name part must be non-empty', `name part ${qualified}`]],
  [qualifiedNameProblems, '/a', ['prefix part must be non-empty']],
  [qualifiedNameProblems, 'A/a', [`prefix part ${subdomain}`]],
  [
    qualifiedNameProblems,
    'a/b/c',
    [`a valid label key ${qualified} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`],
  ],
  [pathSegmentProblems, '..', ["may not be '..'"]],
  [pathSegmentProblems, 'a/%', ["may not contain '/'", "may not contain '%'"]],
  [portNameProblems, '80', ['must contain at least one letter (a-z)']],
  [portNameProblems, '-a--b', ['must not contain consecutive hyphens', 'must not begin or end with a hyphen']],
  [ipProblems, '1.2.3', ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
  [cidrProblems, '10.0.0.0/33', ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']],
  [configMapKeyProblems, '..a', ["must not start with '..'"]],
])('%o says of %j: %j', (rule, text, problems) => {
  expect(rule(text)).toEqual(problems);
});

test('ports are 1 to 65535', () => {
  expect([0, 1, 65535, 65536, 1.5].map((port) => portNumberProblems(port).length)).toEqual([1, 0, 0, 1, 1]);
});

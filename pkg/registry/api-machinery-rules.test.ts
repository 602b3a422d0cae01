/** Kinds that shape the API itself: definitions, webhooks, policies, flow control, signing requests. */
import { expect, test } from 'vitest';
import { type Change, createErrors, strategyOf, subresourceErrors, updateErrors } from './testing.ts';

const metadata = { name: 'web', resourceVersion: '1' };
const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object' } } } };
const version = { name: 'v1', served: true, storage: true, schema };
const names = { plural: 'crontabs', kind: 'CronTab' };
const definitions = strategyOf('customresourcedefinitions');
const definition = (spec: object = {}): object => ({
  metadata: { name: 'crontabs.example.com', resourceVersion: '1' },
  spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version], ...spec },
});
const withSchema = (openAPIV3Schema: object): object => ({ versions: [{ ...version, schema: { openAPIV3Schema } }] });
const withSpec = (spec: object): object => withSchema({ type: 'object', properties: { spec } });

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  [
    'another name',
    { names: { ...names, plural: 'tabs' } },
    ['metadata.name: Invalid value: "crontabs.example.com": must be spec.names.plural+"."+spec.group'],
  ],
  [
    'a group without dot',
    { group: 'example' },
    [
      'metadata.name: Invalid value: "crontabs.example.com": must be spec.names.plural+"."+spec.group',
      'spec.group: Invalid value: "example": should be a domain with at least one dot',
    ],
  ],
  [
    'an unknown scope',
    { scope: 'Everywhere' },
    ['spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"'],
  ],
  [
    'a kind that is none',
    { names: { ...names, kind: 'Cron Tab' } },
    [
      "spec.names.singular: Invalid value: \"cron tab\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
      "spec.names.kind: Invalid value: \"Cron Tab\": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
      "spec.names.listKind: Invalid value: \"Cron TabList\": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    'a short name that is none',
    { names: { ...names, shortNames: ['CT'] } },
    [
      "spec.names.shortNames[0]: Invalid value: \"CT\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    'one name for kind and list',
    { names: { ...names, listKind: 'CronTab' } },
    ['spec.names.listKind: Invalid value: "CronTab": kind and listKind may not be the same'],
  ],
  [
    'a version that is no name',
    { versions: [{ ...version, name: 'V1' }] },
    [
      "spec.versions[0].name: Invalid value: \"V1\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    'no schema',
    { versions: [{ ...version, schema: undefined }] },
    ['spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required'],
  ],
  [
    'nothing stored',
    { versions: [{ name: 'v1', served: true, storage: false, schema: undefined }] },
    [
      'spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required',
      'spec.versions: Invalid value: [{"name":"v1","served":true,"storage":false}]: must have exactly one version marked as storage version',
    ],
  ],
  [
    'a schema without type',
    withSchema({ properties: {} }),
    ['spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root'],
  ],
  [
    'a schema of a list',
    withSchema({ type: 'array', items: { type: 'string' } }),
    ['spec.validation.openAPIV3Schema.type: Invalid value: "array": must be object at the root'],
  ],
  [
    'a property without type',
    withSpec({}),
    [
      'spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields',
    ],
  ],
  ['a property of any type', withSpec({ 'x-kubernetes-preserve-unknown-fields': true }), []],
  [
    'a list of nothing',
    withSpec({ type: 'array' }),
    ['spec.validation.openAPIV3Schema.properties[spec].items: Required value: must be specified'],
  ],
  [
    'items without type',
    withSpec({ type: 'array', items: {} }),
    [
      'spec.validation.openAPIV3Schema.properties[spec].items.type: Required value: must not be empty for specified array items',
    ],
  ],
  [
    'a reference',
    withSpec({ $ref: '#/x' }),
    ['spec.validation.openAPIV3Schema.properties[spec].$ref: Forbidden: $ref is not supported'],
  ],
  [
    'two ways to name properties',
    withSpec({ type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'string' } }),
    [
      'spec.validation.openAPIV3Schema.properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive',
    ],
  ],
  [
    'different schemas',
    { versions: [version, { ...version, name: 'v2', storage: false, schema: { openAPIV3Schema: {} } }] },
    ['spec.versions[1].schema.openAPIV3Schema.type: Required value: must not be empty at the root'],
  ],
  [
    'an unknown conversion',
    { conversion: { strategy: 'Magic' } },
    ['spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"'],
  ],
])('a definition with %s', (_what, spec, errors) => {
  expect(createErrors(definitions, definition(spec))).toEqual(errors);
});

test.each<[string, Change, readonly string[]]>([
  [
    'its scope',
    (draft) => (draft.spec.scope = 'Cluster'),
    ['spec.scope: Invalid value: "Cluster": field is immutable'],
  ],
  [
    'a version that objects are stored in',
    (draft) => (draft.spec.versions = [{ ...version, name: 'v2' }]),
    ['status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions'],
  ],
])('a definition changes %s', (_what, change, errors) => {
  const status = { conditions: [{ type: 'Established', status: 'True' }], storedVersions: ['v1'] };
  expect(updateErrors(definitions, { ...definition(), status }, change)).toEqual(errors);
});

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const service = { name: 'hook', namespace: 'default' };
const hook = {
  name: 'hook.example.com',
  clientConfig: { service },
  rules: [rule],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
};

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  [
    'a name of two parts',
    { name: 'example.com' },
    [
      'webhooks[0].name: Invalid value: "example.com": should be a domain with at least three segments separated by dots',
    ],
  ],
  [
    'no way to reach it',
    { clientConfig: {} },
    ['webhooks[0].clientConfig: Required value: exactly one of url or service is required'],
  ],
  [
    'two ways to reach it',
    { clientConfig: { service, url: 'https://a' } },
    ['webhooks[0].clientConfig: Required value: exactly one of url or service is required'],
  ],
  [
    'an address without TLS',
    { clientConfig: { url: 'http://a/b?c=d' } },
    [
      'webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
      'webhooks[0].clientConfig.url: Invalid value: "c=d": query parameters are not permitted in the URL',
    ],
  ],
  [
    'a Service without name',
    { clientConfig: { service: { ...service, name: '', port: 0, path: '/a//b' } } },
    [
      'webhooks[0].clientConfig.service.name: Required value: service name is required',
      'webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive',
      'webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty',
    ],
  ],
  [
    'side effects',
    { sideEffects: 'Some' },
    ['webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'],
  ],
  [
    'no word about side effects',
    { sideEffects: undefined },
    ['webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun'],
  ],
  [
    'no version of reviews',
    { admissionReviewVersions: [] },
    ['webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1'],
  ],
  [
    'unknown versions of reviews',
    { admissionReviewVersions: ['v9', 'v9'] },
    [
      'webhooks[0].admissionReviewVersions[1]: Invalid value: "v9": duplicate version',
      'webhooks[0].admissionReviewVersions: Invalid value: ["v9","v9"]: must include at least one of v1, v1beta1',
    ],
  ],
  [
    'a long wait',
    { timeoutSeconds: 31 },
    ['webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds'],
  ],
  [
    'an unknown failure policy',
    { failurePolicy: 'Shrug' },
    ['webhooks[0].failurePolicy: Unsupported value: "Shrug": supported values: "Fail", "Ignore"'],
  ],
  [
    'an unknown operation',
    { rules: [{ ...rule, operations: ['READ'] }] },
    [
      'webhooks[0].rules[0].operations[0]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
    ],
  ],
  [
    'every operation and one more',
    { rules: [{ ...rule, operations: ['*', 'CREATE'] }] },
    [
      'webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations',
    ],
  ],
  [
    'every resource and one more',
    { rules: [{ ...rule, resources: ['*', 'pods'] }] },
    [
      'webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources without subresources',
    ],
  ],
  [
    'all parts of a resource and one more',
    { rules: [{ ...rule, resources: ['pods/*', 'pods/log'] }] },
    [
      'webhooks[0].rules[0].resources[1]: Invalid value: "pods/log": if \'pods/*\' is present, must not specify pods/log',
    ],
  ],
  [
    'an unknown scope',
    { rules: [{ ...rule, scope: 'Everywhere' }] },
    ['webhooks[0].rules[0].scope: Unsupported value: "Everywhere": supported values: "*", "Cluster", "Namespaced"'],
  ],
  [
    'conditions of one name',
    {
      matchConditions: [
        { name: 'a', expression: 'true' },
        { name: 'a', expression: ' ' },
      ],
    },
    [
      'webhooks[0].matchConditions[1].expression: Required value',
      'webhooks[0].matchConditions[1].name: Duplicate value: "a"',
    ],
  ],
])('a webhook with %s', (_what, fields, errors) => {
  const object = { metadata, webhooks: [{ ...hook, ...fields }] };
  expect(createErrors(strategyOf('validatingwebhookconfigurations'), object)).toEqual(errors);
});

const matchConstraints = { resourceRules: [rule] };
const validations = [{ expression: 'true' }];

test.each<[string, string, object, readonly string[]]>([
  ['validatingadmissionpolicies', 'nothing wrong', { matchConstraints, validations }, []],
  ['validatingadmissionpolicies', 'nothing to match', { validations }, ['spec.matchConstraints: Required value']],
  [
    'validatingadmissionpolicies',
    'no rules',
    { matchConstraints: {}, validations },
    ['spec.matchConstraints.resourceRules: Required value'],
  ],
  [
    'validatingadmissionpolicies',
    'nothing to check',
    { matchConstraints },
    [
      'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
      'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
    ],
  ],
  [
    'validatingadmissionpolicies',
    'an empty check',
    { matchConstraints, validations: [{ expression: ' ', message: 'a\nb', reason: 'Because' }] },
    [
      'spec.validations[0].expression: Required value: expression is not specified',
      'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
      'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
    ],
  ],
  [
    'validatingadmissionpolicies',
    'a variable that is none',
    { matchConstraints, validations, variables: [{ name: 'in', expression: '' }] },
    [
      'spec.variables[0].name: Invalid value: "in": name is not a valid CEL identifier',
      'spec.variables[0].expression: Required value: expression is not specified',
    ],
  ],
  [
    'validatingadmissionpolicies',
    'parameters of no kind',
    { matchConstraints, validations, paramKind: { apiVersion: 'a/b/c' } },
    [
      'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      'spec.paramKind.kind: Required value',
    ],
  ],
  [
    'mutatingadmissionpolicies',
    'nothing to change',
    { matchConstraints, reinvocationPolicy: 'Never' },
    ['spec.mutations: Required value: mutations must contain at least one item'],
  ],
  [
    'mutatingadmissionpolicies',
    'an empty change',
    { matchConstraints, reinvocationPolicy: 'Never', mutations: [{ patchType: 'JSONPatch' }] },
    ['spec.mutations[0].jsonPatch.expression: Required value: expression is not specified'],
  ],
  [
    'validatingadmissionpolicybindings',
    'no policy',
    { validationActions: ['Deny'] },
    ['spec.policyName: Required value'],
  ],
  [
    'validatingadmissionpolicybindings',
    'no action',
    { policyName: 'a' },
    ['spec.validationActions: Required value: at least one validation action is required'],
  ],
  [
    'validatingadmissionpolicybindings',
    'two of one effect',
    { policyName: 'a', validationActions: ['Deny', 'Warn', 'Shout'] },
    [
      'spec.validationActions[2]: Unsupported value: "Shout": supported values: "Audit", "Deny", "Warn"',
      'spec.validationActions: Invalid value: ["Deny","Warn","Shout"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    ],
  ],
  [
    'mutatingadmissionpolicybindings',
    'parameters from nowhere',
    { policyName: 'a', paramRef: {} },
    [
      'spec.paramRef: Required value: one of name or selector must be specified',
      'spec.paramRef.parameterNotFoundAction: Required value',
    ],
  ],
])('%s with %s', (resource, _what, spec, errors) => {
  expect(createErrors(strategyOf(resource), { metadata, spec })).toEqual(errors);
});

const subject = { kind: 'User', user: { name: 'u' } };
const flowRule = { subjects: [subject], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }] };
const limited = (fields: object): object => ({
  type: 'Limited',
  limited: { limitResponse: { type: 'Reject' }, ...fields },
});
const queuing = (fields: object): object => limited({ limitResponse: { type: 'Queue', queuing: fields } });
const priorityLevelConfiguration = { name: 'a' };

test.each<[string, string, object, readonly string[]]>([
  ['flowschemas', 'nothing wrong', { priorityLevelConfiguration, rules: [flowRule] }, []],
  [
    'flowschemas',
    'no level',
    { rules: [flowRule] },
    ['spec.priorityLevelConfiguration.name: Required value: must reference a priority level'],
  ],
  [
    'flowschemas',
    'a precedence too high',
    { priorityLevelConfiguration, matchingPrecedence: 10_001 },
    ['spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000'],
  ],
  [
    'flowschemas',
    'the precedence of another',
    { priorityLevelConfiguration, matchingPrecedence: 1 },
    ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"],
  ],
  [
    'flowschemas',
    'an unknown way to tell flows apart',
    { priorityLevelConfiguration, distinguisherMethod: { type: 'ByMood' } },
    ['spec.distinguisherMethod.type: Unsupported value: "ByMood": supported values: "ByNamespace", "ByUser"'],
  ],
  [
    'flowschemas',
    'an empty rule',
    { priorityLevelConfiguration, rules: [{}] },
    [
      'spec.rules[0].subjects: Required value: subjects must contain at least one value',
      'spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
    ],
  ],
  [
    'flowschemas',
    'a subject of two kinds',
    { priorityLevelConfiguration, rules: [{ ...flowRule, subjects: [{ ...subject, group: { name: 'g' } }] }] },
    ["spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'"],
  ],
  [
    'flowschemas',
    'a subject of an unknown kind',
    { priorityLevelConfiguration, rules: [{ ...flowRule, subjects: [{ kind: 'Robot' }] }] },
    ['spec.rules[0].subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"'],
  ],
  [
    'flowschemas',
    'an unknown verb and a path that is none',
    {
      priorityLevelConfiguration,
      rules: [{ ...flowRule, nonResourceRules: [{ verbs: ['read'], nonResourceURLs: ['/a*'] }] }],
    },
    [
      'spec.rules[0].nonResourceRules[0].verbs: Unsupported value: ["read"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"',
      'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/a*": wildcard can only do suffix matching',
    ],
  ],
  [
    'flowschemas',
    'a resource in no namespace',
    {
      priorityLevelConfiguration,
      rules: [{ ...flowRule, resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] }],
    },
    [
      'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
    ],
  ],
  ['prioritylevelconfigurations', 'nothing wrong', queuing({}), []],
  [
    'prioritylevelconfigurations',
    'no limits',
    { type: 'Limited' },
    ['spec.limited: Required value: must not be empty when type is Limited'],
  ],
  [
    'prioritylevelconfigurations',
    'no limits of another',
    { type: 'Exempt' },
    ["spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"],
  ],
  [
    'prioritylevelconfigurations',
    'an unknown answer',
    limited({ limitResponse: { type: 'Wait' } }),
    ['spec.limited.limitResponse.type: Unsupported value: "Wait": supported values: "Queue", "Reject"'],
  ],
  [
    'prioritylevelconfigurations',
    'shares below zero',
    limited({ nominalConcurrencyShares: -1, lendablePercent: 101, borrowingLimitPercent: -1 }),
    [
      'spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer',
      'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
      'spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer',
    ],
  ],
  [
    'prioritylevelconfigurations',
    'a hand larger than the deck',
    queuing({ queues: 2, handSize: 3 }),
    ['spec.limited.limitResponse.queuing.handSize: Invalid value: 3: should not be greater than queues (2)'],
  ],
  [
    'prioritylevelconfigurations',
    'a hand too large to tell',
    queuing({ queues: 1000, handSize: 7 }),
    [
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 7: required entropy bits of deckSize 1000 and handSize 7 should not be greater than 60',
    ],
  ],
])('%s of %s', (resource, _what, spec, errors) => {
  expect(createErrors(strategyOf(resource), { metadata, spec })).toEqual(errors);
});

const pem = (kind: string): string =>
  Buffer.from(`-----BEGIN ${kind}-----\nAAAA\n-----END ${kind}-----\n`).toString('base64');
const requests = strategyOf('certificatesigningrequests');
const request = (spec: object = {}): object => ({
  metadata,
  spec: { request: pem('CERTIFICATE REQUEST'), signerName: 'example.com/ca', usages: ['client auth'], ...spec },
});

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  [
    'a certificate in place of a request',
    { request: pem('CERTIFICATE') },
    [
      'spec.request: Invalid value: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=": PEM block type must be CERTIFICATE REQUEST',
    ],
  ],
  ['no usages', { usages: [] }, ['spec.usages: Required value']],
  [
    'usages that are none',
    { usages: ['fun', 'fun'] },
    [
      'spec.usages[0]: Unsupported value: "fun": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"',
      'spec.usages[1]: Unsupported value: "fun": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"',
      'spec.usages[1]: Duplicate value: "fun"',
    ],
  ],
  [
    'the signer of old',
    { signerName: 'kubernetes.io/legacy-unknown' },
    [
      'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
    ],
  ],
  [
    'a signer without domain',
    { signerName: 'ca' },
    [
      'spec.signerName: Invalid value: "ca": must be a fully qualified domain and path of the form \'example.com/signer-name\'',
    ],
  ],
  [
    'a signer that is none',
    { signerName: 'Example/CA' },
    [
      "spec.signerName: Invalid value: \"Example\": validating label \"Example\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      'spec.signerName: Invalid value: "Example": should be a domain with at least two segments separated by dots',
      "spec.signerName: Invalid value: \"CA\": validating label \"CA\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'a life too short',
    { expirationSeconds: 599 },
    ['spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)'],
  ],
])('a signing request with %s', (_what, spec, errors) => {
  expect(createErrors(requests, request(spec))).toEqual(errors);
});

const approved = { type: 'Approved', status: 'True' };

test.each<[string, string, Change, readonly string[]]>([
  ['approval', 'nothing wrong', (draft) => (draft.status = { conditions: [approved] }), []],
  [
    'approval',
    'a denial besides',
    (draft) => (draft.status = { conditions: [approved, { ...approved, type: 'Denied' }] }),
    ['status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'],
  ],
  [
    'approval',
    'a doubt',
    (draft) => (draft.status = { conditions: [{ ...approved, status: 'Unknown' }] }),
    ['status.conditions[0].status: Unsupported value: "Unknown": supported values: "True"'],
  ],
  [
    'status',
    'an approval',
    (draft) => (draft.status = { conditions: [approved] }),
    ['status.conditions: Forbidden: updates may not add a condition of type "Approved"'],
  ],
  ['status', 'a certificate', (draft) => (draft.status = { certificate: pem('CERTIFICATE') }), []],
  [
    'status',
    'a key',
    (draft) => (draft.status = { certificate: pem('PRIVATE KEY') }),
    [
      'status.certificate: Invalid value: "<certificate data>": only CERTIFICATE PEM blocks are allowed, found "PRIVATE KEY"',
    ],
  ],
])('by %s a signing request gets %s', (subresource, _what, change, errors) => {
  expect(subresourceErrors(requests, { object: request(), subresource }, change)).toEqual(errors);
});

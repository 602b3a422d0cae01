/**
 * The definitions of the Gateway API's kinds: GatewayClass, Gateway, HTTPRoute, ReferenceGrant, with upstream's names, versions, defaults and limits, and
 * complete for what the gateway does. What it does not do (CORS, retries, session persistence, extensions) has no field here, so that it is told as unknown.
 * Source: Gateway API reference, standard channel.
 */
import type { AddonObject } from '../objects.ts';
import { httpRouteSpec } from './route-schema.ts';
import { conditionsSchema, listOf, objectOf, type Schema, textOf, withDefault, wordOf } from './schema.ts';
import {
  groupName,
  hostName,
  kindName,
  labelsSchema,
  objectName,
  parentRefSchema,
  portNumber,
  sectionName,
} from './schema-parts.ts';
import { gatewayGroup } from './types.ts';

/** The version of the Gateway API that has all of the fields. */
const bundleVersion = 'v1.3.0';

interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly scope: 'Cluster' | 'Namespaced';
  /** The first is the one that is stored. */
  readonly versions: readonly string[];
  readonly spec: Schema;
  readonly status?: Schema;
  readonly columns: readonly (readonly [name: string, path: string])[];
}

const classSpec = objectOf(
  {
    controllerName: textOf(253, {
      minLength: 1,
      pattern:
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$",
      'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'Value is immutable' }],
    }),
    description: textOf(64),
    parametersRef: objectOf(
      { group: groupName, kind: kindName, name: objectName, namespace: textOf(63, { minLength: 1 }) },
      ['group', 'kind', 'name'],
    ),
  },
  ['controllerName'],
);

const secretRef = objectOf(
  {
    group: withDefault(groupName, ''),
    kind: withDefault(kindName, 'Secret'),
    name: objectName,
    namespace: textOf(63, { minLength: 1 }),
  },
  ['name'],
);

const listenerSchema = objectOf(
  {
    name: sectionName,
    hostname: hostName,
    port: portNumber,
    protocol: textOf(255, { minLength: 1 }),
    tls: objectOf(
      {
        mode: wordOf(['Terminate', 'Passthrough'], 'Terminate'),
        certificateRefs: listOf(secretRef, { max: 64, atomic: true }),
        options: { type: 'object', maxProperties: 16, additionalProperties: textOf(4096) },
      },
      [],
      [
        [
          "self.mode == 'Terminate' ? (has(self.certificateRefs) && size(self.certificateRefs) > 0) || (has(self.options) && size(self.options) > 0) : true",
          'certificateRefs or options must be specified when mode is Terminate',
        ],
      ],
    ),
    allowedRoutes: withDefault(
      objectOf({
        namespaces: withDefault(
          objectOf({ from: wordOf(['All', 'Selector', 'Same', 'None'], 'Same'), selector: labelsSchema }),
          { from: 'Same' },
        ),
        kinds: listOf(objectOf({ group: withDefault(groupName, gatewayGroup), kind: kindName }, ['kind']), {
          max: 8,
          atomic: true,
        }),
      }),
      { namespaces: { from: 'Same' } },
    ),
  },
  ['name', 'port', 'protocol'],
);

const gatewaySpec = objectOf(
  {
    gatewayClassName: objectName,
    listeners: listOf(listenerSchema, {
      max: 64,
      min: 1,
      keys: ['name'],
      rules: [
        [
          "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
          "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']",
        ],
        [
          "self.all(l, l.protocol == 'HTTPS' && has(l.tls) ? l.tls.mode == 'Terminate' : true)",
          'tls mode must be Terminate for protocol HTTPS',
        ],
        [
          "self.all(l, l.protocol in ['TCP', 'UDP'] ? !has(l.hostname) || l.hostname == '' : true)",
          "hostname must not be specified for protocols ['TCP', 'UDP']",
        ],
        ['self.all(a, self.exists_one(b, a.name == b.name))', 'Listener name must be unique within the Gateway'],
        [
          "self.all(a, self.exists_one(b, a.port == b.port && a.protocol == b.protocol && (has(a.hostname) ? a.hostname : '') == (has(b.hostname) ? b.hostname : '')))",
          'Combination of port, protocol and hostname must be unique for each listener',
        ],
      ],
    }),
    addresses: listOf(objectOf({ type: withDefault(textOf(253, { minLength: 1 }), 'IPAddress'), value: textOf(253) }), {
      max: 16,
      atomic: true,
    }),
    infrastructure: objectOf({
      labels: { type: 'object', maxProperties: 8, additionalProperties: textOf(63) },
      annotations: { type: 'object', maxProperties: 8, additionalProperties: textOf(4096) },
    }),
  },
  ['gatewayClassName', 'listeners'],
);

const gatewayStatus = objectOf({
  addresses: listOf(objectOf({ type: textOf(253), value: textOf(253) }, ['value']), { max: 16, atomic: true }),
  conditions: conditionsSchema,
  listeners: listOf(
    objectOf(
      {
        name: sectionName,
        supportedKinds: listOf(objectOf({ group: groupName, kind: kindName }, ['kind']), { max: 8, atomic: true }),
        attachedRoutes: { type: 'integer', format: 'int32' },
        conditions: conditionsSchema,
      },
      ['attachedRoutes', 'conditions', 'name'],
    ),
    { max: 64, keys: ['name'] },
  ),
});

const routeStatus = objectOf(
  {
    parents: listOf(
      objectOf(
        { parentRef: parentRefSchema, controllerName: textOf(253, { minLength: 1 }), conditions: conditionsSchema },
        ['controllerName', 'parentRef'],
      ),
      { max: 32, atomic: true },
    ),
  },
  ['parents'],
);

const namespaceName = textOf(63, { minLength: 1 });
const grantSpec = objectOf(
  {
    from: listOf(
      objectOf({ group: groupName, kind: kindName, namespace: namespaceName }, ['group', 'kind', 'namespace']),
      {
        max: 16,
        min: 1,
        atomic: true,
      },
    ),
    to: listOf(objectOf({ group: groupName, kind: kindName, name: objectName }, ['group', 'kind']), {
      max: 16,
      min: 1,
      atomic: true,
    }),
  },
  ['from', 'to'],
);

const definitions: readonly Definition[] = [
  {
    kind: 'GatewayClass',
    plural: 'gatewayclasses',
    shortNames: ['gc'],
    scope: 'Cluster',
    versions: ['v1', 'v1beta1'],
    spec: classSpec,
    status: objectOf({
      conditions: conditionsSchema,
      supportedFeatures: listOf(objectOf({ name: textOf(253) }, ['name']), { max: 64, keys: ['name'] }),
    }),
    columns: [
      ['Controller', '.spec.controllerName'],
      ['Accepted', '.status.conditions[?(@.type=="Accepted")].status'],
    ],
  },
  {
    kind: 'Gateway',
    plural: 'gateways',
    shortNames: ['gtw'],
    scope: 'Namespaced',
    versions: ['v1', 'v1beta1'],
    spec: gatewaySpec,
    status: gatewayStatus,
    columns: [
      ['Class', '.spec.gatewayClassName'],
      ['Address', '.status.addresses[*].value'],
      ['Programmed', '.status.conditions[?(@.type=="Programmed")].status'],
    ],
  },
  {
    kind: 'HTTPRoute',
    plural: 'httproutes',
    shortNames: [],
    scope: 'Namespaced',
    versions: ['v1', 'v1beta1'],
    spec: httpRouteSpec,
    status: routeStatus,
    columns: [['Hostnames', '.spec.hostnames']],
  },
  {
    kind: 'ReferenceGrant',
    plural: 'referencegrants',
    shortNames: ['refgrant'],
    scope: 'Namespaced',
    versions: ['v1beta1'],
    spec: grantSpec,
    columns: [],
  },
];

/** The definitions, as objects to apply. */
export function gatewayDefinitions(): readonly AddonObject[] {
  return definitions.map(definitionOf);
}

function definitionOf(definition: Definition): AddonObject {
  const { kind, plural, shortNames, scope, versions } = definition;
  const names = { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List`, categories: ['gateway-api'] };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${gatewayGroup}`,
      annotations: {
        // The schemas are not those that upstream's reviewers approved.
        'api-approved.kubernetes.io': 'unapproved, written for the gateway of Coxswain',
        // By these, tools find out of which version of the API the fields are.
        [`${gatewayGroup}/bundle-version`]: bundleVersion,
        [`${gatewayGroup}/channel`]: 'standard',
      },
    },
    spec: {
      group: gatewayGroup,
      scope,
      names: { ...names, ...(shortNames.length === 0 ? {} : { shortNames }) },
      versions: versions.map((name, index) => versionOf(definition, { name, isStored: index === 0 })),
    },
  };
}

function versionOf(
  { spec, status, columns }: Definition,
  { name, isStored }: { readonly name: string; readonly isStored: boolean },
): Schema {
  const shape = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' }, spec };
  const age = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
  return {
    name,
    served: true,
    storage: isStored,
    schema: {
      openAPIV3Schema: objectOf({ ...shape, ...(status === undefined ? {} : { status }) }, ['spec']),
    },
    ...(status === undefined ? {} : { subresources: { status: {} } }),
    additionalPrinterColumns: [...columns.map(([title, jsonPath]) => ({ name: title, type: 'string', jsonPath })), age],
  };
}

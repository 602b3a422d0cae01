/** Parts that the schemas of several kinds of the Gateway API share. Source: Gateway API reference, `shared types`. */
import { listOf, numberOf, objectOf, type Schema, textOf, withDefault, wordOf } from './schema.ts';
import { gatewayGroup } from './types.ts';

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/** A group's name; `''` for the core group. */
export const groupName: Schema = textOf(253, { pattern: `^$|^${label}(\\.${label})*$` });
/** The name of a kind. */
export const kindName: Schema = textOf(63, { minLength: 1, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$' });
/** The name of an object. */
export const objectName: Schema = textOf(253, { minLength: 1 });
/** The name of a part of an object, such as a listener. */
export const sectionName: Schema = textOf(253, { minLength: 1, pattern: `^${label}(\\.${label})*$` });
/** A hostname, or one with a first label `*`. */
export const hostName: Schema = textOf(253, { minLength: 1, pattern: `^(\\*\\.)?${label}(\\.${label})*$` });
/** A hostname without a wildcard. */
export const preciseHostName: Schema = textOf(253, { minLength: 1, pattern: `^${label}(\\.${label})*$` });
/** A port. */
export const portNumber: Schema = numberOf(1, 65_535);
/** The name of a header. */
export const headerName: Schema = textOf(256, { minLength: 1, pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$" });
const namespaceName: Schema = textOf(63, { minLength: 1 });

/** A selector of labels. */
export const labelsSchema: Schema = objectOf({
  matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
  matchExpressions: listOf(
    objectOf(
      {
        key: { type: 'string' },
        operator: wordOf(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: listOf({ type: 'string' }, { max: 64, atomic: true }),
      },
      ['key', 'operator'],
    ),
    { max: 32, atomic: true },
  ),
});

/** What a route is attached to. */
export const parentRefSchema: Schema = objectOf(
  {
    group: withDefault(groupName, gatewayGroup),
    kind: withDefault(kindName, 'Gateway'),
    namespace: namespaceName,
    name: objectName,
    sectionName,
    port: portNumber,
  },
  ['name'],
);

/** A backend, without what a route says of it. */
export const backendFields: Readonly<Record<string, Schema>> = {
  group: withDefault(groupName, ''),
  kind: withDefault(kindName, 'Service'),
  namespace: namespaceName,
  name: objectName,
  port: portNumber,
};

/** Holds where a Service has a port. */
export const needsPort = [
  "self.group == '' && self.kind == 'Service' ? has(self.port) : true",
  'Must have port for Service reference',
] as const;

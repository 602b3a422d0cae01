/** What expressions can name: functions, variables, types. Pure. Source: apiserver `pkg/cel/environment/base.go` at compatibility 1.35. */
import type { Overload } from './functions.ts';
import { authorizerLibrary } from './library/authorizer.ts';
import { formatLibrary } from './library/formats.ts';
import { listLibrary } from './library/lists.ts';
import { networkLibrary } from './library/network.ts';
import { optionalLibrary } from './library/optionals.ts';
import { patternLibrary } from './library/patterns.ts';
import { quantityLibrary } from './library/quantity.ts';
import { semverLibrary } from './library/semver.ts';
import { standardLibrary } from './library/standard.ts';
import { stringLibrary } from './library/strings.ts';
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  listOf,
  mapOf,
  nullType,
  stringType,
  type Type,
  timestampType,
  typeOfType,
  uintType,
} from './types.ts';

/** What an expression can use. */
export interface Environment {
  readonly functions: ReadonlyMap<string, readonly Overload[]>;
  /** By name, which may have dots. */
  readonly variables: ReadonlyMap<string, Type>;
  /** Types whose name is a value. */
  readonly typeNames: ReadonlyMap<string, Type>;
  /** The type that an expression may make objects of by a name; undefined for names of none. */
  readonly structType?: (name: string) => Type | undefined;
}

const libraries: readonly (readonly Overload[])[] = [
  standardLibrary,
  stringLibrary,
  listLibrary,
  optionalLibrary,
  quantityLibrary,
  networkLibrary,
  semverLibrary,
  patternLibrary,
  formatLibrary,
  authorizerLibrary,
];

const typeNames: ReadonlyMap<string, Type> = new Map([
  ['bool', boolType],
  ['bytes', bytesType],
  ['double', doubleType],
  ['dyn', dynType],
  ['google.protobuf.Duration', durationType],
  ['google.protobuf.Timestamp', timestampType],
  ['int', intType],
  ['list', listOf(dynType)],
  ['map', mapOf(dynType, dynType)],
  ['null_type', nullType],
  ['string', stringType],
  ['type', typeOfType(dynType)],
  ['uint', uintType],
  ['net.IP', { kind: 'opaque', name: 'net.IP', params: [] }],
  ['net.CIDR', { kind: 'opaque', name: 'net.CIDR', params: [] }],
]);

let functions: Map<string, Overload[]> | undefined;

/** Made when the first expression is compiled. */
function allFunctions(): Map<string, Overload[]> {
  if (functions !== undefined) return functions;
  functions = new Map();
  for (const overload of libraries.flat()) {
    const others = functions.get(overload.fn);
    if (others === undefined) functions.set(overload.fn, [overload]);
    else others.push(overload);
  }
  return functions;
}

/** All functions that Kubernetes has, and the given variables. */
export function environmentOf(
  variables: Readonly<Record<string, Type>>,
  structType?: Environment['structType'],
): Environment {
  return {
    functions: allFunctions(),
    variables: new Map(Object.entries(variables)),
    typeNames,
    ...(structType === undefined ? {} : { structType }),
  };
}

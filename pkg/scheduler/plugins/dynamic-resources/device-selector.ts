/**
 * Selectors of devices in CEL: `device.driver`, `device.attributes[domain].name` and `device.capacity[domain].name`. A name without a domain has that of the driver, and
 * a domain that a device does not know is empty. Source: `dynamic-resource-allocation/cel/compile.go`.
 */
import type { Device, DeviceAttribute, DeviceSelector } from '#pkg/api/types/resource-v1.ts';
import { environmentOf } from '#pkg/cel/environment.ts';
import { fromJson } from '#pkg/cel/json-values.ts';
import { quantityType, quantityValue } from '#pkg/cel/library/quantity.ts';
import { semverValue } from '#pkg/cel/library/semver.ts';
import { compileProgram, type Program } from '#pkg/cel/program.ts';
import { dynType, mapOf, objectType, stringType } from '#pkg/cel/types.ts';
import { listValue, MapValue, mapValue, type Value } from '#pkg/cel/values.ts';

/** What one evaluation may cost. Source: `CELSelectorExpressionMaxCost`. */
const costMax = 1_000_000;
/** Expressions that are kept compiled; more are compiled again. */
const programsMax = 1_000;

const deviceType = objectType(
  'kubernetes.DRADevice',
  new Map(
    Object.entries({
      driver: stringType,
      attributes: mapOf(stringType, mapOf(stringType, dynType)),
      capacity: mapOf(stringType, mapOf(stringType, quantityType)),
    }).map(([name, type]) => [name, { name, type }]),
  ),
);

const programs = new Map<string, Program | string>();

/** Compiles an expression, or says why it is none. */
function programOf(expression: string): Program | string {
  let program = programs.get(expression);
  if (program === undefined) {
    const compiled = compileProgram(expression, environmentOf({ device: deviceType }));
    program = 'issues' in compiled ? `compilation failed: ${compiled.text}` : compiled;
    if (programs.size >= programsMax) programs.clear();
    programs.set(expression, program);
  }
  return program;
}

/** Whether a device of a driver is one that all of the selectors mean. Throws for an expression that is none, or that fails for the device. */
export function isSelected(selectors: readonly DeviceSelector[], device: Device, driver: string): boolean {
  if (selectors.length === 0) return true;
  const value = deviceValue(device, driver);
  return selectors.every(({ cel }) => {
    const expression = cel?.expression ?? '';
    const program = programOf(expression);
    if (typeof program === 'string') throw new Error(`CEL expression ${JSON.stringify(expression)}: ${program}`);
    const outcome = program.run([value], costMax);
    if ('error' in outcome)
      throw new Error(`CEL expression ${JSON.stringify(expression)} fails for a device: ${outcome.error.message}`);
    return outcome.value === true;
  });
}

function deviceValue({ attributes = {}, capacity = {} }: Device, driver: string): Value {
  const ofAttributes = byDomain(attributes, driver, attributeValue);
  const ofCapacity = byDomain(capacity, driver, ({ value }) => quantityValue(value));
  return mapValue([
    ['driver', driver],
    ['attributes', ofAttributes],
    ['capacity', ofCapacity],
  ]);
}

function attributeValue(attribute: DeviceAttribute): Value {
  const { version, versions, string, int, bool, strings, ints, bools } = attribute;
  if (version !== undefined) return semverValue(version);
  if (versions !== undefined) return listValue(versions.map(semverValue));
  return fromJson(string ?? int ?? bool ?? strings ?? ints ?? bools);
}

/** By domain and name. */
function byDomain<T>(entries: Readonly<Record<string, T>>, driver: string, toValue: (entry: T) => Value): MapValue {
  const domains = new Map<string, [string, Value][]>();
  for (const [name, entry] of Object.entries(entries)) {
    const slash = name.indexOf('/');
    const domain = slash < 0 ? driver : name.slice(0, slash);
    const own = domains.get(domain) ?? [];
    own.push([name.slice(slash + 1), toValue(entry)]);
    domains.set(domain, own);
  }
  const known = new Map(Array.from(domains, ([domain, own]) => [domain, mapValue(own)]));
  const empty = mapValue([]);
  return new MapValue({
    size: known.size,
    find: (key) => (typeof key === 'string' ? (known.get(key) ?? empty) : undefined),
    keys: () => known.keys(),
  });
}

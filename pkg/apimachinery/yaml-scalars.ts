/**
 * How plain scalars of YAML are read: as Go's `yaml.v2` reads them, for which `yes` is true and `017` is 15.
 * Upstream counterpart: `sigs.k8s.io/yaml` over `goyaml.v2` `resolve.go`.
 */
import { boolYaml11Tag, CORE_SCHEMA, defineScalarTag, mergeTag, NOT_RESOLVED } from 'js-yaml';

/** Binary, hexadecimal and octal numbers, the last with or without an `o`. With another digit, `09` is no integer but a float. */
const integer = /^([-+]?)(0[bB][01]+|0[xX][\da-fA-F]+|0[oO]?[0-7]+|0|[1-9]\d*)$/;

const integerTag = defineScalarTag<number | bigint>('tag:yaml.org,2002:int', {
  implicit: true,
  implicitFirstChars: [...'-+0123456789'],
  resolve(source) {
    const match = integer.exec(source.replaceAll('_', ''));
    if (match === null) return NOT_RESOLVED;
    const digits = match[2]!;
    const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
    const value = match[1] === '-' ? -magnitude : magnitude;
    return BigInt(Number(value)) === value ? Number(value) : value;
  },
  identify: (value) => Number.isInteger(value) || typeof value === 'bigint',
  represent: String,
});

/** The types of JSON, and `<<`, which people use with anchors. Integers that no double holds exactly are of type `bigint`. */
export const goYamlSchema = CORE_SCHEMA.withTags(mergeTag, boolYaml11Tag, integerTag);

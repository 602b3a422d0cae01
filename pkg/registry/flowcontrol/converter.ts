/**
 * Priority levels of flowcontrol.apiserver.k8s.io before v1, where shares were no pointer: zero means the default in them.
 * Source: `pkg/apis/flowcontrol/{v1beta1,v1beta2,v1beta3}/{conversion,defaults}.go`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { type Converter, converterAt, editAt } from '#pkg/apiserver/converters/converter.ts';

const group = 'flowcontrol.apiserver.k8s.io';
const stored = `${group}/v1`;
const limited = ['spec', 'limited'];

/** What v1beta3 says of a zero that is meant. Source: `PriorityLevelPreserveZeroConcurrencySharesKey`. */
const zeroAnnotation = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares';

/** v1beta1 and v1beta2, which call the shares assured. */
export function assuredSharesConverter(version: 'v1beta1' | 'v1beta2'): Converter {
  return converterAt(limited, {
    apiVersion: `${group}/${version}`,
    stored,
    toStored: ({ assuredConcurrencyShares: shares, ...rest }) =>
      shares ? { nominalConcurrencyShares: shares, ...rest } : rest,
    fromStored: ({ nominalConcurrencyShares: shares = 0, ...rest }) => ({ assuredConcurrencyShares: shares, ...rest }),
  });
}

/** v1beta3, in which an annotation keeps a zero from becoming the default. */
export const nominalSharesConverter: Converter = {
  toStored(draft) {
    const { [zeroAnnotation]: kept, ...annotations } = annotationsOf(draft);
    const edited =
      kept === undefined ? editAt(draft, limited, withoutZero) : withAnnotations(draft, annotations as JsonObject);
    return { ...edited, apiVersion: stored };
  },
  fromStored(object) {
    const source = object as JsonObject;
    const isZero =
      isObject(source.spec) && isObject(source.spec.limited) && !source.spec.limited.nominalConcurrencyShares;
    const annotated = isZero ? withAnnotations(source, { ...annotationsOf(source), [zeroAnnotation]: '' }) : source;
    return { ...annotated, apiVersion: `${group}/v1beta3` } as KubeObject;
  },
};

function withoutZero({ nominalConcurrencyShares: shares, ...rest }: JsonObject): JsonObject {
  return shares ? { nominalConcurrencyShares: shares, ...rest } : rest;
}

function annotationsOf({ metadata }: JsonObject): JsonObject {
  return isObject(metadata) && isObject(metadata.annotations) ? metadata.annotations : {};
}

function withAnnotations(object: JsonObject, annotations: JsonObject): JsonObject {
  const { annotations: _, ...metadata } = object.metadata as JsonObject;
  return { ...object, metadata: Object.keys(annotations).length === 0 ? metadata : { ...metadata, annotations } };
}

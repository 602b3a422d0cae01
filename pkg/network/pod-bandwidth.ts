/** How fast a pod may send and be sent to, as its annotations say. Source: kubelet `pkg/util/bandwidth/utils.go`. */
import { bandwidthAnnotations } from '#pkg/api/share-annotations.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';
import { type PodBandwidth, PodNetworkError } from './pod-network.ts';

/** A thousand bits a second, and 10¹⁵. */
const bitsMin = 1e3;
const bitsMax = 1e15;

/** The limits; undefined where there are none. Throws `PodNetworkError` for what is no such amount. */
export function podBandwidth({ metadata }: Pod): PodBandwidth | undefined {
  const bits = (name: string): number | undefined => {
    const text = metadata?.annotations?.[name];
    if (text === undefined) return undefined;
    const parsed = parseQuantity(text);
    if (parsed === undefined) throw new PodNetworkError(`annotation ${name} is no quantity: ${text.slice(0, 100)}`);
    const amount = Math.ceil(Number(quantityMilliValue(parsed)) / 1000);
    if (amount < bitsMin) throw new PodNetworkError('resource is unreasonably small (< 1kbit)');
    if (amount > bitsMax) throw new PodNetworkError('resource is unreasonably large (> 1Pbit)');
    return amount;
  };
  const [toPod, fromPod] = [bits(bandwidthAnnotations.toPod), bits(bandwidthAnnotations.fromPod)];
  if (toPod === undefined && fromPod === undefined) return undefined;
  return { ...(toPod === undefined ? {} : { toPod }), ...(fromPod === undefined ? {} : { fromPod }) };
}

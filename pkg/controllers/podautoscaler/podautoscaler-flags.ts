/** The flags of the autoscaling controller, with upstream's names and defaults. */
import { duration, type FlagTable, integer, text } from '#pkg/component/flags.ts';

/** Source: kube-controller-manager `HPAController`. */
export const podAutoscalerFlags = {
  'horizontal-pod-autoscaler-sync-period': duration({ help: 'How often autoscalers are looked at.', fallback: 15_000 }),
  'horizontal-pod-autoscaler-downscale-stabilization': duration({
    help: 'How long fewer replicas are put off, where an autoscaler does not say.',
    fallback: 300_000,
  }),
  'horizontal-pod-autoscaler-tolerance': text({
    help: 'How far from its target a metric may be, as a part of one, where an autoscaler does not say.',
    fallback: '0.1',
    placeholder: 'number',
  }),
  'horizontal-pod-autoscaler-cpu-initialization-period': duration({
    help: 'How long after its start what a pod uses of the processor may not count.',
    fallback: 300_000,
  }),
  'horizontal-pod-autoscaler-initial-readiness-delay': duration({
    help: 'How soon after its start a pod that is not ready is taken for one that never was.',
    fallback: 30_000,
  }),
  'concurrent-horizontal-pod-autoscaler-syncs': integer({
    help: 'Autoscalers worked on at the same time.',
    fallback: 5,
    min: 1,
    max: 1_000,
  }),
} satisfies FlagTable;

/**
 * Lets pods stay for five minutes on a node that is not ready or cannot be reached, unless they say otherwise.
 * Source: upstream `plugin/pkg/admission/defaulttolerationseconds`.
 */
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { aboutPod } from './pods.ts';

const tolerationSeconds = 300;
const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'] as const;

/** Adds the tolerations of `not-ready` and `unreachable` that a pod does not bring itself. */
export const defaultTolerationSecondsPlugin: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') && aboutPod(attributes) !== undefined,
  admit(attributes) {
    const draft = aboutPod(attributes)?.draft;
    const spec = draft?.spec;
    if (draft === undefined || spec === undefined) return;
    const present = spec.tolerations ?? [];
    const missing = keys.filter(
      (key) =>
        !present.some(
          ({ key: own = '', effect = '' }) => (own === key || own === '') && (effect === 'NoExecute' || effect === ''),
        ),
    );
    if (missing.length === 0) return;
    const added = missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }));
    // A spec that an update leaves as it is belongs to the stored pod too.
    draft.spec = { ...spec, tolerations: [...present, ...added] };
  },
};

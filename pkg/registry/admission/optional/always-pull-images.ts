/** Has every image of a pod asked for anew, so that nobody uses an image that only others may pull. Source: upstream `plugin/pkg/admission/alwayspullimages`. */
import type { Container, EphemeralContainer, Pod } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { aboutPod, podSubject } from '../pods.ts';

const lists = ['initContainers', 'containers', 'ephemeralContainers'] as const;

/** Sets the policy `Always`, and refuses what has another one afterwards. */
export const alwaysPullImagesPlugin: AdmissionPlugin = {
  name: 'AlwaysPullImages',
  handles: (attributes) => {
    const asked = aboutPod(attributes);
    return (
      asked !== undefined && (asked.operation === 'CREATE' || (asked.operation === 'UPDATE' && hasNewImage(asked)))
    );
  },
  admit(attributes) {
    const draft = aboutPod(attributes)?.draft;
    const spec = draft?.spec;
    if (draft === undefined || spec === undefined) return;
    const { initContainers, containers, ephemeralContainers } = spec;
    draft.spec = {
      ...spec,
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(pulled) }),
      containers: (containers ?? []).map(pulled),
      ...(ephemeralContainers === undefined ? {} : { ephemeralContainers: ephemeralContainers.map(pulled) }),
    };
  },
  validate(attributes) {
    const draft = aboutPod(attributes)?.draft;
    for (const list of lists)
      for (const [index, { imagePullPolicy = '' }] of (draft?.spec?.[list] ?? []).entries()) {
        if (imagePullPolicy === 'Always') continue;
        const why = `spec.${list}[${index}].imagePullPolicy: Unsupported value: "${imagePullPolicy}": supported values: "Always"`;
        throw forbidden(podSubject, attributes.name || (draft?.metadata?.name ?? ''), why);
      }
  },
};

function pulled<T extends Given<Container> | Given<EphemeralContainer>>(container: T): T {
  return { ...container, imagePullPolicy: 'Always' };
}

/** An update that names no image which was not there before passes. */
function hasNewImage({ draft, old }: AdmissionAttributes<Pod>): boolean {
  const before = imagesOf(old);
  return [...imagesOf(draft)].some((image) => !before.has(image));
}

function imagesOf(pod: Given<Pod> | undefined): ReadonlySet<string> {
  return new Set(lists.flatMap((list) => (pod?.spec?.[list] ?? []).map(({ image = '' }) => image)));
}

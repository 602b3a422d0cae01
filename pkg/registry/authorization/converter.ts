/** Reviews of authorization.k8s.io/v1beta1, which call the groups of a user `group`. Source: `k8s.io/api/authorization/v1beta1`. */
import { subjectAccessReviews, subjectAccessReviewsV1beta1 } from '#pkg/api/types/refs.ts';
import { converterOf, present } from '#pkg/apiserver/converters/converter.ts';

/** The converter, for reviews that name no user too. */
export const accessReviewConverter = converterOf(subjectAccessReviewsV1beta1, subjectAccessReviews, {
  toStored({ spec, ...rest }) {
    if (!spec) return { ...rest, ...present({ spec }) };
    const { group: groups, ...others } = spec;
    return { ...rest, spec: { ...others, ...present({ groups }) } };
  },
  fromStored({ spec, ...rest }) {
    if (!spec) return { ...rest, ...present({ spec }) };
    const { groups: group, ...others } = spec;
    return { ...rest, spec: { ...others, ...present({ group }) } };
  },
});

/** Flags of kubelets that people may set, whether nodes are processes or all in one. */

import { type FlagTable, text } from '#pkg/component/flags.ts';
import { evictionFlags } from './eviction-flags.ts';

/** The table. */
export const nodeFlags = {
  'image-aliases': text({
    help: 'File that says which programs of the in-process runtime stand for which container images (a YAML map); empty for none.',
    fallback: '',
    placeholder: 'file',
  }),
  ...evictionFlags,
} satisfies FlagTable;

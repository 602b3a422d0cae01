/** The flags of `get`, and what they select. */
import { type FlagTable, type FlagValues, integer, list, text, toggle } from '#pkg/component/flags.ts';
import { allNamespacesFlag, fieldSelectorFlag, fileFlags, printFlags, selectorFlag } from './context.ts';
import { chunkSizeDefault } from './targets.ts';

/** The flags of `get`. */
export const getFlags = {
  ...printFlags,
  selector: selectorFlag,
  'field-selector': fieldSelectorFlag,
  'all-namespaces': allNamespacesFlag,
  watch: toggle({ help: 'Show changes as they come, after the list.', short: 'w' }),
  'watch-only': toggle({ help: 'Show changes only.' }),
  'output-watch-events': toggle({ help: 'Say of each change what it was; with --watch or --watch-only.' }),
  'no-headers': toggle({ help: 'Leave out the line of headers.' }),
  'show-labels': toggle({ help: 'Add a column of labels.' }),
  'label-columns': list({ help: 'Labels that get a column each.', short: 'L', placeholder: 'key,key' }),
  'show-kind': toggle({ help: 'Name the type of each object.' }),
  'sort-by': text({ help: 'Field by which to sort, such as .metadata.name.', placeholder: 'path' }),
  'ignore-not-found': toggle({ help: 'Say nothing about objects that do not exist.' }),
  'chunk-size': integer({ help: 'Objects to ask for at a time; 0 for all at once.', fallback: chunkSizeDefault }),
  raw: text({ help: 'Print what this path of the server answers, as it is.', placeholder: 'path' }),
  ...fileFlags,
  'server-print': toggle({ help: "The server's own columns.", fallback: true }),
  subresource: text({ help: 'Subresource to show.', placeholder: 'name' }),
} satisfies FlagTable;

/** The value of every flag. */
export type GetValues = FlagValues<typeof getFlags> & { readonly namespace: string };

/** What selects the objects of a target that names a resource. */
export function selectionOf(values: GetValues) {
  return {
    selector: values.selector,
    fieldSelector: values['field-selector'],
    allNamespaces: values['all-namespaces'],
  };
}

/** The flags by which every command finds its cluster. */
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { type FlagTable, text } from '#pkg/component/flags.ts';

/** The flags, to be spread into the table of a command. */
export const clusterFlags = {
  name: text({ help: 'Name of the cluster.', fallback: defaultSettings.name, placeholder: 'name' }),
  'data-dir': text({ help: 'Folder of its data. Default: ~/.coxswain/<name>.', placeholder: 'folder' }),
} satisfies FlagTable;

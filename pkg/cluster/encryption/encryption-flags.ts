/** The flags of encryption at rest, under upstream's names. Source: apiserver `server/options/etcd.go`. */
import { type FlagTable, text, toggle } from '#pkg/component/flags.ts';

/** The table. */
export const encryptionFlags = {
  'encryption-provider-config': text({
    help: 'What is stored unreadable, and by which keys, as an EncryptionConfiguration. Default: nothing.',
    placeholder: 'file',
  }),
  'encryption-provider-config-automatic-reload': toggle({
    help: 'Looks each minute whether that file has changed, and follows it.',
  }),
} satisfies FlagTable;
